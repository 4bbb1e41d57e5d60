"""All that a file says of itself: streams, timecode, chapters, notes of broadcasters. Runs in the reader's process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speechpipe.audio.media import media_of, opened
from speechpipe.audio.riff import Bext, broadcast_notes
from speechpipe.audio.second import misread, probe_second
from speechpipe.errors import UnreadableMedia
from speechpipe.transcript import Media

_LONGEST_TAG = 1000
_MOST_TAGS = 200


@dataclass(frozen=True, slots=True)
class Chapter:
    start_ms: int
    end_ms: int
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """``start_ms``: the container's first time stamp. ``timecode``: as the container writes it. ``tags``: of the
    container and, as ``0/title``, of its streams. ``delay_samples``: of the first audio stream's encoder."""

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
                delay_samples=_delay(sound),
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


def _delay(stream: Any) -> int | None:
    """Samples that the encoder put before the sound; None where the codec does not tell."""
    delay = getattr(stream.codec_context, "delay", None) if stream is not None else None
    return int(delay) if delay else None
