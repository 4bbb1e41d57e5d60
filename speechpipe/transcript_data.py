"""The canonical transcript: what was said, when, by which machine, and how sure it is.

Frozen; times are integer milliseconds from the start of the recording, start inclusive, end exclusive; what is not
known is ``None``. JSON is its lossless form, described by ``transcript.schema.json``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Self, TypeVar, Union, cast, get_args, get_origin, get_type_hints

SCHEMA_VERSION = "1.1"
#: 1.0 lacks ``identifier``, ``title`` and ``rights``.
READABLE_VERSIONS = ("1.0", SCHEMA_VERSION)

Timing = Literal["aligned", "decoder", "interpolated", "human"]
Outcome = Literal["speech", "no_speech", "silent", "no_audio"]
EventKind = Literal["music", "silence", "noise", "tone", "unreadable"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Word:
    """One written word; ``text`` carries its own punctuation. ``confidence`` is 0..1."""

    text: str
    start_ms: int | None = None
    end_ms: int | None = None
    confidence: float | None = None
    timing: Timing | None = None

    def __post_init__(self) -> None:
        _check_span(self.start_ms, self.end_ms)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech on one channel. ``text`` is ``words`` joined by single spaces, where words are known."""

    id: int
    start_ms: int
    end_ms: int
    text: str
    words: tuple[Word, ...] = ()
    language: str | None = None
    channel: int | None = None
    speaker: str | None = None
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    compression_ratio: float | None = None
    temperature: float | None = None
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_span(self.start_ms, self.end_ms)


@dataclass(frozen=True, slots=True)
class Event:
    """Something heard that is not speech."""

    start_ms: int
    end_ms: int
    kind: EventKind
    channel: int | None = None

    def __post_init__(self) -> None:
        _check_span(self.start_ms, self.end_ms)


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a media file, as its container declares it."""

    index: int
    kind: str
    codec: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    layout: str | None = None
    bits_per_sample: int | None = None
    start_ms: int | None = None
    duration_ms: int | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """The recording. ``duration_ms`` is what was decoded, ``declared_ms`` what the container says."""

    name: str
    sha256: str | None = None
    size: int | None = None
    duration_ms: int | None = None
    declared_ms: int | None = None
    container: str | None = None
    streams: tuple[Stream, ...] = ()


@dataclass(frozen=True, slots=True)
class Rights:
    """What may be done with the recording and its text. ``statement`` is a URI or a sentence; None is not known."""

    statement: str | None = None
    access: str | None = None
    may_transcribe: bool | None = None
    may_publish: bool | None = None
    may_train: bool | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One act of processing: provenance. Names no machine and no path of one."""

    what: str
    software: str
    version: str
    model: str | None = None
    model_revision: str | None = None
    model_sha256: str | None = None
    model_licence: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    started: str | None = None
    ended: str | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """Who or what corrected the transcript, and when (ISO 8601, UTC)."""

    by: str
    at: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class TranscriptData:
    """Everything known about what is said in one recording.

    ``identifier``, ``title`` and ``rights`` are what its repository says of it.
    """

    media: Media
    outcome: Outcome
    segments: tuple[Segment, ...] = ()
    events: tuple[Event, ...] = ()
    languages: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()
    complete: bool = True
    incomplete_reason: str | None = None
    revision: Revision | None = None
    identifier: str | None = None
    title: str | None = None
    rights: Rights = Rights()

    # Equal are those that say the same, with or without the ways to write it of transcript.Transcript.
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TranscriptData):
            return NotImplemented
        return all(getattr(self, f.name) == getattr(other, f.name) for f in dataclasses.fields(self))

    @property
    def text(self) -> str:
        """The segments' texts, one a line."""
        return "\n".join(segment.text for segment in self.segments)

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def confidence(self) -> float | None:
        """Mean confidence of the words that have one, or ``None``."""
        known = [word.confidence for word in self.words if word.confidence is not None]
        return sum(known) / len(known) if known else None

    @property
    def machine_generated(self) -> bool:
        """True until a person has corrected it."""
        return self.revision is None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, with the schema's version."""
        return {"schema_version": SCHEMA_VERSION, **cast(dict[str, Any], _plain(self))}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what ``to_dict`` wrote.

        Raises:
            ValueError: another schema version, a missing field or a value of the wrong type.
        """
        version = data.get("schema_version")
        if version not in READABLE_VERSIONS:
            raise ValueError(f"schema_version is {version!r}, not {SCHEMA_VERSION!r}")
        fields = {key: value for key, value in data.items() if key != "schema_version"}
        return cast(Self, _reader(cast(Any, cls))(fields, "transcript"))


def _check_span(start_ms: int | None, end_ms: int | None) -> None:
    if (start_ms is None) != (end_ms is None):
        raise ValueError("start_ms and end_ms are known together or not at all")
    if start_ms is not None and end_ms is not None and not 0 <= start_ms <= end_ms:
        raise ValueError(f"not a span of time: {start_ms}..{end_ms} ms")


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


Reader = Callable[[Any, str], Any]


@cache
def _reader(kind: Any) -> Reader:
    """How a value of JSON becomes one of ``kind``; every mismatch is a ValueError that says where."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _optional(_reader(next(a for a in arguments if a is not NoneType)))
    if origin is Literal:
        return _one_of(arguments)
    if origin is tuple:
        return _list_of(_reader(arguments[0]))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _object_of(kind)
    return _plain_value({int: int, float: float, str: str, bool: bool}.get(kind, Mapping))


def _optional(read: Reader) -> Reader:
    return lambda value, where: None if value is None else read(value, where)


def _one_of(choices: tuple[Any, ...]) -> Reader:
    def read(value: Any, where: str) -> Any:
        if value not in choices:
            raise ValueError(f"{where}: {value!r} is none of {', '.join(choices)}")
        return value

    return read


def _list_of(read_item: Reader) -> Reader:
    def read(value: Any, where: str) -> Any:
        if not isinstance(value, list):
            raise ValueError(f"{where}: not a list")
        try:
            return tuple([read_item(item, "") for item in value])
        except ValueError:  # once more, for the place
            return tuple([read_item(item, f"{where}[{i}]") for i, item in enumerate(value)])

    return read


def _plain_value(expected: Any) -> Reader:
    def read(value: Any, where: str) -> Any:
        if type(value) is expected:
            return value
        if expected is float and type(value) is int:
            return float(value)
        if expected is not Mapping or not isinstance(value, Mapping):
            raise ValueError(f"{where}: {value!r} is not of type {expected.__name__}")
        return value

    return read


def _object_of(kind: type) -> Reader:
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    readers = {name: _reader(hints[name]) for name in names}

    def read(value: Any, where: str) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError(f"{where}: not an object")
        if not readers.keys() >= value.keys():
            unknown = sorted(map(str, value.keys() - readers.keys()))
            raise ValueError(f"{where}: unknown fields {', '.join(unknown)}")
        try:
            return kind(**{key: readers[key](item, f"{where}.{key}") for key, item in value.items()})
        except TypeError as error:
            raise ValueError(f"{where}: {error}") from error

    return read
