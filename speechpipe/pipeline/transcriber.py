"""The models of a run: found, checked, loaded once and kept."""

from __future__ import annotations

import os

from speechpipe import alignment, engines, formats, languages, registry
from speechpipe.emissions import AcousticModel
from speechpipe.engines.contract import Engine, ModelFiles, Options, TellsLanguages
from speechpipe.language_identification.probabilities import folded
from speechpipe.language_identification.routing import AUTO_SEGMENT, Route, Routes
from speechpipe.pipeline.chunk.audio_streams import check as check_streams
from speechpipe.pipeline.model_fetching import Told, obtain
from speechpipe.settings import Settings
from speechpipe.settings.chunking import Chunking

#: Where the language may change from window to window, a long window would hold several.
SEGMENT_MS = 15_000


class Transcriber:
    """Settings and the models they name. Nothing is loaded before it is used; loaded models serve every recording.

    Raises (on construction, before any work):
        UnknownModel, UnknownLanguage, UnknownEngine, UnknownFormat: something named does not exist, or nothing
            suitable is installed.
        LicenceNotAccepted: a model's licence has to be accepted first.
        UsageError: another setting means nothing, or nothing to an engine.
        BrokenModel: a model's files are missing or altered.
        HubError: a model that is named and not here could not be fetched. ``told`` hears of what is.
    """

    def __init__(self, settings: Settings | None = None, told: Told | None = None) -> None:
        settings = settings or Settings.load()
        for name in settings.formats:
            formats.suffix(name)
        if settings.offline:
            os.environ["HF_HUB_OFFLINE"] = "1"  # the hub's own switch, read when an engine first imports it
        language = settings.language
        if language and language != AUTO_SEGMENT:
            language = languages.check(language)
        self.settings = settings.with_(language=language or None)
        alignment.search(self.settings.alignment.method)
        check_streams(settings.streams)
        obtain(self.settings, told)
        self.routes = Routes(self.settings)
        for route in self.routes.named:
            engines.check_options(route.engine_name, route.model, Options.of(self.settings.decoding))
        self._engines: dict[tuple[str | None, ...], Engine] = {}
        self._aligners: dict[str, AcousticModel] = {}

    # The main model, which is the only one unless languages have models of their own.

    @property
    def found(self) -> registry.FoundModel | None:
        return self.routes.main.found

    @property
    def model(self) -> ModelFiles:
        return self.routes.main.model

    @property
    def engine_name(self) -> str:
        return self.routes.main.engine_name

    @property
    def aligner_model(self) -> ModelFiles | None:
        return self.routes.main.aligner

    @property
    def engine(self) -> Engine:
        return self.engine_of(self.routes.main)

    @property
    def aligner(self) -> AcousticModel | None:
        """The CTC model that times the words; None where none was asked for or none is known."""
        return self.aligner_of(self.routes.main)

    def engine_of(self, route: Route) -> Engine:
        if route.identity not in self._engines:
            self._engines[route.identity] = engines.load_engine(route.engine_name, route.model, self.settings.decoding)
        return self._engines[route.identity]

    @property
    def listener(self) -> Engine:
        """What tells languages apart: the first engine that can, the main one before others."""
        loaded = (self.engine_of(route) for route in self.routes.named)
        return next((engine for engine in loaded if isinstance(engine, TellsLanguages)), self.engine)

    def aligner_of(self, route: Route) -> AcousticModel | None:
        if route.aligner is None:
            return None
        key = f"{route.aligner.name} {route.aligner.sha256}"
        if key not in self._aligners:
            self._aligners[key] = engines.load_acoustic_model(route.aligner, self.settings.decoding)
        return self._aligners[key]

    @property
    def size(self) -> int:
        """Bytes of the files of all these models, which are read before the first word."""
        routes = [route for route in self.routes.named if route.found]
        folders = {route.model.path for route in routes} | {route.aligner.path for route in routes if route.aligner}
        return sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())

    @property
    def warning(self) -> str | None:
        """What must be said of these models wherever their output goes; None where nothing must."""
        said = [registry.demonstration_warning(route.found) for route in self.routes.named if route.found]
        return " ".join(dict.fromkeys(warning for warning in said if warning)) or None

    @property
    def hint(self) -> str | None:
        """What would make the times of words better; None where nothing is missing."""
        route = self.routes.main
        if route.aligner or route.found is None or self.settings.aligner != "auto":
            return None
        partner = registry.missing_aligner(route.found, self.settings.language)
        return f"To time the words better: speechpipe models fetch {partner}" if partner else None

    @property
    def chunking(self) -> Chunking:
        """The settings' chunking, with windows no longer than suits every model."""
        most = [route.window_ms for route in self.routes.named if route.window_ms]
        if self.settings.language == AUTO_SEGMENT:
            most.append(SEGMENT_MS)
        chunking = self.settings.chunking
        return chunking.model_copy(update={"max_window_ms": min([chunking.max_window_ms, *most])})

    def label(self, language: str | None) -> str | None:
        """An engine's language as the model's own list has it: what Whisper hears as "no" is "nn" where that is all."""
        if language is None:
            return None
        return next(iter(folded({language: 1.0}, self.model.languages or ())), language)
