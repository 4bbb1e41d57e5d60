"""What the two Whisper engines on torch share: clips checked and labelled, batches judged, chance under a seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from speechpipe import languages
from speechpipe.engines.batches import Batches, grouped
from speechpipe.engines.contract import Clip, EngineInfo, Options, Result
from speechpipe.engines.fallback import SEED, Attempt, Job, Take, decoded
from speechpipe.engines.loading import checked_options, checked_pcm, clip_ms, running
from speechpipe.engines.prompts import prompt_tokens
from speechpipe.engines.timestamps import split_at_timestamps
from speechpipe.engines.tokens import whisper_language
from speechpipe.errors import UsageError

#: What came out for a clip: tokens, times among them; the mean of their log-probabilities; that there is no speech.
Decoded = tuple[list[int], float, float]


class TorchWhisper(ABC):
    """Whisper by windows of 30 s. A package's own part is what is abstract here."""

    info: EngineInfo
    #: As Whisper calls them; none where the model is of English alone.
    _languages: Sequence[str]

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._batches = Batches()

    def transcribe(self, clips: Sequence[Clip], options: Options) -> list[Result]:
        checked_options(options, self.info.name, *self.info.options)
        # What is wrong with a clip is said before any is decoded.
        jobs = {i: job for i, clip in enumerate(clips) if (job := self._job(clip, options)) is not None}
        results = [Result(language=clip.language) for clip in clips]
        for batch in grouped(list(jobs), options.batch_size, lambda index: len(jobs[index].prompt)):
            with running(self.info.model), torch.inference_mode():
                results_of_batch = self._transcribed([clips[i] for i in batch], [jobs[i] for i in batch], options)
                for index, result in zip(batch, results_of_batch, strict=True):
                    results[index] = result
        return results

    def detect_language(self, clips: Sequence[Clip]) -> list[tuple[str, float] | None]:
        return [None if found is None else _best(found) for found in self.language_probabilities(clips)]

    def language_probabilities(self, clips: Sequence[Clip]) -> list[dict[str, float] | None]:
        heard = [checked_pcm(clip) for clip in clips]
        if not self._languages:
            return [None] * len(clips)
        with running(self.info.model), torch.inference_mode():
            return [None if pcm is None else self._probabilities(pcm) for pcm in heard]

    @abstractmethod
    def _encode(self, clips: Sequence[NDArray[np.float32]]) -> Any:
        """The encoder's output, a clip a row."""

    @abstractmethod
    def _probabilities(self, pcm: NDArray[np.float32]) -> dict[str, float]:
        """Language (BCP 47) → probability."""

    @abstractmethod
    def _generate(self, encoded: Any, jobs: Sequence[Job], beam: int, attempt: Attempt) -> list[Decoded]:
        """What the model says to each clip, decoded as the attempt tells."""

    @abstractmethod
    def _tokenizer(self, language: str | None) -> Any:
        """Has ``decode``, ``timestamp_begin`` and ``eot``."""

    @abstractmethod
    def _text_tokens(self, text: str) -> list[int]:
        """Token ids of ``text``, and no command to the model among them, whatever the text says."""

    def _job(self, clip: Clip, options: Options) -> Job | None:
        """None for a clip with nothing to hear."""
        language = None if clip.language is None else self._whisper_language(clip.language)
        pcm = checked_pcm(clip)
        prompt = prompt_tokens(self._text_tokens, options, clip.prompt)
        return None if pcm is None else Job(pcm, language, tuple(prompt))

    def _whisper_language(self, code: str) -> str:
        if not self._languages and languages.whisper_code(code) != "en":
            raise UsageError(f"The model {self.info.model} knows English only, not {languages.name(code)} ({code}).")
        # A model of English alone has no list of languages, and needs none.
        return whisper_language(code, self.info, (self._folder,), lambda token: token in (self._languages or ("en",)))

    def _transcribed(self, clips: Sequence[Clip], jobs: Sequence[Job], options: Options) -> Iterator[Result]:
        labels = [self._label(clip, job) for clip, job in zip(clips, jobs, strict=True)]
        labelled = [
            replace(job, language=job.language or languages.whisper_code(label))
            for job, (label, _) in zip(jobs, labels, strict=True)
        ]

        def decode(some: Sequence[Job], attempt: Attempt) -> list[Take]:
            takes, divided = self._batches.run(some, lambda part: self._takes(part, attempt, options))
            return [replace(take, flags=("smaller_batch",)) for take in takes] if divided else takes

        for kept, (label, probability) in zip(decoded(labelled, decode, options), labels, strict=True):
            yield Result(tuple(kept.utterances()), label, probability)

    def _label(self, clip: Clip, job: Job) -> tuple[str, float | None]:
        """The language of a clip, and how sure it is where it is detected."""
        if clip.language is not None:
            return clip.language, None
        return _best(self._probabilities(job.pcm)) if self._languages else ("en", None)

    def _takes(self, jobs: Sequence[Job], attempt: Attempt, options: Options) -> list[Take]:
        encoded = self._encode([job.pcm for job in jobs])
        with torch.random.fork_rng(enabled=attempt.temperature > 0):
            if attempt.temperature > 0:
                torch.manual_seed(SEED)
            found = self._generate(encoded, jobs, options.beam_size * attempt.beam, attempt)
        return [self._take(job, *one) for job, one in zip(jobs, found, strict=True)]

    def _take(self, job: Job, tokens: Sequence[int], avg_logprob: float, no_speech_prob: float) -> Take:
        tokenizer = self._tokenizer(job.language)
        spans = split_at_timestamps(tokens, tokenizer.timestamp_begin, tokenizer.eot, clip_ms(job.pcm))
        pieces = ((start, end, tokenizer.decode(said).strip()) for start, end, said in spans)
        return Take(tuple(piece for piece in pieces if piece[2]), avg_logprob, no_speech_prob, len(tokens) + 1)


def _best(probabilities: dict[str, float]) -> tuple[str, float]:
    language = max(probabilities, key=lambda code: probabilities[code])
    return language, round(probabilities[language], 4)
