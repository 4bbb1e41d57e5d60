"""Which formats are written, and how words become cues."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from speechpipe.settings.section import Section

#: All formats by name, in the order in which they are offered.
FORMATS = ("vtt", "alto", "json", "txt", "srt", "words.vtt", "tsv", "html", "mets")
#: What is written where nothing else is asked for.
DEFAULT_FORMATS = ("vtt", "alto", "json", "txt")

CaptionPreset = Literal["web", "broadcast", "verbatim", "one-cue-per-segment"]

#: What each preset sets; None is no limit. Web: guidelines of streaming; broadcast: those of television, with
#: teletext's line; verbatim: each cue as long as its words are said, for study; the last: what the engine segmented.
CAPTION_PRESETS: dict[CaptionPreset, dict[str, Any]] = {
    "web": {
        "max_lines": 2,
        "max_line_chars": 42,
        "min_cue_ms": 833,
        "max_cue_ms": 7_000,
        "max_chars_per_second": 17.0,
        "min_gap_ms": 80,
    },
    "broadcast": {
        "max_lines": 2,
        "max_line_chars": 37,
        "min_cue_ms": 1_000,
        "max_cue_ms": 6_000,
        "max_chars_per_second": 15.0,
        "min_gap_ms": 160,
    },
    "verbatim": {
        "max_lines": 2,
        "max_line_chars": 42,
        "min_cue_ms": 0,
        "max_cue_ms": 10_000,
        "max_chars_per_second": None,
        "min_gap_ms": 0,
    },
    "one-cue-per-segment": {
        "max_lines": None,
        "max_line_chars": 42,
        "min_cue_ms": 0,
        "max_cue_ms": None,
        "max_chars_per_second": None,
        "min_gap_ms": 0,
        "whole_segments": True,
    },
}


class Captions(Section):
    """How words become cues: a preset, and what is set apart from it. None is no limit."""

    preset: CaptionPreset = "web"
    max_lines: int | None = Field(None, ge=1)
    max_line_chars: int | None = Field(None, ge=10)
    min_cue_ms: int = Field(0, ge=0)
    max_cue_ms: int | None = Field(None, ge=1_000)
    max_chars_per_second: float | None = Field(None, gt=0)
    min_gap_ms: int = Field(0, ge=0)
    whole_segments: bool = Field(False, description="A segment is one cue, whatever its length.")
    keep_cues: bool = Field(True, description="Cues that a person gave stay as they are.")
    withhold: tuple[str, ...] = Field((), description="Segments with one of these flags are only listed.")
    header: bool = Field(True, description="Say in each file where its text comes from.")

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {**CAPTION_PRESETS.get(given.get("preset", "web"), {}), **given}
