"""Withdrawing a recording: its results and its traces are erased, and a tombstone keeps it from being done again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from speechpipe.errors import MediaNotFound, SpeechpipeError, Withdrawn
from speechpipe.pipeline.stages import now
from speechpipe.repositories.contract import Item, Receipt, Repository
from speechpipe.repositories.rights import masked, public_name
from speechpipe.repositories.tombstones import Graves
from speechpipe.settings import Settings
from speechpipe.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """``recordings``: what was withdrawn, by identifier; ``erased``: files that were removed; ``corrected``: of these
    the ones that a person had corrected; ``scratch``: folders of work in progress that were removed."""

    recordings: tuple[str, ...]
    erased: tuple[Path, ...]
    corrected: tuple[Path, ...]
    scratch: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording that is to be withdrawn: what its receipt tells, and the digests that its content has had."""

    receipt: Receipt
    contents: tuple[str, ...]


def find(repository: Repository, name: str) -> list[Recording]:
    """Every recording that ``name`` means: an identifier, that of a whole with several parts, or a location. Also one
    that is no longer in the repository, where something was done of it.

    Raises:
        MediaNotFound: none. RepositoryError: the repository cannot be read.
    """
    found: dict[str, Recording] = {}
    receipts = list(repository.receipts())
    for item in repository.discover():
        if name in (item.identifier, item.whole, item.location, public_name(item)):
            found[item.location] = of_item(repository, item)
    for receipt in receipts:
        location = receipt.location or receipt.identifier
        if name in _names(receipt) and location not in found:
            found[location] = Recording(receipt, tuple(filter(None, [receipt.source_sha256])))
    if not found:
        raise MediaNotFound(f"There is no recording {name!r}, and nothing was done of one.", cure="Check the name.")
    return [found[location] for location in sorted(found)]


def of_item(repository: Repository, item: Item) -> Recording:
    """A recording that is there, with the digest of its present content and of the one that was done."""
    known = [repository.existing(item), repository.existing(item, done=True)]
    contents = [receipt.source_sha256 for receipt in known if receipt]
    with suppress(SpeechpipeError):  # gone or damaged: its names and what was done of it still count
        contents.append(repository.fetch(item, known[1]).sha256)
    receipt = Receipt(
        identifier=item.identifier,
        status="withdrawn",
        source_name=PurePosixPath(item.location).name,
        location=item.location,
        restricted=item.standing != "open",
    )
    with suppress(SpeechpipeError):
        receipt = replace(receipt, source_size=repository.stat(item).size)
    return Recording(receipt, tuple(dict.fromkeys(filter(None, contents))))


def corrections(repository: Repository, recordings: Iterable[Recording]) -> tuple[Path, ...]:
    """The files that a person corrected, and that a withdrawal would erase with all others."""
    return tuple(path for receipt in _shelves(recordings) for path in repository.results(receipt)[1])


def withdraw(
    repository: Repository, recordings: Sequence[Recording], settings: Settings, reason: str | None = None
) -> Withdrawal:
    """Erase results, versions, a person's corrections and scratch; leave tombstones. The tombstones come first: what a
    kill leaves is erased by the same call again.

    Raises:
        AlreadyInWork: one of them is being transcribed; nothing was erased.
        OutputError: something cannot be erased, or the tombstone not be written.
    """
    with ExitStack() as held:
        scratch = [
            space
            for recording in recordings
            for content in recording.contents
            if (space := Workspace(settings.workspace_folder, content)).folder.is_dir()
        ]
        for space in scratch:
            held.enter_context(space.locked("This recording"))
        for recording in recordings:
            for sha256 in recording.contents or (None,):
                repository.withdraw(_tombstone(recording.receipt, sha256, reason))
        corrected = corrections(repository, recordings)
        erased = [path for receipt in _shelves(recordings) for path in repository.erase(receipt)]
        for space in scratch:
            space.remove()
    names = tuple(dict.fromkeys(recording.receipt.identifier for recording in recordings))
    return Withdrawal(names, tuple(erased), corrected, tuple(space.folder for space in scratch))


def lift(repository: Repository, name: str) -> tuple[Receipt, ...]:
    """Take the tombstones of ``name`` away, so that it may be done again.

    Raises:
        MediaNotFound: it was not withdrawn.
    """
    graves = [grave for grave in repository.tombstones() if name in _names(grave)]
    if not graves:
        raise MediaNotFound(f"{name!r} was not withdrawn.", cure="Check the name and the collection.")
    for grave in graves:
        repository.lift(grave)
    return tuple(graves)


def refuse_withdrawn(settings: Settings, repository: Repository, item: Item, sha256: str) -> None:
    """Raises Withdrawn where the item is withdrawn, or its content under any name in any collection of the settings."""
    grave = repository.tombstone(item, sha256)
    for collection in settings.collections.values():
        grave = grave or Graves(collection.outputs).of_content(sha256)
    if grave is not None:
        named = grave.identifier != grave.location or not grave.restricted
        name = grave.identifier if named else masked(grave.location or grave.identifier)
        raise Withdrawn(
            f"{public_name(item)} was withdrawn.", cure=f"To lift this: speechpipe withdraw --lift {shlex.quote(name)}"
        )


def _tombstone(receipt: Receipt, sha256: str | None, reason: str | None) -> Receipt:
    return Receipt(
        identifier=receipt.identifier,
        status="withdrawn",
        source_name=receipt.source_name,
        location=receipt.location or receipt.identifier,
        source_sha256=sha256,
        source_size=receipt.source_size,
        message=reason,
        finished=now(),
        restricted=receipt.restricted,
    )


def _shelves(recordings: Iterable[Recording]) -> list[Receipt]:
    """Rights may have changed between two runs: results may stand on either side."""
    return [replace(recording.receipt, restricted=side) for recording in recordings for side in (False, True)]


def _names(receipt: Receipt) -> tuple[str | None, ...]:
    location = receipt.location or receipt.identifier
    return receipt.identifier, _whole(receipt), location, masked(location)


def _whole(receipt: Receipt) -> str | None:
    """The identifier of the item of which this is a numbered part."""
    whole, _, number = receipt.identifier.rpartition("/")
    return whole if number.isdecimal() and receipt.location not in (None, receipt.identifier) else None
