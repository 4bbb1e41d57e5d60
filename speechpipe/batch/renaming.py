"""What follows from a selection alone: what may no longer stand open is closed, results move with their recording, and
what they tell of it is put right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from speechpipe import formats
from speechpipe.errors import OutputError, SpeechpipeError
from speechpipe.files import explained, read_bytes, sha256_bytes
from speechpipe.repositories import selection as repositories
from speechpipe.repositories.choices import Choice, Selection
from speechpipe.repositories.contract import Item, Package, Receipt, Repository
from speechpipe.settings import Settings
from speechpipe.transcript_data import TranscriptData
from speechpipe.withdrawal.closing import Forget, close, forget_all, nowhere_else

JSON = formats.suffix("json")


def settle(repository: Repository, selection: Selection, forget: Forget = nowhere_else) -> Selection:
    """As ``repositories.selection.settle``; results that moved tell of their recording as it is called now, with the
    rights that it has now. Where that cannot be made from them, it is done again. ``forget`` as ``closing.close``.

    Raises:
        OutputError: nothing can be written. RepositoryError: its metadata cannot be trusted.
    """
    close(repository, forget=forget)
    moving = ((c.item, c.elsewhere or (c.receipt if c.kind == "moved" else None)) for c in selection.choices)
    forget_all(
        repository, [r for item, r in moving if r and item.standing != "open" and not r.restricted], forget=forget
    )
    settled = repositories.settle(repository, selection)
    pairs = zip(selection.choices, settled.choices, strict=True)
    return replace(settled, choices=tuple(_told_anew(repository, before, after) for before, after in pairs))


def _told_anew(repository: Repository, before: Choice, after: Choice) -> Choice:
    receipt = after.receipt
    if after.kind != "moved" or before.receipt is None or receipt is None or receipt.status != "done":
        return after
    paths = repository.paths(after.item, receipt)
    try:
        contents = {path: _read(path) for path in paths}
    except OutputError:  # its text is where it belongs; it must not cost a night
        return after
    if any(sha256_bytes(content) != receipt.files[path.name] for path, content in contents.items()):
        return after  # a person has corrected it, so that it stays as it is
    whole = next((content for path, content in contents.items() if path.name.endswith(JSON)), None)
    if whole is None:
        same = before.receipt.source_name == receipt.source_name
        why = "It was done under another name, which its results tell."
        return after if same else replace(after, kind="rerun", again=True, reason=why)
    try:
        return replace(
            after, receipt=_written_anew(repository, after.item, receipt, paths, formats.read(whole, "json"))
        )
    except SpeechpipeError:
        return after


def _written_anew(
    repository: Repository, item: Item, receipt: Receipt, paths: tuple[Path, ...], transcript: TranscriptData
) -> Receipt:
    media = replace(transcript.media, name=receipt.source_name)
    told = replace(transcript, media=media, identifier=item.identifier, title=item.title, rights=item.rights)
    names = [formats.format_of(path) for path in paths]
    if told == transcript or None in names:
        return receipt
    files, describe = formats.parts(told, [name for name in names if name], Settings.load().captions)
    return repository.deposit(item, Package(files, receipt, describe)).receipt


def _read(path: Path) -> bytes:
    with explained(path):
        return read_bytes(path)
