"""What every engine takes and gives. Engines see only their clip: times count from its first sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from speechpipe.settings.decoding import Decoding
from speechpipe.transcript_data import Word

SAMPLE_RATE = 16_000


@dataclass(frozen=True, slots=True)
class Clip:
    """``pcm``: float32, mono, 16 kHz, -1..1. ``language``: BCP 47, or None to be detected.

    ``prompt``: what was said just before the clip; an engine that takes none raises ``UsageError``.
    """

    pcm: NDArray[np.float32]
    language: str | None = None
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """How to decode, for all clips alike; the names and defaults are those of ``settings.Decoding``.

    An engine that cannot honour a value other than the default raises ``UsageError``; it ignores none.

    ``prompt``: a text that the recording could go on from. ``vocabulary``: names and places to be expected.
    ``context``: the clips' own prompts are what was recognised before them, so a clip that fails is decoded again
    without. ``fallback``: how a clip that failed is decoded again: not at all, in the ways that are deterministic,
    or sampled as well.
    """

    beam_size: int = 5
    batch_size: int = 8
    prompt: str | None = None
    vocabulary: tuple[str, ...] = ()
    context: bool = False
    fallback: Literal["off", "deterministic", "full"] = "full"

    @classmethod
    def of(cls, decoding: Decoding) -> Options:
        """The options among the settings; what is left of those says where and on how many threads to compute."""
        return cls(**{option.name: getattr(decoding, option.name) for option in fields(cls)})


ALL_OPTIONS = tuple(option.name for option in fields(Options))


@dataclass(frozen=True, slots=True)
class Utterance:
    """A piece of recognised text in a clip; ``words`` only where the engine itself knows their times."""

    start_ms: int
    end_ms: int
    text: str
    words: tuple[Word, ...] = ()
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    compression_ratio: float | None = None
    temperature: float | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What was heard in one clip; no utterances where nothing was said."""

    utterances: tuple[Utterance, ...] = ()
    language: str | None = None
    language_prob: float | None = None


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """``languages`` is None where the model does not say; ``max_clip_ms`` None where there is no limit; ``options`` are
    the names of the ``Options`` that the engine honours."""

    name: str
    version: str
    model: str
    model_revision: str | None = None
    model_sha256: str | None = None
    model_licence: str | None = None
    languages: frozenset[str] | None = None
    max_clip_ms: int | None = None
    settings: dict[str, str | int | float | bool | None] = field(default_factory=dict)
    options: tuple[str, ...] = ("batch_size",)


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model as the registry hands it over: a folder checked before use, and what is known of it.

    ``padded_ms``: a clip no longer than this is padded to it, by engines that can, instead of to Whisper's 30 seconds:
    for models that were taught short sound. ``avoid_compute_types``: what spoils it, and is only computed in where that
    was asked for.
    """

    name: str
    path: Path
    family: str
    revision: str | None = None
    sha256: str | None = None
    licence: str | None = None
    languages: frozenset[str] | None = None
    padded_ms: int | None = None
    avoid_compute_types: tuple[str, ...] = ()


class Engine(Protocol):
    """An engine over one loaded model. Same clips and options, same results."""

    info: EngineInfo

    def transcribe(self, clips: Sequence[Clip], options: Options) -> list[Result]:
        """One result a clip, in order. Empty, silent or non-finite clips give an empty result, never a crash.

        Raises:
            UsageError: an option or language that this engine or model cannot honour.
            EngineError: the model failed.
        """
        ...

    def detect_language(self, clips: Sequence[Clip]) -> list[tuple[str, float] | None]:
        """Language and its probability a clip; None where the engine or the model cannot tell."""
        ...


@runtime_checkable
class TellsLanguages(Protocol):
    """An engine that can say how probable each language is, not the best alone."""

    def language_probabilities(self, clips: Sequence[Clip]) -> list[dict[str, float] | None]:
        """Language (BCP 47) → probability a clip, summing to 1 at most; None where nothing can be told."""
        ...
