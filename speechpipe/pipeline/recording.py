"""What is worked on, and what a stage says that it did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Recording:
    """What is worked on: a local file, its digest, and the name it has for people."""

    path: Path
    name: str
    sha256: str
    channels: str = "auto"
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a stage did, in one sentence and in numbers."""

    stage: str
    sentence: str
    windows: int = 0
    speech_ms: int = 0
    words: int = 0
    reused: bool = False
