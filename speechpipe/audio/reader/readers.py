"""Opens a file with the reader that can: PyAV first, libsndfile where PyAV refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechpipe.audio.pcm import RATE
from speechpipe.audio.reader.media import opened
from speechpipe.audio.reader.second import SecondSource, misread
from speechpipe.audio.reader.source import Source
from speechpipe.audio.spread import SECONDS, spread
from speechpipe.errors import UnreadableMedia, UsageError


@dataclass(frozen=True, slots=True)
class Reader:
    """``source`` gives the stream's sound once."""

    source: Source | SecondSource
    container: Any = None
    stream: Any = None

    @property
    def whole(self) -> bool:
        """Whether the stream was read to its end, from its start."""
        return self.source.ended

    def spread(self) -> Iterator[NDArray[np.float32]]:
        """Blocks from places spread over the stream."""
        if isinstance(self.source, Source):
            yield from spread(self.source, self.container, self.stream)
            return
        for block in self.source.blocks():
            yield block
            if self.source.written >= SECONDS * RATE:
                return


@contextmanager
def reading(path: Path, index: int | None = None) -> Iterator[Reader | None]:
    """A reader of the audio stream ``index`` (None: the one that FFmpeg holds for the best); None without any.

    Raises:
        MediaNotFound, UnreadableMedia: the file cannot be read. UsageError: ``index`` is no audio stream of it.
    """
    if misread(path):
        yield Reader(SecondSource(path))
        return
    with ExitStack() as stack:
        try:
            container = stack.enter_context(opened(path))
        except UnreadableMedia as refused:
            if refused.__cause__ is None:  # a folder, a text, an empty file: no reader helps
                raise
            yield Reader(_second(path, refused))
            return
        stream = _stream(path, container, index)
        if stream is not None and stream.codec_context is None:
            raise UnreadableMedia(f"The sound of {path} is of a codec that is not known.")
        yield Reader(Source(path, container, stream), container, stream) if stream is not None else None


def second_chance(path: Path) -> SecondSource | None:
    """libsndfile's reader of a file of which PyAV decoded nothing; None where it refuses the file."""
    try:
        return SecondSource(path)
    except UnreadableMedia:
        return None


def _second(path: Path, refused: UnreadableMedia) -> SecondSource:
    try:
        return SecondSource(path)
    except UnreadableMedia:
        raise refused from None


def _stream(path: Path, container: Any, index: int | None) -> Any:
    if index is None:
        best = container.streams.best("audio")
        if best is None and container.streams.audio:  # FFmpeg holds none for good that has no channels, or no rate
            raise UnreadableMedia(f"The header of {path} does not tell how many channels its sound has, or wrongly.")
        return best
    for stream in container.streams.audio:
        if stream.index == index:
            return stream
    raise UsageError(f"{path} has no audio stream {index}.", cure=f"See its streams with: speechpipe inspect {path}")
