"""Where speech is, how it is cut into windows for an engine, and what else is heard."""

from __future__ import annotations

from speechpipe.chunking.activity import FRAME_MS, FRAME_SAMPLES, speech_probabilities
from speechpipe.chunking.events import as_speech, find_events
from speechpipe.chunking.speed import measure_voice
from speechpipe.chunking.windows import Window, plan_windows

__all__ = [
    "FRAME_MS",
    "FRAME_SAMPLES",
    "Window",
    "as_speech",
    "find_events",
    "measure_voice",
    "plan_windows",
    "speech_probabilities",
]
