"""The models of a run: found, checked, loaded once and kept."""

from __future__ import annotations

import os
from dataclasses import fields
from functools import cached_property
from pathlib import Path

from speechpipe import engines, formats, languages, registry
from speechpipe.emissions import AcousticModel
from speechpipe.engines.contract import Engine, ModelFiles
from speechpipe.errors import UnknownEngine
from speechpipe.settings import Chunking, Settings

FAKE = "fake"


class Transcriber:
    """Settings and the models they name. Nothing is loaded before it is used; loaded models serve every recording.

    Raises (on construction, before any work):
        UnknownModel, UnknownLanguage, UnknownEngine, UnknownFormat: something named does not exist, or nothing
            suitable is installed.
        BrokenModel: a model's files are missing or altered.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        settings = settings or Settings.load()
        for name in settings.formats:
            formats.suffix(name)
        if settings.offline:
            os.environ["HF_HUB_OFFLINE"] = "1"  # the hub's own switch, read when an engine first imports it
        language = languages.check(settings.language) if settings.language else None
        self.settings = settings.with_(language=language)
        self.found = self._find_model()
        self.model = _files(self.found) if self.found else ModelFiles(FAKE, Path(FAKE), FAKE)
        self.engine_name = engines.engine_for(self.model, settings.engine)
        self.found_aligner = self._find_aligner()
        self.aligner_model = _files(self.found_aligner) if self.found_aligner else None

    @cached_property
    def engine(self) -> Engine:
        return engines.load_engine(self.engine_name, self.model, self.settings.decoding)

    @cached_property
    def aligner(self) -> AcousticModel | None:
        """The CTC model that times the words; None where none was asked for or none is known."""
        if self.aligner_model is None:
            return None
        return engines.load_acoustic_model(self.aligner_model, self.settings.decoding)

    @property
    def warning(self) -> str | None:
        """What must be said of this model wherever its output goes; None where nothing must."""
        return registry.demonstration_warning(self.found) if self.found else None

    @property
    def chunking(self) -> Chunking:
        """The settings' chunking, with windows no longer than suits the model."""
        longest = (self.found and self.found.window_ms) or self.settings.chunking.max_window_ms
        return self.settings.chunking.model_copy(
            update={"max_window_ms": min(longest, self.settings.chunking.max_window_ms)}
        )

    def label(self, language: str | None) -> str | None:
        """An engine's language as the model's own list has it: Whisper's "no" is "nb" for a model of bokmål."""
        if language is None or self.model.languages is None or language in self.model.languages:
            return language
        same = sorted(own for own in self.model.languages if languages.whisper_code(own) == language)
        return same[0] if same else language

    def _find_model(self) -> registry.FoundModel | None:
        """None for the fake engine, which needs no model."""
        if self.settings.engine == FAKE and self.settings.model in ("auto", FAKE):
            return None
        if self.settings.engine not in ("auto", *engines.ENGINES):
            raise UnknownEngine(f"There is no engine {self.settings.engine!r}; there are {', '.join(engines.ENGINES)}.")
        return registry.find(self.settings.model, self.settings.models_folder)

    def _find_aligner(self) -> registry.FoundModel | None:
        aligner, folder = self.settings.aligner, self.settings.models_folder
        if self.found is not None:
            return registry.find_aligner(aligner, self.found, folder)
        return registry.find(aligner, folder) if aligner not in ("auto", "none") else None


def _files(found: registry.FoundModel) -> ModelFiles:
    return ModelFiles(**{field.name: getattr(found, field.name) for field in fields(ModelFiles)})
