"""Opening media safely, and what its container declares."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from speechpipe.audio.reader import machine
from speechpipe.errors import MediaNotFound, UnreadableMedia
from speechpipe.files import not_read
from speechpipe.transcript_data import Media, Stream

# Demuxers that make "media" of any text or picture.
_TEXT = {"tty", "srt", "webvtt", "ass", "lrc", "microdvd", "subviewer", "subviewer1", "sami", "mpl2", "vplayer"}
_PICTURE = {"image2", "ico", "gif", "apng"}
# Demuxers that open other files, addresses or devices: playlists, manifests, descriptions of sessions.
_OF_OTHERS = {"hls", "concat", "dash", "imf", "sdp", "rtsp", "rtp", "sap", "webm_dash_manifest", "vobsub", "lavfi"}
_OF_OTHERS |= {"alsa", "fbdev", "kmsgrab", "oss", "pulse", "sndio", "video4linux2,v4l2", "x11grab", "xcbgrab"}
_LISTS = (b"#EXTM3U", b"ffconcat version", b"<MPD")


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The PyAV container of ``path``.

    PyAV is given an open file and no protocol, so that a playlist posing as media opens no other file and no address;
    nor is it taken for media.

    Raises:
        MediaNotFound, MediaUnavailable, UnreadableMedia: as of ``probe``.
    """
    import av  # its log is off unless someone turns it on: nothing of it reaches the user

    path = Path(path)
    check(path)
    try:
        file = machine.open_media(path)
    except OSError as error:
        raise not_read(path, error) from error
    with file:
        try:
            container = av.open(file, options=_confined(), metadata_errors="replace")
        except (av.error.FFmpegError, OSError, ValueError, MemoryError) as error:
            machine.check(path)
            if isinstance(error, MemoryError):
                machine.check_memory(path)
            if _is_list(path):
                raise UnreadableMedia(
                    f"{path} is a list of other files, no recording.", cure="Give the recordings themselves."
                ) from None
            raise UnreadableMedia(f"{path} is damaged, or no recording of a known format ({_cause(error)}).") from error
        with container:
            _check_kind(path, container)
            yield container


@cache
def _confined() -> dict[str, str]:
    """FFmpeg's options, by which it reads the file that it is given and no other."""
    import av

    return {
        "protocol_whitelist": "none",
        "format_whitelist": ",".join(sorted(av.formats_available - _OF_OTHERS)),
    }


def _is_list(path: Path) -> bool:
    with machine.open_media(path) as file:
        head = file.read(512)
    return any(mark in head for mark in _LISTS)


def media_of(path: Path, container: Any) -> Media:
    """What an open container says of itself."""
    return Media(
        name=path.name,
        size=path.stat().st_size,
        declared_ms=_micro_to_ms(container.duration),
        container=container.format.name,
        streams=tuple(_stream(stream) for stream in container.streams),
    )


def check(path: Path) -> None:
    """Raises MediaNotFound, MediaUnavailable, UnreadableMedia: no plain file with something in it that may be read."""
    try:
        status = path.stat()
    except OSError as error:
        raise not_read(path, error) from error
    except ValueError as error:
        raise MediaNotFound(f"Cannot read {path}: {error}.") from error
    if stat.S_ISDIR(status.st_mode):
        raise UnreadableMedia(f"{path} is a folder, not a recording.", cure="Give a file in it, or run a batch.")
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableMedia(f"{path} is not a plain file.", cure="Give a recording as a file.")
    if status.st_size == 0:
        raise UnreadableMedia(f"{path} is empty (0 bytes).", cure="Fetch it again from its source.")
    if not os.access(path, os.R_OK):
        raise not_read(path, PermissionError(errno.EACCES, ""))


def _check_kind(path: Path, container: Any) -> None:
    names = set(container.format.name.split(","))
    if names & _TEXT:
        raise UnreadableMedia(f"{path} is text, not a recording.", cure="Give the recording itself.")
    if names & _PICTURE or any(name.endswith("_pipe") for name in names):
        raise UnreadableMedia(f"{path} is a picture, not a recording.", cure="Give the recording itself.")


def _stream(stream: Any) -> Stream:
    context = stream.codec_context
    sound = stream.type == "audio" and context is not None
    base = stream.time_base
    return Stream(
        index=stream.index,
        kind=stream.type,
        codec=context.codec.canonical_name if context is not None else None,
        sample_rate=(context.sample_rate or None) if sound else None,
        channels=(context.layout.nb_channels or None) if sound else None,
        layout=(context.layout.name or None) if sound else None,
        bits_per_sample=_coded_bits(context.name) if sound else None,
        start_ms=round(stream.start_time * base * 1000) if base and stream.start_time is not None else None,
        duration_ms=round(stream.duration * base * 1000) if base and stream.duration is not None else None,
        language=stream.language,
    )


def _coded_bits(codec: str) -> int | None:
    """Bits of a linear PCM codec by its name; other codecs have no such thing, or do not tell."""
    found = re.fullmatch(r"pcm_[sfu](\d+)(le|be)?(_planar)?", codec)
    return int(found[1]) if found else None


def _micro_to_ms(value: int | None) -> int | None:
    return None if value is None or value < 0 else (value + 500) // 1000


def _cause(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or "it cannot be opened").lower()
