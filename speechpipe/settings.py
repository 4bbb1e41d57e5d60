"""One tree of settings, one precedence: defaults < file < environment < call.

The file is TOML, named by ``SPEECHPIPE_SETTINGS`` or ``speechpipe.toml`` in the working folder. An environment
variable is ``SPEECHPIPE_`` and the path of names, joined by two underscores:
``SPEECHPIPE_CHUNKING__MAX_WINDOW_MS=20000``.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from speechpipe.errors import UsageError

#: All formats by name, in the order in which they are offered.
FORMATS = ("vtt", "alto", "json", "txt", "srt", "words.vtt", "tsv", "html", "mets")
#: What is written where nothing else is asked for.
DEFAULT_FORMATS = ("vtt", "alto", "json", "txt")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Chunking(_Section):
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


class Decoding(_Section):
    beam_size: int = Field(5, ge=1, le=20)
    batch_size: int = Field(8, ge=1, le=64)
    prompt: str | None = Field(None, description="a text that the recording could go on from")
    vocabulary: tuple[str, ...] = Field((), description="names and places of the collection")
    context: bool = Field(False, description="each window is told what was recognised before it")
    fallback: Literal["off", "deterministic", "full"] = Field("full", description="how a failed window is tried again")
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    compute_type: str = "default"
    threads: int = Field(0, ge=0, description="0: as many as there are cores")


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


class Alignment(_Section):
    method: Literal["viterbi", "torchaudio"] = Field("viterbi", description="which code searches for the words' times")


class Captions(_Section):
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


class Collection(_Section):
    """Recordings below ``root``; results below ``outputs``, those that are not for everybody below ``restricted``.

    ``metadata`` is a table (CSV or JSON) of what is known of the recordings; without it ``metadata.csv`` or
    ``metadata.json`` in ``root`` is taken, where there is one.
    """

    root: Path
    outputs: Path
    restricted: Path | None = Field(None, description="None: a folder beside outputs, named OUTPUTS-restricted")
    metadata: Path | None = None


class Night(_Section):
    """What a batch offers again, and what it makes of recordings of which something is not known."""

    settle_minutes: float = Field(5.0, ge=0, description="a file that changed within this time may still be growing")
    ready_marker: str | None = Field(None, min_length=2, description="an ending (.ready) or a file's name (READY)")
    unknown_rights: Literal["restrict", "open", "skip"] = "restrict"
    rerun: Literal["never", "failed", "model-changed", "all"] = "never"
    rerun_quota: int = Field(100, ge=0, description="at most so many finished recordings are done again in a night")


class Settings(BaseSettings):
    """All that can be set. Frozen; ``with_`` gives a changed copy."""

    model_config = SettingsConfigDict(
        env_prefix="SPEECHPIPE_", env_nested_delimiter="__", extra="forbid", frozen=True, protected_namespaces=()
    )

    model: str = "auto"
    aligner: str = "auto"
    engine: str = "auto"
    language: str | None = None
    languages: tuple[str, ...] = ()
    models: dict[str, str] = {}
    aligners: dict[str, str] = {}
    channels: str = "auto"
    streams: str = Field("best", description="which audio streams of a file: best, all, languages or numbers")
    formats: tuple[str, ...] = DEFAULT_FORMATS
    offline: bool = False
    workspace: Path | None = None
    models_folder: Path | None = None
    accepted_licences: tuple[str, ...] = ()
    chunking: Chunking = Chunking()
    decoding: Decoding = Decoding()
    alignment: Alignment = Alignment()
    captions: Captions = Captions()
    night: Night = Night()
    collections: dict[str, Collection] = Field(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, _file())

    @classmethod
    def load(cls, **call: Any) -> Settings:
        """Settings with ``call`` on top; a value of None in it counts as not given.

        Raises:
            UsageError: a value or a name that is not allowed, from whichever source.
        """
        try:
            return cls(**{key: value for key, value in call.items() if value is not None})
        except (ValidationError, ValueError) as error:
            raise UsageError(_explain(error), cure="Correct this setting and run again.") from error

    def with_(self, **changes: Any) -> Settings:
        return self.model_copy(update=changes)

    @property
    def store_folder(self) -> Path:
        """Where fetched models are kept: as set, or below the user's data folder."""
        if self.models_folder is not None:
            return self.models_folder
        data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
        return Path(data) / "speechpipe" / "models"

    @property
    def workspace_folder(self) -> Path:
        """Where work in progress is kept: as set, or below the user's cache folder."""
        if self.workspace is not None:
            return self.workspace
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        return Path(cache) / "speechpipe" / "work"


def _file() -> Path | None:
    """The file of settings; None where none is named and none lies in the working folder.

    Raises:
        UsageError: it cannot be read: without it, what it restricts would be open.
    """
    named = os.environ.get("SPEECHPIPE_SETTINGS")
    file = Path(named or "speechpipe.toml")
    if not named and not os.path.lexists(file):
        return None
    try:
        if stat.S_ISFIFO(file.stat().st_mode):
            raise UsageError(f"The settings {file} are a pipe.", cure="Name a file in SPEECHPIPE_SETTINGS.")
        file.open("rb").close()
    except OSError as error:
        by = ", which SPEECHPIPE_SETTINGS names," if named else ""
        raise UsageError(
            f"The settings {file}{by} cannot be read: {error.strerror or error}.",
            cure="Put the file back, or name another in SPEECHPIPE_SETTINGS.",
        ) from error
    return file


def _explain(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return f"The settings cannot be read: {error}."
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "settings"
    return f"Setting {where}: {first['msg']} (got {first.get('input')!r})."
