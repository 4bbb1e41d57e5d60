"""Opening media safely, and what its container declares."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from speechpipe.errors import MediaNotFound, UnreadableMedia
from speechpipe.transcript import Media, Stream

# Demuxers that make "media" of any text or picture.
_TEXT = {"tty", "srt", "webvtt", "ass", "lrc", "microdvd", "subviewer", "subviewer1", "sami", "mpl2", "vplayer"}
_PICTURE = {"image2", "ico", "gif", "apng"}

_CHUNKED: dict[tuple[bytes, bytes], tuple[bytes, Literal["little", "big"]]] = {
    (b"RIFF", b"WAVE"): (b"data", "little"),
    (b"RF64", b"WAVE"): (b"data", "little"),
    (b"BW64", b"WAVE"): (b"data", "little"),
    (b"FORM", b"AIFF"): (b"SSND", "big"),
    (b"FORM", b"AIFC"): (b"SSND", "big"),
}


def probe(path: Path) -> Media:
    """What the container says of itself, without decoding. ``sha256`` and ``duration_ms`` stay unknown.

    Raises:
        MediaNotFound: no such file, or it may not be read.
        UnreadableMedia: empty, not a plain file, or no media.
    """
    with opened(path) as container:
        return Media(
            name=Path(path).name,
            size=Path(path).stat().st_size,
            declared_ms=_micro_to_ms(container.duration),
            container=container.format.name,
            streams=tuple(_stream(stream) for stream in container.streams),
        )


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The PyAV container of ``path``.

    PyAV is given an open file and no protocol, so that a playlist posing as media opens no other file and no address.

    Raises:
        MediaNotFound, UnreadableMedia: as of ``probe``.
    """
    import av  # its log is off unless someone turns it on: nothing of it reaches the user

    path = Path(path)
    _check(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise MediaNotFound(f"Cannot read {path}: {error.strerror or error}.") from error
    with file:
        try:
            container = av.open(file, options={"protocol_whitelist": "none"}, metadata_errors="replace")
        except (av.error.FFmpegError, OSError, ValueError, MemoryError) as error:
            raise UnreadableMedia(f"{path} is damaged, or no recording of a known format ({_cause(error)}).") from error
        with container:
            _check_kind(path, container)
            yield container


def missing_bytes(path: Path) -> int:
    """By how many bytes a RIFF, RF64 or AIFF file is shorter than the header of its sound says; 0 for all else.

    FFmpeg does not tell: it takes the duration of such a file from its size.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        sound, order = _CHUNKED.get((head[:4], head[8:12]), (b"", "little"))
        long_size = None
        for _ in range(1000):
            name, length = file.read(4), int.from_bytes(file.read(4), order)
            if not sound or len(name) < 4:
                return 0
            if name == b"ds64" and length >= 16:
                long_size = int.from_bytes(file.read(16)[8:], order)
                file.seek(-16, os.SEEK_CUR)
            if name == sound:
                if length >= 0xFFFFFF00 or 0x7FFFF000 <= length < 0x80000000:  # written by a pipe, or stands in ds64
                    length = long_size or 0
                return max(0, file.tell() + length - size)
            file.seek(length + length % 2, os.SEEK_CUR)
    return 0


def _check(path: Path) -> None:
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise MediaNotFound(f"There is no file {path}.") from error
    except (OSError, ValueError) as error:
        raise MediaNotFound(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error
    if stat.S_ISDIR(status.st_mode):
        raise UnreadableMedia(f"{path} is a folder, not a recording.", cure="Give a file in it, or run a batch.")
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableMedia(f"{path} is not a plain file.", cure="Give a recording as a file.")
    if status.st_size == 0:
        raise UnreadableMedia(f"{path} is empty (0 bytes).", cure="Fetch it again from its source.")
    if not os.access(path, os.R_OK):
        raise MediaNotFound(f"You may not read {path}.")


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
        codec=context.name if context is not None else None,
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
