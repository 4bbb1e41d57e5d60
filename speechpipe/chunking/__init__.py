"""Where speech is, how it is cut into windows for an engine, and what else is heard."""

from __future__ import annotations

from speechpipe.chunking.activity import BLOCK_SAMPLES, FRAME_MS, FRAME_SAMPLES, Activity, speech_probabilities
from speechpipe.chunking.events import as_speech, find_events
from speechpipe.chunking.speed import measure_voice
from speechpipe.chunking.windows import Planner, Window, plan_windows

__all__ = [
    "BLOCK_SAMPLES",
    "FRAME_MS",
    "FRAME_SAMPLES",
    "Activity",
    "Planner",
    "Window",
    "as_speech",
    "find_events",
    "measure_voice",
    "plan_windows",
    "speech_probabilities",
]
