"""The audio streams of a file that are transcribed: a film's own sound and its dubs, each labelled with its language.

Channels are counted on from stream to stream, in the order of the file: behind a stereo stream the next begins at 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from speechpipe import audio, languages
from speechpipe.errors import UnknownLanguage, UnreadableMedia, UsageError
from speechpipe.pipeline.chunk.stage import decode, of_share
from speechpipe.pipeline.chunk.voice_activity import Report
from speechpipe.transcript_data import Media, Stream

#: The one stream that FFmpeg holds for the best; its language is heard, since a lone tag is often wrong.
BEST = "best"
ALL = "all"
_LEFT_UNREAD = "left unread"


@dataclass(frozen=True, slots=True)
class Sound:
    """What was decoded of a file, and the language that its container gives a lane's stream, by the lane's file."""

    decoded: audio.Decoded
    languages: Mapping[str, str] = field(default_factory=dict)


def decode_streams(path: Path, folder: Path, channels: str, wanted: str, media: Media, report: Report) -> Sound:
    """Decode the ``wanted`` streams of ``path`` into ``folder``, the lanes of each in a folder of its own.

    A stream that cannot be decoded makes the recording incomplete; the others are read.

    Args:
        wanted: ``best`` | ``all`` | languages or numbers with commas between, such as ``nb,se`` or ``1,3``; audio
            streams count from 1.

    Raises:
        UsageError: ``wanted`` is none of these, or the file has no such stream. Else as ``audio.decode``.
    """
    streams = chosen(media, wanted)
    if not streams:
        return Sound(decode(path, folder, channels, media.declared_ms, report))
    parts: list[tuple[Stream, audio.Decoded]] = []
    failures: list[UnreadableMedia] = []
    for number, stream in enumerate(streams):
        place, share = folder / _folder(stream), of_share(report, number, len(streams))
        try:
            parts.append((stream, decode(path, place, channels, media.declared_ms, share, stream=stream.index)))
        except UnreadableMedia as error:
            failures.append(error)
            parts.append((stream, audio.Decoded((), 0, False, error.message)))
    if len(failures) == len(streams):
        raise failures[0]
    decoded = _merged(parts, len(_audio(media)) - len(streams))
    spoken = {f"{_folder(s)}/{lane.file}": code for s, part in parts for lane in part.lanes if (code := language_of(s))}
    return Sound(decoded, spoken)


def chosen(media: Media, wanted: str) -> tuple[Stream, ...]:
    """The audio streams that are ``wanted``, in the file's order; none where the decoder is to choose. Raises
    UsageError."""
    there = _audio(media)
    word = wanted.strip().lower()
    if word == BEST or not there:
        return ()
    if word == ALL:
        return there
    found = {index for item in word.split(",") for index in _matching(item.strip(), there, media.name)}
    return tuple(stream for stream in there if stream.index in found)


def check(wanted: str) -> str:
    """``wanted``, where it can be understood. Raises UsageError, UnknownLanguage."""
    items = [item.strip() for item in wanted.lower().split(",")]
    if items not in ([BEST], [ALL]):
        for item in items:
            if not _is_number(item):
                languages.check(item)
    return wanted


def language_of(stream: Stream) -> str | None:
    """The language of its tag; None for none, and for one that says nothing (``und``)."""
    try:
        return languages.check(stream.language) if stream.language else None
    except UnknownLanguage:
        return None


def _matching(item: str, there: Sequence[Stream], name: str) -> list[int]:
    if _is_number(item):
        found = [stream.index for stream in there[int(item) - 1 : int(item)]]
    else:
        code = languages.check(item)
        found = [stream.index for stream in there if language_of(stream) == code]
    if not found:
        has = ", ".join(f"{n} ({stream.language or 'no language'})" for n, stream in enumerate(there, 1))
        raise UsageError(f"{name} has no audio stream {item}; it has {has}.", cure="Give one of these, all, or best.")
    return found


def _is_number(item: str) -> bool:
    return item.isascii() and item.isdigit() and int(item[:6]) > 0


def _audio(media: Media) -> tuple[Stream, ...]:
    return tuple(stream for stream in media.streams if stream.kind == "audio")


def _folder(stream: Stream) -> str:
    return f"stream-{stream.index}"


def _merged(parts: Sequence[tuple[Stream, audio.Decoded]], unread: int) -> audio.Decoded:
    lanes: list[audio.Lane] = []
    warnings: list[str] = []
    first = 0
    for stream, part in parts:
        lanes += [audio.Lane(first + (lane.channel or 0), f"{_folder(stream)}/{lane.file}") for lane in part.lanes]
        own = [warning for warning in part.warnings if not warning.endswith(_LEFT_UNREAD)]
        warnings += [f"stream {stream.index}: {warning}" for warning in own]
        first += len(part.channels) or stream.channels or 1
    if unread:
        warnings.append(f"{unread} other audio stream{'s' if unread > 1 else ''} of the file {_LEFT_UNREAD}")
    reasons = [f"stream {stream.index}: {part.incomplete_reason}" for stream, part in parts if not part.complete]
    whole = [part for _, part in parts]
    return replace(
        whole[0],
        lanes=tuple(lanes),
        duration_ms=max(part.duration_ms for part in whole),
        complete=not reasons,
        incomplete_reason="; ".join(reasons) or None,
        warnings=tuple(warnings),
        policy=", ".join(part.policy for part in whole),
        gain=max(part.gain for part in whole),
        channels=tuple(channel for part in whole for channel in part.channels),
        lost=tuple(sorted({span for part in whole for span in part.lost})),
    )
