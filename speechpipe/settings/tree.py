"""One tree of settings, one precedence: defaults < file < environment < call.

The file is TOML, named by ``SPEECHPIPE_SETTINGS`` or ``speechpipe.toml`` in the working folder. An environment
variable is ``SPEECHPIPE_`` and the path of names, joined by two underscores:
``SPEECHPIPE_CHUNKING__MAX_WINDOW_MS=20000``.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from speechpipe.errors import UsageError
from speechpipe.settings.alignment import Alignment
from speechpipe.settings.captions import DEFAULT_FORMATS, Captions
from speechpipe.settings.chunking import Chunking
from speechpipe.settings.decoding import Decoding
from speechpipe.settings.repositories import Collection, Night


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
