"""What the two Whisper engines on torch share: no gradients, chance under a seed, languages clip by clip."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from speechpipe.engines.contract import Options
from speechpipe.engines.whisper.engine import WhisperEngine, take_of
from speechpipe.engines.whisper.fallback import SEED, Attempt, Job, Take

#: What came out for a clip: tokens, times among them; the mean of their log-probabilities; that there is no speech.
Decoded = tuple[list[int], float, float]


class TorchWhisper(WhisperEngine):
    """A package's own part is what is abstract here."""

    #: As Whisper calls them; none where the model is of English alone.
    _languages: Sequence[str]

    @property
    def _multilingual(self) -> bool:  # type: ignore[override]
        return bool(self._languages)

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

    def _ranked(self, clips: Sequence[NDArray[np.float32]]) -> list[dict[str, float]]:
        return [self._probabilities(pcm) for pcm in clips]

    def _knows(self, language: str) -> bool:
        # A model of English alone has no list of languages, and needs none.
        return language in (self._languages or ("en",))

    @contextmanager
    def _working(self) -> Iterator[None]:
        with super()._working(), torch.inference_mode():
            yield

    def _takes(self, jobs: Sequence[Job], attempt: Attempt, options: Options) -> list[Take]:
        encoded = self._encode([job.pcm for job in jobs])
        with torch.random.fork_rng(enabled=attempt.temperature > 0):
            if attempt.temperature > 0:
                torch.manual_seed(SEED)
            found = self._generate(encoded, jobs, options.beam_size * attempt.beam, attempt)
        return [take_of(*one, self._tokenizer(job.language), job.pcm) for job, one in zip(jobs, found, strict=True)]
