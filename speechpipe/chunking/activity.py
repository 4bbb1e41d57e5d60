"""Speech activity by Silero VAD, in the ONNX form that faster-whisper ships."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from speechpipe.audio import Pcm

FRAME_SAMPLES = 512
FRAME_MS = 32
_CONTEXT = 64  # samples of the frame before that the network sees with each frame
_FRAMES_AT_ONCE = 256  # 8 s


def speech_probabilities(pcm: Pcm, report: Callable[[int, int], None] | None = None) -> NDArray[np.float32]:
    """The probability of speech in each 512 samples (32 ms); the last frame is filled up with silence.

    ``report(done_ms, total_ms)`` is called after every 8 s of sound.

    The model's session is driven directly, carrying its state and context from block to block: its ``__call__`` starts
    afresh each time, and zeroes the last samples that it is given.
    """
    from faster_whisper.vad import get_vad_model

    session = get_vad_model().session
    # Everything that outlives a block is made before the first one: what is allocated in between pins the memory that
    # the runtime frees, and the process would grow with the recording.
    found = np.zeros(-(-pcm.samples // FRAME_SAMPLES), np.float32)
    h, c = np.zeros((2, 1, 1, 128), np.float32)
    sound = np.zeros(_CONTEXT + _FRAMES_AT_ONCE * FRAME_SAMPLES, np.float32)
    frames = np.zeros((_FRAMES_AT_ONCE, FRAME_SAMPLES + _CONTEXT), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(sound, FRAME_SAMPLES + _CONTEXT)[::FRAME_SAMPLES]
    at = 0
    for block in pcm.blocks(_FRAMES_AT_ONCE * FRAME_SAMPLES):
        count = -(-len(block) // FRAME_SAMPLES)
        sound[_CONTEXT : _CONTEXT + len(block)] = block
        sound[_CONTEXT + len(block) :] = 0
        frames[:] = windows
        output, new_h, new_c = session.run(None, {"input": frames[:count], "h": h, "c": c})
        found[at : at + count] = np.reshape(output, -1)
        h[:], c[:] = new_h, new_c
        at += count
        if report:
            report(min(at * FRAME_MS, pcm.duration_ms), pcm.duration_ms)
        sound[:_CONTEXT] = sound[len(block) : len(block) + _CONTEXT]
    return found
