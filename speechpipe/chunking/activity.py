"""Speech activity by Silero VAD, in the ONNX form that faster-whisper ships."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speechpipe.audio import Pcm

FRAME_SAMPLES = 512
FRAME_MS = 32
_CONTEXT = 64  # samples of the frame before that the network sees with each frame
_FRAMES_AT_ONCE = 256  # 8 s


def speech_probabilities(pcm: Pcm) -> NDArray[np.float32]:
    """The probability of speech in each 512 samples (32 ms); the last frame is filled up with silence.

    The model's session is driven directly, carrying its state and context from block to block: its ``__call__`` starts
    afresh each time, and zeroes the last samples that it is given.
    """
    from faster_whisper.vad import get_vad_model

    session = get_vad_model().session
    h = c = np.zeros((1, 1, 128), np.float32)
    context = np.zeros(_CONTEXT, np.float32)
    found = []
    for block in pcm.blocks(_FRAMES_AT_ONCE * FRAME_SAMPLES):
        sound = np.concatenate([context, block, np.zeros(-len(block) % FRAME_SAMPLES, np.float32)])
        frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME_SAMPLES + _CONTEXT)[::FRAME_SAMPLES]
        output, h, c = session.run(None, {"input": np.ascontiguousarray(frames), "h": h, "c": c})
        # Copied: an output kept alive pins the runtime's arena, which then grows with the recording.
        found.append(np.array(output, np.float32).reshape(-1))
        context = sound[-_CONTEXT:]
    return np.concatenate(found) if found else np.zeros(0, np.float32)
