"""All that a file says of itself: streams, timecode, chapters, notes of broadcasters. Runs in the reader's process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from speechpipe.audio.reader.media import media_of, opened
from speechpipe.audio.reader.riff import Bext, broadcast_notes
from speechpipe.audio.reader.second import misread, probe_second
from speechpipe.errors import UnreadableMedia
from speechpipe.transcript_data import Media

_LONGEST_TAG = 1000
_MOST_TAGS = 200
_FIRST_PACKETS = 500  # among which the sound's first one is looked for


@dataclass(frozen=True, slots=True)
class Chapter:
    start_ms: int
    end_ms: int
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """``start_ms``: the container's first time stamp. ``timecode``: as the container writes it. ``tags``: of the
    container and, as ``0/title``, of its streams. ``delay_samples``: what the encoder of the best audio stream put
    before its sound, or an edit list takes off; at the stream's own rate."""

    media: Media
    start_ms: int | None = None
    timecode: str | None = None
    delay_samples: int | None = None
    chapters: tuple[Chapter, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    bext: Bext | None = None
    ixml: Mapping[str, str] = field(default_factory=dict)


def inspection_of(path: Path) -> Inspection:
    """What the file ``path`` says of itself, by the first reader that takes it.

    Raises:
        MediaNotFound, UnreadableMedia: as of ``probe``.
    """
    if misread(path):
        return Inspection(probe_second(path))
    try:
        with opened(path) as container:
            bext, ixml = broadcast_notes(path)
            tags = _tags(container)
            sound = container.streams.best("audio")
            return Inspection(
                media=media_of(path, container),
                start_ms=None if container.start_time is None else round(container.start_time / 1000),
                timecode=next((value for key, value in tags.items() if key.split("/")[-1] == "timecode"), None),
                delay_samples=_delay(container, sound),
                chapters=tuple(_chapters(container)),
                tags=tags,
                bext=bext,
                ixml=ixml,
            )
    except UnreadableMedia as refused:
        if refused.__cause__ is None:
            raise
        try:
            media = probe_second(path)
        except UnreadableMedia:
            raise refused from None
    bext, ixml = broadcast_notes(path)
    return Inspection(media, bext=bext, ixml=ixml)


def _tags(container: Any) -> dict[str, str]:
    found = [(str(key).lower(), value) for key, value in container.metadata.items()]
    for stream in container.streams:
        found += [(f"{stream.index}/{str(key).lower()}", value) for key, value in stream.metadata.items()]
    return {key: str(value)[:_LONGEST_TAG] for key, value in found[:_MOST_TAGS]}


def _chapters(container: Any) -> list[Chapter]:
    chapters = []
    for chapter in container.chapters()[:_MOST_TAGS]:
        base = chapter["time_base"]
        start, end = (max(0, round(chapter[key] * base * 1000)) for key in ("start", "end"))
        title = chapter.get("metadata", {}).get("title")
        chapters.append(Chapter(start, max(start, end), title[:_LONGEST_TAG] if title else None))
    return chapters


def _delay(container: Any, stream: Any) -> int | None:
    """Samples before the sound that are left out, by the first packet's side data: AV_PKT_DATA_SKIP_SAMPLES begins
    with their number, 32 bits of it. None where the file does not tell."""
    import av

    with suppress(av.error.FFmpegError, OSError, ValueError, MemoryError):
        for packet in islice(container.demux(), _FIRST_PACKETS):
            if stream is not None and packet.stream_index == stream.index:
                told = bytes(packet.get_sidedata("skip_samples")) if packet.has_sidedata("skip_samples") else b""
                return int.from_bytes(told[:4], "little") or None
    return None
