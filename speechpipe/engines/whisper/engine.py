"""What all engines over Whisper share: clips checked and labelled, batches decoded, judged and decoded again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechpipe import languages
from speechpipe.engines.batches import Batches, grouped
from speechpipe.engines.contract import Clip, EngineInfo, Options, Result
from speechpipe.engines.loading import checked_options, checked_pcm, clip_ms, running
from speechpipe.engines.whisper import fallback
from speechpipe.engines.whisper.fallback import Attempt, Take
from speechpipe.engines.whisper.prompts import prompt_tokens
from speechpipe.engines.whisper.timestamps import split_at_timestamps
from speechpipe.engines.whisper.tokens import whisper_language
from speechpipe.errors import UsageError


class WhisperEngine(ABC):
    """Whisper by windows of 30 s. A package's own part is what is abstract here.

    Prompts and languages are per clip; a batch never mixes lengths of prompt, nor of padding.
    """

    info: EngineInfo
    #: Whether it tells languages apart; else it knows English alone.
    _multilingual: bool

    def __init__(self, *folders: Path) -> None:
        """``folders``: where the model's generation_config.json may lie."""
        self._folders = folders
        self._batches = Batches()
        self.limits = fallback.Limits()

    def transcribe(self, clips: Sequence[Clip], options: Options) -> list[Result]:
        checked_options(options, self.info.name, *self.info.options)
        # What is wrong with a clip is said before any is decoded.
        jobs = [job for i, clip in enumerate(clips) if (job := self._job(i, clip, options)) is not None]
        results = [Result(language=clip.language) for clip in clips]
        for batch in grouped(jobs, options.batch_size, lambda job: (len(job.prompt), self._padding(job.pcm))):
            with self._working():
                for job, result in zip(batch, self._transcribed(batch, options), strict=True):
                    results[job.index] = result
        return results

    def detect_language(self, clips: Sequence[Clip]) -> list[tuple[str, float] | None]:
        return [None if ranked is None else _best(ranked) for ranked in self.language_probabilities(clips)]

    def language_probabilities(self, clips: Sequence[Clip]) -> list[dict[str, float] | None]:
        heard = [checked_pcm(clip) for clip in clips]
        if not self._multilingual:
            return [None] * len(clips)
        with self._working():
            return [None if pcm is None else self._ranked([pcm])[0] for pcm in heard]

    @abstractmethod
    def _ranked(self, clips: Sequence[NDArray[np.float32]]) -> list[dict[str, float]]:
        """Language (BCP 47) → probability of each clip."""

    @abstractmethod
    def _takes(self, jobs: Sequence[fallback.Job], attempt: Attempt, options: Options) -> list[Take]:
        """What the model says to each clip, decoded as one batch as the attempt tells."""

    @abstractmethod
    def _text_tokens(self, text: str) -> list[int]:
        """Token ids of ``text``, and no command to the model among them, whatever the text says."""

    @abstractmethod
    def _knows(self, language: str) -> bool:
        """Whether the model has a token for what Whisper calls this language."""

    def _padding(self, pcm: NDArray[np.float32]) -> int:
        """What clips must have in common to go through the model together."""
        return 0

    def _working(self) -> AbstractContextManager[Any]:
        return running(self.info.model)

    def _job(self, index: int, clip: Clip, options: Options) -> _Job | None:
        """None for a clip with nothing to hear."""
        language = None if clip.language is None else self._whisper_language(clip.language)
        pcm = checked_pcm(clip)
        prompt = tuple(prompt_tokens(self._text_tokens, options, clip.prompt))
        return None if pcm is None else _Job(pcm, language, prompt, index, clip.language)

    def _whisper_language(self, code: str) -> str:
        if not self._multilingual and languages.whisper_code(code) != "en":
            raise UsageError(f"The model {self.info.model} knows English only, not {languages.name(code)} ({code}).")
        return whisper_language(code, self.info, self._folders, self._knows)

    def _transcribed(self, batch: Sequence[_Job], options: Options) -> Iterator[Result]:
        found = self._detected(batch)
        jobs = [
            replace(job, language=job.language or languages.whisper_code(label))
            for job, (label, _) in zip(batch, found, strict=True)
        ]

        def decode(jobs: Sequence[fallback.Job], attempt: Attempt) -> list[Take]:
            takes, divided = self._batches.run(jobs, lambda part: self._takes(part, attempt, options))
            return [replace(take, flags=("smaller_batch",)) for take in takes] if divided else takes

        for kept, (label, probability) in zip(fallback.decoded(jobs, decode, options, self.limits), found, strict=True):
            yield Result(tuple(kept.utterances()), label, probability)

    def _detected(self, batch: Sequence[_Job]) -> list[tuple[str, float | None]]:
        """The label of each clip's language, and how sure it is where it was not given."""
        ranked: list[dict[str, float]] = [{}] * len(batch)
        if self._multilingual and not all(job.label for job in batch):
            ranked = self._batches.run([job.pcm for job in batch], self._ranked)[0]
        return [
            (job.label, None) if job.label else _best(heard) if heard else ("en", None)
            for job, heard in zip(batch, ranked, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _Job(fallback.Job):
    """``index``: of the clip among those given. ``label``: its language as the caller calls it."""

    index: int = 0
    label: str | None = None


def take_of(
    tokens: Sequence[int],
    avg_logprob: float,
    no_speech_prob: float,
    tokenizer: Any,
    pcm: NDArray[np.float32],
) -> Take:
    """What the model said to a clip, as text with times; ``tokenizer`` has ``decode``, ``timestamp_begin``, ``eot``."""
    decode: Callable[[list[int]], str] = tokenizer.decode
    spans = split_at_timestamps(tokens, tokenizer.timestamp_begin, tokenizer.eot, clip_ms(pcm))
    pieces = ((start, end, decode(said).strip()) for start, end, said in spans)
    return Take(tuple(piece for piece in pieces if piece[2]), avg_logprob, no_speech_prob, len(tokens) + 1)


def _best(ranked: dict[str, float]) -> tuple[str, float]:
    label = max(ranked, key=lambda language: ranked[language])
    return label, round(ranked[label], 4)
