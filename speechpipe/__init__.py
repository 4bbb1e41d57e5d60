"""The spoken word in audiovisual archives as timed, trustworthy, findable text.

    from speechpipe import transcribe
    transcript = transcribe("reel.wav", model="whisper-tiny-archive", language="en")
    print(transcript.text)

Importing this loads no engine; each name is loaded when it is first used.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # typing itself takes longer to import than all of this
if TYPE_CHECKING:
    from typing import Any

    from speechpipe.errors import SpeechpipeError
    from speechpipe.pipeline import Transcriber, transcribe
    from speechpipe.settings import Settings
    from speechpipe.transcript import Transcript
    from speechpipe.transcript_data import Event, Media, Segment, Step, Word

#: Libraries that tell their makers of their use read these when they are imported, onnxruntime too early for a call.
_SILENT = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
os.environ.update(_SILENT)

_HOMES = {
    "Event": "transcript_data",
    "Media": "transcript_data",
    "Segment": "transcript_data",
    "Settings": "settings",
    "SpeechpipeError": "errors",
    "Step": "transcript_data",
    "Transcriber": "pipeline",
    "Transcript": "transcript",
    "Word": "transcript_data",
    "transcribe": "pipeline",
}

__all__ = [
    "Event",
    "Media",
    "Segment",
    "Settings",
    "SpeechpipeError",
    "Step",
    "Transcriber",
    "Transcript",
    "Word",
    "transcribe",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'speechpipe' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"speechpipe.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
