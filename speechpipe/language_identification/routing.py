"""Which model recognises which language, and which one aligns it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from speechpipe import engines, languages, registry
from speechpipe.engines.contract import ModelFiles
from speechpipe.errors import UnknownEngine, UnknownModel
from speechpipe.settings import Settings

FAKE = "fake"
#: The setting of ``language`` that has each window's language heard and each window given to its language's model.
AUTO_SEGMENT = "auto-segment"


@dataclass(frozen=True, slots=True)
class Route:
    """A model that recognises, the engine that runs it, and the model that times its words (None: none)."""

    found: registry.FoundModel | None
    model: ModelFiles
    engine_name: str
    aligner: ModelFiles | None

    @property
    def identity(self) -> tuple[str | None, ...]:
        """What of the recognising side decides the words."""
        return self.engine_name, self.model.name, self.model.revision, self.model.sha256

    @property
    def window_ms(self) -> int | None:
        return self.found.window_ms if self.found else None


class Routes:
    """The main route, and that of each language.

    A language goes to the model that the settings name for it; else to the model named for all; for ``auto`` to the
    best in the store for that language. Its aligner likewise, or the partner of its model.

    Raises (on construction):
        UnknownModel, UnknownLanguage, UnknownEngine, LicenceNotAccepted, BrokenModel: something named does not exist,
            may not be used or is damaged, or a language listed has no model.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._named, self._aligners = _checked(settings.models), _checked(settings.aligners)
        self._segmenting = settings.language == AUTO_SEGMENT
        self.languages = tuple(dict.fromkeys(languages.check(code) for code in settings.languages))
        first = next(iter((*self.languages, *self._named)), None)
        self.main = self._route(settings.model, first if self._segmenting else settings.language)
        self._routes: dict[str, Route] = {}
        for code in dict.fromkeys((*self._named, *self._aligners, *self.languages)):
            self._routes[code] = self._route(self._name_for(code), code)
        #: The main route and those of languages in the settings, each once.
        self.named = tuple({route.identity: route for route in (self.main, *self._routes.values())}.values())

    def of(self, language: str | None) -> Route:
        if language is None:
            return self.main
        if language not in self._routes:
            try:
                self._routes[language] = self._route(self._name_for(language), language)
            except UnknownModel:  # heard, not asked for: no reason to stop
                self._routes[language] = self.main
        return self._routes[language]

    @property
    def allowed(self) -> tuple[str, ...]:
        """The languages that may be heard: as set, or all that the models know; empty where these do not say."""
        known = self.main.model.languages
        if self.languages or known is None:
            return self.languages
        return tuple(dict.fromkeys((*sorted(known), *self._named)))

    def _name_for(self, code: str) -> str:
        if code in self._named:
            return self._named[code]
        known = self.main.model.languages
        missing = self._segmenting and known is not None and code not in known
        return "auto" if missing else self._settings.model

    def _route(self, name: str, language: str | None) -> Route:
        found = self._find(name, language)
        model = files_of(found) if found else ModelFiles(FAKE, Path(FAKE), FAKE)
        requested = self._settings.engine
        fits = requested == engines.AUTO or model.family in engines.ENGINES[requested].families
        engine_name = engines.engine_for(model, requested if fits or name == self._settings.model else engines.AUTO)
        return Route(found, model, engine_name, self._find_aligner(found, language))

    def _find(self, name: str, language: str | None) -> registry.FoundModel | None:
        """None for the fake engine, which needs no model."""
        settings = self._settings
        if name == FAKE or (settings.engine == FAKE and name == "auto"):
            return None
        if settings.engine not in (engines.AUTO, *engines.ENGINES):
            raise UnknownEngine(f"There is no engine {settings.engine!r}; there are {', '.join(engines.ENGINES)}.")
        forms = _FORMS.get(settings.engine, registry.FORMS)
        return registry.find(
            name, settings.store_folder, accepted=settings.accepted_licences, language=language, forms=forms
        )

    def _find_aligner(self, model: registry.FoundModel | None, language: str | None) -> ModelFiles | None:
        name = self._aligners.get(language or "", self._settings.aligner)
        folder, accepted = self._settings.store_folder, self._settings.accepted_licences
        if model is not None:
            found = registry.find_aligner(name, model, folder, accepted=accepted, language=language)
        else:
            found = registry.find(name, folder, accepted=accepted) if name not in ("auto", "none") else None
        return files_of(found) if found else None


#: What an engine that was asked for reads first of a model that is there in several forms; so that is digested.
_FORMS: Mapping[str, Sequence[registry.Form]] = {
    "transformers": ("transformers", "ct2"),
    "whisper": ("openai", "transformers", "ct2"),
    "torchaudio": ("torchaudio", "ct2"),
}


def files_of(found: registry.FoundModel) -> ModelFiles:
    return ModelFiles(**{field.name: getattr(found, field.name) for field in fields(ModelFiles)})


def _checked(table: Mapping[str, str]) -> dict[str, str]:
    return {languages.check(code): name for code, name in table.items()}
