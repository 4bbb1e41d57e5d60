"""What every repository of recordings takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from speechpipe.errors import RepositoryError
from speechpipe.repositories.results.copies import Erased
from speechpipe.transcript_data import Outcome, Rights

Status = Literal["done", "failed", "skipped", "cancelled", "withdrawn"]

#: ``open``: outputs lie where all do. ``restricted``: apart, and no word of them is told elsewhere. ``forbidden``: may
#: not be transcribed.
Standing = Literal["open", "restricted", "forbidden"]


@dataclass(frozen=True, slots=True)
class Part:
    """One carrier side or reel; ``location`` is a path relative to the repository, or a URL.

    ``checksum`` is what the repository says of its content, as ``sha256:HEX``.
    """

    location: str
    role: Literal["preservation", "access"] | None = None
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One recording in a repository. Only the identifier and one part are always known.

    ``whole`` is the identifier of what has several parts, of which this is one. ``standing`` is what the repository
    makes of the rights and of its policy for rights that are not known; an item that a person names is open.
    """

    identifier: str
    parts: tuple[Part, ...]
    title: str | None = None
    language: str | None = None
    channels: str | None = None
    rights: Rights = field(default_factory=Rights)
    whole: str | None = None
    standing: Standing = "open"

    @property
    def location(self) -> str:
        """Where its (first) part lies.

        Raises:
            RepositoryError: it has none.
        """
        if not self.parts:
            raise RepositoryError(f"The item {self.identifier!r} has no part.")
        return self.parts[0].location


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What discovery found and cannot offer, with the reason as a sentence: an unreadable folder, a missing file.

    ``name`` is where it lies; ``public`` what to call it where others look on, if not so.
    """

    name: str
    reason: str
    public: str | None = None

    @property
    def called(self) -> str:
        return self.public or self.name


@dataclass(frozen=True, slots=True)
class Stat:
    """Of a file, without reading it; ``ctime_ns`` is when its content, name or owner last changed, ``inode`` its number
    in the file system; None where there is none."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A local file, its SHA-256 made while it was read, and its state before that."""

    path: Path
    sha256: str
    stat: Stat
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The truth about what was done with one recording; it lies beside the outputs, as the manifest, written last.

    ``key`` digests everything that decided the result: input, software, models, settings. ``files`` maps each output's
    name to its SHA-256. ``version`` counts from 1 and rises where an earlier version was corrected by a person.
    ``wall_ms`` is how long the work took, ``flagged`` how many segments want a look. ``location`` is the recording's
    within the repository; ``origin`` digests the folder that it came from, where only a name in it is known.
    ``source_checksum`` is what the repository said of its content. A failure counts its ``attempts`` on one input and
    names the time (UTC, ISO 8601) before which another is of no use. ``rights_known``: whether metadata told of its
    rights; else ``restricted`` is what the policy makes of such recordings. ``skipped``: the rights forbid it.
    ``cancelled``: a person stopped it in a batch. ``withdrawn``: a tombstone.
    """

    identifier: str
    status: Status
    source_name: str
    key: str | None = None
    source_size: int | None = None
    source_mtime_ns: int | None = None
    source_sha256: str | None = None
    outcome: Outcome | None = None
    complete: bool | None = None
    error: str | None = None
    message: str | None = None
    cure: str | None = None
    curable: bool | None = None
    software: str | None = None
    model: str | None = None
    model_revision: str | None = None
    languages: tuple[str, ...] = ()
    words: int | None = None
    confidence: float | None = None
    first_words: str | None = None
    audio_ms: int | None = None
    wall_ms: int | None = None
    finished: str | None = None
    version: int = 1
    files: Mapping[str, str] = field(default_factory=dict)
    location: str | None = None
    origin: str | None = None
    source_checksum: str | None = None
    attempts: int | None = None
    not_before: str | None = None
    restricted: bool = False
    flagged: int | None = None
    rights_known: bool | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """What is deposited for one item: content by ending (``.vtt``, ``.alto.xml``) and the receipt without ``files``.

    ``describe`` writes files that name the others, such as METS: from their names and contents to content by ending.
    """

    files: Mapping[str, bytes]
    receipt: Receipt
    describe: Callable[[Mapping[str, bytes]], Mapping[str, bytes]] | None = None


@dataclass(frozen=True, slots=True)
class Deposited:
    """``frozen``: an earlier version was corrected by a person, so this one was written beside it."""

    receipt: Receipt
    paths: tuple[Path, ...]
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Closed:
    """A recording whose results left the open side, where its rights no longer let them stand: its newest receipt,
    all files where they lie now, and of these the ones that a person changed or placed."""

    item: Item
    receipt: Receipt | None
    files: tuple[Path, ...]
    theirs: tuple[Path, ...]


class Repository(Protocol):
    """Deposit is atomic per recording and idempotent; the manifest is written last.

    ``origin`` digests the folder of the recordings, where several of one name may meet in the outputs; None where the
    place within the repository tells recordings apart.
    """

    origin: str | None

    def discover(self, left_out: list[LeftOut] | None = None) -> Iterator[Item]:
        """Every recording, in a stable order; what cannot be offered goes into ``left_out``.

        Raises:
            RepositoryError: it cannot be read at all, or its metadata cannot be trusted.
        """
        ...

    def stat(self, item: Item) -> Stat:
        """The state of the item's part. Raises ``MediaNotFound``, ``RepositoryError``."""
        ...

    def locate(self, item: Item) -> Path:
        """A local path for a glance at the item's part, not checked against anything. Raises as ``stat``."""
        ...

    def fetch(self, item: Item, known: Receipt | None = None) -> Fetched:
        """The item's part as a local file, hashed in the same reading and compared with the repository's checksum.

        A file of the size and date of ``known`` is not read again. Raises ``MediaNotFound``, ``MediaUnavailable``,
        ``RepositoryError``, ``ChecksumMismatch``.
        """
        ...

    def checksum(self, item: Item) -> str | None:
        """What the repository says of the content, as ``sha256:HEX``; None where it says nothing."""
        ...

    def is_ready(self, item: Item, marker: str) -> bool:
        """Whether the marker lies beside the recording: an ending of its name (``.ready``), or a file's name."""
        ...

    def existing(self, item: Item, *, done: bool = False) -> Receipt | None:
        """The newest receipt of the item, ``done`` ones alone or of any status; None where there is none to be read.

        Where the rights have changed, why it is not done is also read from where it stood before; ``move`` brings it.
        """
        ...

    def receipts(self) -> Iterator[Receipt]:
        """The newest receipt of every recording, also of those that are no longer there; no tombstones."""
        ...

    def paths(self, item: Item, receipt: Receipt) -> tuple[Path, ...]:
        """Where the files that the receipt names lie."""
        ...

    def held(self, item: Item) -> AbstractContextManager[None]:
        """The place of the item's results, against all others who write there: what is seen within stays so until it
        is written. All that writes holds it by itself, too. Raises ``AlreadyInWork``, ``OutputError``."""
        ...

    def deposit(self, item: Item, package: Package) -> Deposited:
        """Write the package. Raises ``OutputError``; ``Withdrawn`` where a tombstone stands, asked for last of all."""
        ...

    def check_room(self) -> None:
        """Raises ``OutputError`` where nothing can be written: read-only, no permission, or no space for a result."""
        ...

    def record_failure(self, item: Item, receipt: Receipt) -> None:
        """Keep a receipt of what failed, was skipped or cancelled; never touches the outputs of an earlier success. Of
        what was withdrawn nothing is kept."""
        ...

    def move(self, receipt: Receipt, item: Item) -> Receipt:
        """Bring what ``receipt`` tells of to ``item``, which is the same recording elsewhere: results, or why there are
        none.

        A person's corrections go with them. May be repeated after a kill. Raises ``OutputError``: files in the way.
        """
        ...

    def current(self, item: Item) -> Item:
        """``item`` as its rights are now, which may have changed since it was discovered. Raises as ``discover``."""
        ...

    def remember(self) -> None:
        """Keep that metadata tells of rights, so that it is missed where it is away. Raises as ``discover``."""
        ...

    def misplaced(self) -> Iterator[tuple[Item, Receipt]]:
        """What stands on the open side and may not by its rights, with its receipt there, from receipts alone: whether
        the recording is there, rests, failed or has changed does not matter. Raises as ``discover``."""
        ...

    def close(self, item: Item, receipt: Receipt) -> Closed:
        """Bring all that stands there to the restricted side, a person's work too; may be repeated after a kill.

        Raises ``OutputError``.
        """
        ...

    def results(self, receipt: Receipt) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        """All files of every version with their records, and of these the ones that a person corrected."""
        ...

    def contents(self, receipt: Receipt) -> tuple[str, ...]:
        """The digests that the recording had when its results, of any version, were made."""
        ...

    def kept(self, receipt: Receipt) -> tuple[Path, ...]:
        """What a person had changed of a recording whose results were erased, where it lies now."""
        ...

    def erase(self, receipt: Receipt, *, corrections: bool = False) -> Erased:
        """Remove what ``results`` names, on the side that the receipt tells of, and the copies that were made of it.

        What a person changed is brought aside, with the restricted results; with ``corrections`` it is removed as well,
        and so is what was brought aside before. May be repeated after a kill. Raises ``OutputError``.
        """
        ...

    def record_copies(self, item: Item, receipt: Receipt, copies: Mapping[Path, bytes]) -> None:
        """Keep where copies of the results go, before they are written. Raises ``OutputError``."""
        ...

    def erase_copies(self, receipt: Receipt) -> Erased:
        """Remove the copies alone, as when a recording's rights close; else as ``erase``."""
        ...

    def tombstones(self) -> Iterator[Receipt]:
        """What was withdrawn."""
        ...

    def tombstone(self, item: Item | None, sha256: str | None = None) -> Receipt | None:
        """The tombstone of this item, or of this content whatever its name; of the content alone without an item."""
        ...

    def withdraw(self, receipt: Receipt) -> None:
        """Put a tombstone (a receipt with the status ``withdrawn``). Raises ``OutputError``."""
        ...

    def lift(self, tombstone: Receipt) -> None:
        """Take a tombstone away."""
        ...
