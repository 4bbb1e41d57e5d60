"""The key of each stage: a digest of all that decides its result, the key of the stage before it among that."""

from __future__ import annotations

from collections.abc import Sequence

from speechpipe.pipeline.recording import Recording
from speechpipe.pipeline.transcriber import Transcriber
from speechpipe.workspace import stage_key

VERSIONS = {"chunk": 2, "languages": 1, "transcribe": 3, "align": 2}


class Keys:
    """Those of one recording. ``language``: what is spoken, as it was asked for."""

    def __init__(self, transcriber: Transcriber, recording: Recording, language: str | None) -> None:
        self._routes, self._settings = transcriber.routes, transcriber.settings
        self.chunk = stage_key(
            "chunk",
            VERSIONS["chunk"],
            recording.sha256,
            channels=recording.channels,
            streams=transcriber.settings.streams,
            chunking=transcriber.chunking.model_dump(),
        )
        self.languages = stage_key(
            "languages",
            VERSIONS["languages"],
            self.chunk,
            language=language,
            allowed=self._routes.allowed,
            models=[route.identity for route in self._routes.named],
        )

    def transcribe(self, languages: Sequence[str | None]) -> str:
        """``languages``: of each window; one where all are the same."""
        told = languages if len(set(languages)) > 1 else languages[:1]
        return stage_key(
            "transcribe",
            VERSIONS["transcribe"],
            self.languages,
            languages=told,
            models={str(language): self._routes.of(language).identity for language in told},
            decoding=self._settings.decoding.model_dump(exclude={"threads"}),
        )

    def align(self, languages: Sequence[str | None]) -> str:
        aligners = {str(language): self._routes.of(language).aligner for language in languages}
        return stage_key(
            "align",
            VERSIONS["align"],
            self.transcribe(languages),
            aligners={language: model and (model.name, model.sha256) for language, model in aligners.items()},
            method=self._settings.alignment.method,
        )
