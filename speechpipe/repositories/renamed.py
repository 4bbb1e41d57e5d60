"""Recordings that are known under another name: by their content, where the size is the same and the other is gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from speechpipe.errors import SpeechpipeError
from speechpipe.repositories import rights
from speechpipe.repositories.choices import Choice
from speechpipe.repositories.contract import Receipt, Repository


def resolved(repository: Repository, tombstones: Iterable[Receipt], choices: list[Choice]) -> list[Choice]:
    """New files that are known under another name are told apart from those that are really new."""
    if not any(_is_new(choice) or _may_be_open(choice) for choice in choices):
        return choices
    here = {choice.item.location: choice for choice in choices}
    gone: dict[int | None, list[Receipt]] = {}
    for receipt in (*tombstones, *repository.receipts()):
        if receipt.source_sha256 and receipt.status in ("done", "withdrawn") and _is_elsewhere(receipt, here):
            gone.setdefault(receipt.source_size, []).append(receipt)
    known = {id(choice): _renamed(repository, choice, gone) for choice in choices if _may_be_open(choice)}
    known |= {id(choice): _renamed(repository, choice, gone) for choice in choices if _is_new(choice)}
    return [known.get(id(choice), choice) for choice in choices]


def _is_elsewhere(receipt: Receipt, here: dict[str, Choice]) -> bool:
    """Whether the recording of the receipt is no longer where it was, or its results are on the wrong side."""
    choice = here.get(receipt.location or receipt.identifier)
    if receipt.status == "withdrawn" or choice is None:
        return True
    return receipt.restricted != (choice.item.standing != "open")


def _renamed(repository: Repository, choice: Choice, gone: dict[int | None, list[Receipt]]) -> Choice:
    candidates = gone.get(choice.stat.size, []) if choice.stat else []
    if not candidates:
        return choice
    try:
        sha256 = repository.fetch(choice.item).sha256
    except SpeechpipeError:
        return choice  # its own run will say what is wrong
    here = choice.item.location
    same = [receipt for receipt in candidates if receipt.source_sha256 == sha256]
    if _may_be_open(choice):
        stands = (receipt for receipt in same if receipt.status == "done" and not receipt.restricted)
        return replace(choice, elsewhere=next(stands, None))
    for receipt in sorted(same, key=lambda receipt: receipt.location != here):
        if receipt.status == "withdrawn":
            return replace(choice, kind="withdrawn", reason="It was withdrawn under another name.")
        candidates.remove(receipt)
        before = receipt.location or receipt.identifier
        why = f"It was done as {before}." if before != choice.item.location else "Its rights were changed."
        why = why if rights.may_show(choice.item) or "rights" in why else "It was done under another name."
        return replace(choice, kind="moved", reason=why, receipt=receipt)
    return choice


def _is_new(choice: Choice) -> bool:
    return choice.kind == "new" and choice.receipt is None


def _may_be_open(choice: Choice) -> bool:
    """Whether its results may stand open under another name, though it is not done now."""
    is_closed = choice.item.standing != "open" and choice.kind in ("waiting", "forbidden")
    return is_closed and choice.stat is not None and (choice.receipt is None or choice.receipt.status == "skipped")
