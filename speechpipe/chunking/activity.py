"""Speech activity by Silero VAD, in the ONNX form that faster-whisper ships."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from speechpipe.audio import Pcm

FRAME_SAMPLES = 512
FRAME_MS = 32
_CONTEXT = 64  # samples of the frame before that the network sees with each frame
#: The sound is listened to 8 s at a time.
BLOCK_SAMPLES = 256 * FRAME_SAMPLES


def speech_probabilities(pcm: Pcm, report: Callable[[int, int], None] | None = None) -> NDArray[np.float32]:
    """The probability of speech in each 512 samples (32 ms); the last frame is filled up with silence.

    ``report(done_ms, total_ms)`` is called after every 8 s of sound.
    """
    # Made before the first block, as all that outlives one: what is allocated in between pins the memory that the
    # runtime frees, and the process would grow with the recording.
    found = np.zeros(-(-pcm.samples // FRAME_SAMPLES), np.float32)
    activity, at = Activity(), 0
    for block in pcm.blocks(BLOCK_SAMPLES):
        heard = activity.heard(block)
        found[at : at + len(heard)] = heard
        at += len(heard)
        if report:
            report(min(at * FRAME_MS, pcm.duration_ms), pcm.duration_ms)
    return found


class Activity:
    """Speech activity while the sound comes in.

    The model's session is driven directly, carrying its state and context from block to block: its ``__call__`` starts
    afresh each time, and zeroes the last samples that it is given.
    """

    def __init__(self) -> None:
        from faster_whisper.vad import get_vad_model

        self._session = get_vad_model().session
        self._h, self._c = np.zeros((2, 1, 1, 128), np.float32)
        self._sound = np.zeros(_CONTEXT + BLOCK_SAMPLES, np.float32)
        self._frames = np.zeros((BLOCK_SAMPLES // FRAME_SAMPLES, FRAME_SAMPLES + _CONTEXT), np.float32)
        views = np.lib.stride_tricks.sliding_window_view(self._sound, FRAME_SAMPLES + _CONTEXT)
        self._windows = views[::FRAME_SAMPLES]

    def heard(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probabilities of the next ``BLOCK_SAMPLES`` samples; only the last block may be shorter."""
        count = -(-len(block) // FRAME_SAMPLES)
        self._sound[_CONTEXT : _CONTEXT + len(block)] = block
        self._sound[_CONTEXT + len(block) :] = 0
        self._frames[:] = self._windows
        output, h, c = self._session.run(None, {"input": self._frames[:count], "h": self._h, "c": self._c})
        self._h[:], self._c[:] = h, c
        self._sound[:_CONTEXT] = self._sound[len(block) : len(block) + _CONTEXT]
        return np.asarray(np.reshape(output, -1), np.float32)
