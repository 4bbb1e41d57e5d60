"""Sound that is already in memory, brought to lanes the same way as a file's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechpipe.audio.channels import parse, store
from speechpipe.audio.pcm import RATE, Decoded, milliseconds
from speechpipe.errors import UsageError

_CURE = "Give a numpy array (samples,) or (samples, channels) and its rate in Hz."
_BLOCK_S = 10


def write_array(array: NDArray[Any], rate: int, folder: Path, channels: str = "auto") -> Decoded:
    """Write ``array`` as 16 kHz PCM lanes into ``folder``.

    Args:
        array: (samples,) or (samples, channels); floats within -1..1 (beyond: clipped; NaN and infinity: silence), or
            integers of 8, 16 or 32 bits, whose full range is full scale.
        rate: samples a second, 1000 to 1536000.
        channels: as of ``decode``.

    Raises:
        UsageError: another shape, type or rate, or no such channel. OutputError: ``folder`` cannot be written to.
    """
    wanted = parse(channels)
    array = np.asarray(array)
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= 64):
        raise UsageError(f"Sound of shape {array.shape} is not (samples,) or (samples, channels).", cure=_CURE)
    if array.dtype.kind not in "fiu" or (array.dtype.kind != "f" and array.dtype.itemsize > 4):
        raise UsageError(f"Sound of type {array.dtype} is neither float nor integer of 8, 16 or 32 bits.", cure=_CURE)
    if isinstance(rate, bool) or int(rate) != rate or not 1_000 <= rate <= 1_536_000:
        raise UsageError(f"A rate of {rate!r} Hz is not possible.", cure=_CURE)
    count = _Count()
    lanes, policy, warnings = store(
        count.through(_resampled(array.reshape(len(array), -1 if array.size else 1), int(rate))),
        folder,
        wanted,
        "The sound",
    )
    return Decoded(lanes, milliseconds(count.samples), warnings=warnings, policy=policy)


class _Count:
    samples = 0

    def through(self, blocks: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        for block in blocks:
            self.samples += block.shape[1]
            yield block


def _resampled(array: NDArray[Any], rate: int) -> Iterator[NDArray[np.float32]]:
    import av

    count = array.shape[1]
    layout = {1: "mono", 2: "stereo"}.get(count, f"{count} channels")
    resampler = av.AudioResampler(format="flt", layout=layout, rate=RATE)
    for start in range(0, len(array), _BLOCK_S * rate):
        block = np.ascontiguousarray(_scaled(array[start : start + _BLOCK_S * rate]))
        frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate = rate
        yield from unpacked(resampler.resample(frame), count)
    if len(array):
        yield from unpacked(resampler.resample(None), count)


def unpacked(frames: Iterable[Any], channels: int) -> Iterator[NDArray[np.float32]]:
    """Packed float frames as (channels, samples)."""
    for frame in frames:
        yield frame.to_ndarray().reshape(-1, channels).T


def _scaled(block: NDArray[Any]) -> NDArray[np.float32]:
    """Within -1..1; unsigned integers have their silence at the middle of their range, as in WAV."""
    if block.dtype.kind == "f":
        known = np.where(np.isfinite(block), block, 0)
        return np.clip(known, -1, 1).astype(np.float32)
    half = 2.0 ** (8 * block.dtype.itemsize - 1)
    middle = half if block.dtype.kind == "u" else 0.0
    return ((block.astype(np.float64) - middle) / half).astype(np.float32)
