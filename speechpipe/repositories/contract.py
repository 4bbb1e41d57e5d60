"""What every repository of recordings takes and gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from speechpipe.transcript import Outcome, Rights

Status = Literal["done", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Part:
    """One carrier side or reel of an item; ``location`` is a path relative to the repository, or a URL."""

    location: str
    role: Literal["preservation", "access"] | None = None
    offset_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One recording in a repository. Only the identifier and one part are always known."""

    identifier: str
    parts: tuple[Part, ...]
    title: str | None = None
    language: str | None = None
    channels: str | None = None
    rights: Rights = field(default_factory=Rights)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The truth about what was done with one recording; it lies beside the outputs, as the manifest, written last.

    ``key`` digests everything that decided the result: input, software, models, settings. ``files`` maps each output's
    name to its SHA-256. ``version`` counts from 1 and rises where an earlier version was corrected by a person.
    ``wall_ms`` is how long the work took.
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


@dataclass(frozen=True, slots=True)
class Package:
    """What is deposited for one item: content by ending (``.vtt``, ``.alto.xml``) and the receipt without ``files``."""

    files: Mapping[str, bytes]
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Deposited:
    """``frozen``: an earlier version was corrected by a person, so this one was written beside it."""

    receipt: Receipt
    paths: tuple[Path, ...]
    frozen: bool = False


class Repository(Protocol):
    """Deposit is atomic per recording and idempotent; the manifest is written last."""

    def discover(self) -> Iterator[Item]:
        """Every recording, in a stable order. Raises ``RepositoryError`` where it cannot be read."""
        ...

    def fetch(self, item: Item) -> Path:
        """A local path of the item's (first) part. Raises ``MediaNotFound``, ``RepositoryError``."""
        ...

    def existing(self, item: Item) -> Receipt | None:
        """The newest receipt of the item, done or failed; None where nothing was done or it is unreadable."""
        ...

    def paths(self, item: Item, receipt: Receipt) -> tuple[Path, ...]:
        """Where the files that the receipt names lie."""
        ...

    def deposit(self, item: Item, package: Package) -> Deposited:
        """Write the package. Raises ``OutputError``."""
        ...

    def record_failure(self, item: Item, receipt: Receipt) -> None:
        """Keep a receipt of what failed; never touches the outputs of an earlier success."""
        ...
