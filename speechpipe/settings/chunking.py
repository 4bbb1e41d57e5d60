"""How a recording is cut into windows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from speechpipe.settings.section import Section


class Chunking(Section):
    """How a recording is cut into windows. The thresholds are Silero's speech probabilities."""

    max_window_ms: int = Field(30_000, ge=1_000, le=30_000)
    speech_threshold: float = Field(0.4, gt=0, lt=1, description="with 0.5 twice as many lone words are lost")
    silence_threshold: float = Field(0.3, gt=0, lt=1)
    min_speech_ms: int = Field(100, ge=0)
    min_pause_ms: int = Field(160, ge=0)
    padding_ms: int = Field(400, ge=0, description="a faint first sound before speech is still in the window")
    overlap_ms: int = Field(1_000, ge=0, description="of windows cut in speech, where there is no pause")
    also: tuple[Literal["music", "noise", "tone"], ...] = Field(
        (), description="what the engine is given besides speech; music, for songs"
    )
