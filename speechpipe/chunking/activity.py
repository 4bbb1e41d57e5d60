"""Speech activity by Silero VAD, in the ONNX form that faster-whisper ships."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from speechpipe.audio import RATE, Pcm

FRAME_SAMPLES = 512
FRAME_MS = 32
_CONTEXT = 64  # samples of the frame before that the network sees with each frame
_LEAD_FRAMES = 64  # of silence, before the first sound
#: The sound is listened to 2 s at a time: longer blocks take as much time, and more memory for each lane.
BLOCK_SAMPLES = 64 * FRAME_SAMPLES


def speech_probabilities(
    pcm: Pcm, report: Callable[[int, int], None] | None = None, activity: Activity | None = None
) -> NDArray[np.float32]:
    """The probability of speech in each 512 samples (32 ms); the last frame is filled up with silence.

    ``report(done_ms, total_ms)`` is called after every 2 s of sound. ``activity`` goes on where it stands in ``pcm``.
    """
    activity = activity or Activity()
    for start in range(activity.samples, pcm.samples, BLOCK_SAMPLES):
        activity.hear(pcm.at(start, BLOCK_SAMPLES))
        if report:
            report(min(activity.samples * 1000 // RATE, pcm.duration_ms), pcm.duration_ms)
    return activity.probabilities


class Activity:
    """Speech activity of one lane while its sound comes in.

    The model's session is driven directly, carrying its state and context from block to block: its ``__call__`` starts
    afresh each time, and zeroes the last samples that it is given.

    Args:
        on_heard: is given the probabilities of each block.
    """

    def __init__(self, on_heard: Callable[[NDArray[np.float32]], None] | None = None) -> None:
        from faster_whisper.vad import get_vad_model

        self._session, self._on_heard = get_vad_model().session, on_heard
        self._h, self._c = np.zeros((2, 1, 1, 128), np.float32)
        self._sound = np.zeros(_CONTEXT + BLOCK_SAMPLES, np.float32)
        self._frames = np.zeros((BLOCK_SAMPLES // FRAME_SAMPLES, FRAME_SAMPLES + _CONTEXT), np.float32)
        views = np.lib.stride_tricks.sliding_window_view(self._sound, FRAME_SAMPLES + _CONTEXT)
        self._windows = views[::FRAME_SAMPLES]
        # In one piece: what is allocated block by block pins the memory that the runtime frees in between, and the
        # process would grow with the recording.
        self._found = bytearray()
        #: Heard so far.
        self.samples = 0
        # Before it has heard anything, it takes a first word that is short for nothing.
        self._run(np.zeros((_LEAD_FRAMES, FRAME_SAMPLES + _CONTEXT), np.float32))

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """(frames,) of all that was heard so far."""
        return np.frombuffer(bytes(self._found), np.float32)

    def hear(self, block: NDArray[np.float32]) -> None:
        """The next ``BLOCK_SAMPLES`` samples; only the last block may be shorter."""
        count = -(-len(block) // FRAME_SAMPLES)
        self._sound[_CONTEXT : _CONTEXT + len(block)] = block
        self._sound[_CONTEXT + len(block) :] = 0
        self._frames[:] = self._windows
        found = self._run(self._frames[:count])
        self._sound[:_CONTEXT] = self._sound[len(block) : len(block) + _CONTEXT]
        self._found += found.tobytes()
        self.samples += len(block)
        if self._on_heard is not None:
            self._on_heard(found)

    def _run(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        output, h, c = self._session.run(None, {"input": frames, "h": self._h, "c": self._c})
        self._h[:], self._c[:] = h, c
        return np.asarray(np.reshape(output, -1), np.float32)
