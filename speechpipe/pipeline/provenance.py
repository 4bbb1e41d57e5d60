"""The steps of a recording's provenance: which software and model did what, with which settings, and when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from speechpipe import alignment, installed
from speechpipe.audio import Decoded
from speechpipe.engines.contract import ModelFiles, Options
from speechpipe.language_identification.routing import Route
from speechpipe.language_identification.window_languages import Spoken
from speechpipe.moments import now
from speechpipe.pipeline.transcriber import Transcriber
from speechpipe.transcript_data import Step

#: Under what name a step tells which channels and streams were asked for.
ASKED = "asked"


def chunk_step(decoded: Decoded, channels: str, transcriber: Transcriber, started: str) -> Step:
    """``channels``: as asked for; what became of that stands beside it."""
    settings = {"channels": decoded.policy, "gain": round(decoded.gain, 2), **transcriber.chunking.model_dump()}
    settings[ASKED] = {"channels": channels, "streams": transcriber.settings.streams}
    settings["levels"] = [asdict(channel) for channel in decoded.channels]
    return Step("chunk", "speechpipe", installed.version(), settings=settings, started=started, ended=now())


def engine_steps(spoken: Spoken, transcriber: Transcriber, started: str) -> Iterator[Step]:
    """One step a model that was asked, with the languages it was given and how many windows of each."""
    options = asdict(Options.of(transcriber.settings.decoding))
    given: dict[tuple[str | None, ...], tuple[Route, Counter[str | None]]] = {}
    for language in spoken.languages:
        route = transcriber.routes.of(language)
        given.setdefault(route.identity, (route, Counter()))[1][language] += 1
    for route, windows in given.values():
        info = transcriber.engine_of(route).info
        honoured = {name: value for name, value in options.items() if name in info.options}
        settings = {**spoken.settings, **honoured, **info.settings}
        if len(given) > 1 or len(windows) > 1:
            settings["windows"] = {str(language): count for language, count in windows.items()}
        yield _model_step("transcribe", route.engine_name, info.version, route.model, settings, started)


def align_steps(spoken: set[str | None], transcriber: Transcriber, started: str) -> Iterator[Step]:
    """One step a model that aligned; none where nothing did."""
    routes = [transcriber.routes.of(language) for language in sorted(spoken, key=str)]
    aligners = {(route.aligner.name, route.aligner.sha256): route.aligner for route in routes if route.aligner}
    method = alignment.described(transcriber.settings.alignment.method)
    for model in aligners.values():
        yield _model_step("align", "speechpipe", installed.version(), model, {"method": method}, started)


def _model_step(
    what: str, software: str, version: str, model: ModelFiles, settings: dict[str, Any], started: str
) -> Step:
    return replace(
        Step(what, software, version, settings=settings, started=started, ended=now()),
        model=model.name,
        model_revision=model.revision,
        model_sha256=model.sha256,
        model_licence=model.licence,
    )
