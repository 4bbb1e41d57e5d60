"""A few hundred seconds spread over a stream, to judge its channels by before the decode begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechpipe.audio.pcm import RATE
from speechpipe.audio.reader.source import RATES, Source

#: Seconds looked at in all; a recording no longer than this is looked at whole.
SECONDS = 400
_PIECE_S = 2


def spread(source: Source, container: Any, stream: Any) -> Iterator[NDArray[np.float32]]:
    """Blocks (channels, samples) at 16 kHz: the first 400 s, or, of what is longer, 2 s at each of 200 places.

    Places are found by seeking, which need not be exact here. With many channels there are fewer places.
    """
    channels = max(1, stream.codec_context.layout.nb_channels)
    seconds = SECONDS if channels <= 2 else max(40, 2 * SECONDS // channels)
    declared_ms = source.declared_ms
    if declared_ms is None or declared_ms <= seconds * 1000:
        yield from _first(source, seconds)
        return
    start = (container.start_time or 0) / 1_000_000
    found = False
    for place in np.linspace(0, declared_ms / 1000 - _PIECE_S, seconds // _PIECE_S):
        for block in _piece(container, stream, start + float(place)):
            found = True
            yield block
    if not found:
        _rewind(container)
        yield from _first(source, seconds)


def _first(source: Source, seconds: int) -> Iterator[NDArray[np.float32]]:
    for block in source.blocks():
        yield block
        if source.written >= seconds * RATE:
            return


def _piece(container: Any, stream: Any, second: float) -> Iterator[NDArray[np.float32]]:
    import av

    left, resampler = _PIECE_S * RATE, None
    try:
        container.seek(int(second * 1_000_000))
        for frame in container.decode(stream):
            if frame.samples <= 0 or frame.sample_rate not in RATES or frame.layout.nb_channels < 1:
                continue
            if resampler is None:
                channels = frame.layout.nb_channels
                resampler = av.AudioResampler(format="flt", layout=frame.layout, rate=RATE)
            for piece in resampler.resample(frame):
                block: NDArray[np.float32] = piece.to_ndarray().reshape(-1, channels).T[:, :left].astype(np.float32)
                left -= block.shape[1]
                if block.size:
                    yield block
            if left <= 0:
                return
    except (av.error.FFmpegError, OSError, ValueError, MemoryError):
        return  # a damaged place tells nothing; there are others


def _rewind(container: Any) -> None:
    import av

    with suppress(av.error.FFmpegError, OSError):
        container.seek(0)
