"""Withdrawing a recording: its results and its traces are erased, and a tombstone keeps it from being done again."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from speechpipe.errors import MediaError, MediaNotFound, RepositoryError, SpeechpipeError, Withdrawn
from speechpipe.moments import now
from speechpipe.repositories.contract import Item, Part, Receipt, Repository
from speechpipe.repositories.folder import FolderRepository
from speechpipe.repositories.results.copies import Erased
from speechpipe.repositories.rights import masked, public_name
from speechpipe.repositories.tombstones import Graves
from speechpipe.settings import Settings
from speechpipe.withdrawal import traces


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording that is to be withdrawn: what its receipt tells, the digests that its content has had, and the
    repository that its results are in."""

    receipt: Receipt
    contents: tuple[str, ...]
    repository: Repository


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """``recordings``: what was withdrawn, by identifier; ``files``: what became of all files; ``scratch``: folders of
    work in progress that were removed; ``held``: those in which somebody works, which stops by itself and removes them.
    """

    recordings: tuple[str, ...]
    files: Erased
    scratch: tuple[Path, ...]
    held: tuple[Path, ...]


def find(repository: Repository, name: str) -> list[Recording]:
    """Every recording that ``name`` means: an identifier, that of a whole with several parts, or a location; and what
    has the same content under another name. Also one that is no longer in the repository, where something was done of
    it or it was withdrawn before.

    Raises:
        MediaNotFound: none. RepositoryError: the repository cannot be read.
    """
    found: dict[str, Recording] = {}
    for item in repository.discover():
        if name in (item.identifier, item.whole, item.location, public_name(item)):
            found[item.location] = of_item(repository, item)
    told = [*repository.receipts(), *repository.tombstones()]
    _add(found, repository, [receipt for receipt in told if name in _names(receipt)])
    if not found:
        raise MediaNotFound(f"There is no recording {name!r}, and nothing was done of one.", cure="Check the name.")
    return _with_copies(repository, found, told)


def of_file(repository: FolderRepository, name: str) -> list[Recording]:
    """A file of the repository that a person named, whose results stand there or were withdrawn there; and what has the
    same content under another name.

    Raises:
        MediaNotFound: nothing was made of it there, or what stands there is of another recording of that name.
    """
    item = Item(name, (Part(name),))
    recording = of_item(repository, item)
    done = [receipt for side in _standings(item) if (receipt := repository.existing(side))]
    grave = repository.tombstone(item)
    if not done and not grave and not any(repository.results(side)[0] for side in _sides(recording)):
        raise MediaNotFound(f"Nothing was made of {name} in {repository.outputs}.")
    present = None
    with suppress(SpeechpipeError):
        present = repository.fetch(item).sha256
    for receipt in done:
        if receipt.origin != repository.origin and receipt.source_sha256 != present:
            raise MediaNotFound(f"The results of {name} in {repository.outputs} are of another recording of that name.")
    found = {name: recording}
    _add(found, repository, filter(None, (*done, grave)))
    return _with_copies(repository, found, list(repository.receipts()))


def _with_copies(repository: Repository, found: dict[str, Recording], told: Sequence[Receipt]) -> list[Recording]:
    for location, recording in found.items():
        earlier = (content for side in _sides(recording) for content in repository.contents(side))
        found[location] = replace(recording, contents=tuple(dict.fromkeys((*recording.contents, *earlier))))
    contents = {content for recording in found.values() for content in recording.contents}
    _add(found, repository, [receipt for receipt in told if receipt.source_sha256 in contents])
    return [found[location] for location in sorted(found)]


def _standings(item: Item) -> tuple[Item, Item]:
    return replace(item, standing="open"), replace(item, standing="restricted")


def elsewhere(settings: Settings, recordings: Sequence[Recording]) -> list[Recording]:
    """What the other collections of the settings have of the same content."""
    contents = {content for recording in recordings for content in recording.contents}
    known = {id(recording.repository): recording.repository for recording in recordings}.values()
    searched = {repository.outputs.resolve() for repository in known if isinstance(repository, FolderRepository)}
    more: list[Recording] = []
    for collection in settings.collections.values():
        repository = FolderRepository.of_collection(collection, settings.night)
        if contents and repository.outputs.resolve() not in searched:
            found: dict[str, Recording] = {}
            _add(found, repository, [r for r in repository.receipts() if r.source_sha256 in contents])
            more += found.values()
    return more


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
    return Recording(receipt, tuple(dict.fromkeys(filter(None, contents))), repository)


def corrections(recordings: Iterable[Recording]) -> tuple[Path, ...]:
    """The files that a person changed, also those that an earlier withdrawal brought aside."""
    return tuple(
        path
        for recording in recordings
        for path in (
            *(changed for side in _sides(recording) for changed in recording.repository.results(side)[1]),
            *recording.repository.kept(recording.receipt),
        )
    )


def withdraw(
    recordings: Sequence[Recording],
    settings: Settings,
    reason: str | None = None,
    *,
    with_corrections: bool = False,
    reports: Path | None = None,
    names: Collection[str] = (),
) -> Withdrawal:
    """Erase every trace, and leave tombstones. These come first: nothing is published from then on, what is in work
    stops, and what a kill leaves is erased by the same call again.

    What a person changed is brought aside unless ``with_corrections``. ``reports``: a folder of morning reports, in
    which the recordings have ``names``.

    Raises:
        OutputError: something cannot be erased, or the tombstone not be written.
    """
    for recording in recordings:
        known = {(grave.identifier, grave.source_sha256) for grave in recording.repository.tombstones()}
        for sha256 in recording.contents or (None,):
            if reason is not None or (recording.receipt.identifier, sha256) not in known:
                recording.repository.withdraw(_tombstone(recording.receipt, sha256, reason))
    files = Erased()
    for recording in recordings:
        receipt = replace(recording.receipt, source_sha256=next(iter(recording.contents), None))
        files += traces.erase(recording.repository, receipt, corrections=with_corrections)
    traces.forget_in_reports(reports, {name for r in recordings for name in traces.names_of(r.receipt)} | {*names})
    contents = dict.fromkeys(content for recording in recordings for content in recording.contents)
    scratch, held = traces.erase_scratch(settings.workspace_folder, contents)
    identifiers = tuple(dict.fromkeys(recording.receipt.identifier for recording in recordings))
    return Withdrawal(identifiers, files, scratch, held)


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


def refuse_withdrawn(
    settings: Settings, repository: Repository, item: Item, sha256: str | None, *, by_name: bool = True
) -> None:
    """Raises Withdrawn where the item is withdrawn, or its content under any name in any collection of the settings.

    ``by_name``: False asks for the content alone, which is quickly done."""
    grave = repository.tombstone(item if by_name else None, sha256)
    for collection in settings.collections.values():
        grave = grave or (Graves(collection.outputs).of_content(sha256) if sha256 else None)
    if grave is not None:
        named = grave.identifier != grave.location or not grave.restricted
        name = grave.identifier if named else masked(grave.location or grave.identifier)
        raise Withdrawn(
            f"{public_name(item)} was withdrawn.", cure=f"To lift this: speechpipe withdraw --lift {shlex.quote(name)}"
        )


def is_withdrawn(settings: Settings, repository: Repository, item: Item, sha256: str | None) -> bool:
    """Whether it must not be told of: ``refuse_withdrawn`` refuses it, or a tombstone cannot be read. A content that is
    not known is read where a tombstone tells of one of its size."""
    try:
        with suppress(MediaError):  # what is not there is withdrawn by its name alone
            if sha256 is None and any(g.source_size == repository.stat(item).size for g in repository.tombstones()):
                sha256 = repository.fetch(item).sha256
        refuse_withdrawn(settings, repository, item, sha256)
    except RepositoryError:
        return True
    return False


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


def _add(found: dict[str, Recording], repository: Repository, receipts: Iterable[Receipt]) -> None:
    """What receipts and tombstones tell, as recordings or as further contents of those that were found."""
    for receipt in receipts:
        location = receipt.location or receipt.identifier
        known = found.setdefault(location, Recording(receipt, (), repository))
        contents = dict.fromkeys(filter(None, (*known.contents, receipt.source_sha256)))
        found[location] = replace(known, contents=tuple(contents))


def _sides(recording: Recording) -> list[Receipt]:
    """Rights may have changed between two runs: results may stand on either side."""
    return [replace(recording.receipt, restricted=side) for side in (False, True)]


def _names(receipt: Receipt) -> tuple[str | None, ...]:
    location = receipt.location or receipt.identifier
    return receipt.identifier, _whole(receipt), location, masked(location)


def _whole(receipt: Receipt) -> str | None:
    """The identifier of the item of which this is a numbered part."""
    whole, _, number = receipt.identifier.rpartition("/")
    return whole if number.isdecimal() and receipt.location not in (None, receipt.identifier) else None
