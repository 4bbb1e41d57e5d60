"""Sound that is already in memory, written as a WAV, so that it takes the same way as any recording."""

from __future__ import annotations

import tempfile
import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechpipe.audio.decode import decode
from speechpipe.audio.pcm import Decoded
from speechpipe.errors import UsageError
from speechpipe.files import explained

_CURE = "Give a numpy array (samples,) or (samples, channels) and its rate in Hz."
_BLOCK = 1 << 20


def write_wav(array: NDArray[Any], rate: int, path: Path) -> None:
    """Write ``array`` as a WAV of 32-bit PCM.

    Args:
        array: (samples,) or (samples, channels); floats within -1..1 (beyond: clipped; NaN and infinity: silence), or
            integers of 8, 16 or 32 bits, whose full range is full scale.
        rate: samples a second, 1000 to 1536000.

    Raises:
        UsageError: another shape, type or rate. OutputError: ``path`` cannot be written.
    """
    array = np.asarray(array)
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= 64):
        raise UsageError(f"Sound of shape {array.shape} is not (samples,) or (samples, channels).", cure=_CURE)
    if array.dtype.kind not in "fiu" or (array.dtype.kind != "f" and array.dtype.itemsize > 4):
        raise UsageError(f"Sound of type {array.dtype} is neither float nor integer of 8, 16 or 32 bits.", cure=_CURE)
    if isinstance(rate, bool) or int(rate) != rate or not 1_000 <= rate <= 1_536_000:
        raise UsageError(f"A rate of {rate!r} Hz is not possible.", cure=_CURE)
    with explained(path), wave.open(str(path), "wb") as file:
        file.setnchannels(1 if array.ndim == 1 else array.shape[1])
        file.setsampwidth(4)
        file.setframerate(int(rate))
        for start in range(0, len(array), _BLOCK):
            whole = np.rint(_scaled(array[start : start + _BLOCK]) * (2**31 - 1))
            file.writeframes(whole.astype("<i4").tobytes())


def write_array(array: NDArray[Any], rate: int, folder: Path, channels: str = "auto") -> Decoded:
    """Decode ``array`` into ``folder``, as ``decode`` does a file. Raises as ``write_wav`` and ``decode``."""
    with tempfile.TemporaryDirectory(prefix="speechpipe-") as passing:
        path = Path(passing) / "samples.wav"
        write_wav(array, rate, path)
        return decode(path, folder, channels)


def _scaled(block: NDArray[Any]) -> NDArray[np.float64]:
    """Within -1..1; unsigned integers have their silence at the middle of their range, as in WAV."""
    if block.dtype.kind == "f":
        return np.clip(np.nan_to_num(block.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0), -1, 1)
    half = 2.0 ** (8 * block.dtype.itemsize - 1)
    return (block.astype(np.float64) - (half if block.dtype.kind == "u" else 0.0)) / half
