"""Which model recognises which language, and which one aligns it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from speechpipe import engines, languages, registry
from speechpipe.engines.contract import ModelFiles
from speechpipe.errors import UnknownEngine
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
    """The main route, and a route for each language that has one of its own.

    Raises (on construction):
        UnknownModel, UnknownLanguage, UnknownEngine, BrokenModel: something named does not exist or is damaged.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        named, aligners = _checked(settings.models), _checked(settings.aligners)
        self.languages = tuple(dict.fromkeys(languages.check(code) for code in settings.languages))
        self.main = self._route(settings.model, settings.aligner)
        self.by_language = {
            code: self._route(named.get(code, settings.model), aligners.get(code, settings.aligner))
            for code in dict.fromkeys((*named, *aligners))
        }

    def of(self, language: str | None) -> Route:
        return self.main if language is None else self.by_language.get(language, self.main)

    def asked(self, language: str | None) -> dict[str, Route]:
        """The routes that may be taken where ``language`` is asked for; the main one under no language."""
        if language is None or language == AUTO_SEGMENT:
            return {"": self.main, **self.by_language}
        return {language: self.of(language)}

    @property
    def all(self) -> tuple[Route, ...]:
        """Each once, the main one first."""
        return tuple({route.identity: route for route in (self.main, *self.by_language.values())}.values())

    @property
    def allowed(self) -> tuple[str, ...]:
        """The languages that may be heard: as set, or all that the models know; empty where these do not say."""
        if self.languages:
            return self.languages
        known = self.main.model.languages
        return () if known is None else tuple(dict.fromkeys((*sorted(known), *self.by_language)))

    def _route(self, name: str, aligner: str) -> Route:
        found = self._find(name)
        model = files_of(found) if found else ModelFiles(FAKE, Path(FAKE), FAKE)
        requested = self._settings.engine
        fits = requested == engines.AUTO or model.family in engines.ENGINES[requested].families
        engine_name = engines.engine_for(model, requested if fits or name == self._settings.model else engines.AUTO)
        return Route(found, model, engine_name, self._find_aligner(aligner, found))

    def _find(self, name: str) -> registry.FoundModel | None:
        """None for the fake engine, which needs no model."""
        engine = self._settings.engine
        if name == FAKE or (engine == FAKE and name == "auto"):
            return None
        if engine not in (engines.AUTO, *engines.ENGINES):
            raise UnknownEngine(f"There is no engine {engine!r}; there are {', '.join(engines.ENGINES)}.")
        return registry.find(name, self._settings.models_folder)

    def _find_aligner(self, name: str, model: registry.FoundModel | None) -> ModelFiles | None:
        folder = self._settings.models_folder
        if model is not None:
            found = registry.find_aligner(name, model, folder)
        else:
            found = registry.find(name, folder) if name not in ("auto", "none") else None
        return files_of(found) if found else None


def files_of(found: registry.FoundModel) -> ModelFiles:
    return ModelFiles(**{field.name: getattr(found, field.name) for field in fields(ModelFiles)})


def _checked(table: Mapping[str, str]) -> dict[str, str]:
    return {languages.check(code): name for code, name in table.items()}
