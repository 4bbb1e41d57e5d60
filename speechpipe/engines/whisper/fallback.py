"""Judging what Whisper heard, and decoding again what failed: shared by the engines that run Whisper.

Batches go through the model once, without chance in them. Each take is judged as OpenAI's reference judges it
(openai-whisper, ``transcribe.py``), and for loops of words besides. What failed is decoded again, alone: first in ways
that are deterministic, then sampled from a fresh seed; so the same clips give the same words, whatever came before.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from speechpipe.engines.batches import is_out_of_memory
from speechpipe.engines.contract import SAMPLE_RATE, Options, Utterance

#: What the generator of chance is set to before each sampled attempt.
SEED = 0

REPETITION, UNLIKELY = "repetition", "low_logprob"

#: Flag of a take with faults for which there was no memory to try all that could cure them.
TOO_LARGE = "no_memory_to_cure"


@dataclass(frozen=True, slots=True)
class Job:
    """A clip as Whisper takes it: ``language`` is Whisper's code, ``prompt`` the ids of what it is told before."""

    pcm: NDArray[np.float32]
    language: str | None
    prompt: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Take:
    """One decoding of one clip. ``pieces``: start and end in ms within the clip, never backwards, and text.

    ``avg_logprob`` is the mean over ``tokens``, the end of text among them.
    """

    pieces: tuple[tuple[int, int, str], ...]
    avg_logprob: float
    no_speech_prob: float
    tokens: int
    flags: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return " ".join(text for _, _, text in self.pieces)

    @property
    def compression_ratio(self) -> float:
        """How well the text zips, as in the reference: bytes over bytes zipped; 0 without text."""
        raw = self.text.encode()
        return len(raw) / len(zlib.compress(raw)) if raw else 0.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """A way to decode, and which faults it may cure. ``beam``: times the beam asked for; a temperature is sampled."""

    name: str
    cures: tuple[str, ...] = (REPETITION, UNLIKELY)
    beam: int = 1
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    temperature: float = 0.0
    hypotheses: int = 1
    prompted: bool = True
    halves: bool = False


FIRST = Attempt("first", cures=())

#: Tried in this order until one is without fault. The names are flags of what it won.
LADDER = (
    Attempt("without_prompt", prompted=False),
    Attempt("no_repeats", cures=(REPETITION,), repetition_penalty=1.15, no_repeat_ngram_size=4),
    Attempt("wider_beam", beam=2),
    Attempt("in_halves", halves=True),
    Attempt("sampled", temperature=0.4, hypotheses=5),
    Attempt("sampled", temperature=0.8, hypotheses=5),
)

#: Decodes jobs, as one batch where they are several, in the way that the attempt says. A sampled attempt gets one job
#: and begins with the generator of chance at ``SEED``.
Decode = Callable[[Sequence[Job], Attempt], list[Take]]


@dataclass(frozen=True, slots=True)
class Limits:
    """OpenAI's thresholds: silence is what is probably no speech and unlikely as text; what zips too well is a loop."""

    no_speech: float = 0.6
    logprob: float = -1.0
    compression: float = 2.4

    def silent(self, take: Take) -> bool:
        return take.no_speech_prob > self.no_speech and (not take.text or take.avg_logprob < self.logprob)

    def faults(self, take: Take) -> tuple[str, ...]:
        """What is wrong with a take; nothing with silence."""
        if self.silent(take):
            return ()
        wrong = {
            REPETITION: take.compression_ratio > self.compression or is_loop(take.text),
            UNLIKELY: bool(take.text) and take.avg_logprob < self.logprob,
        }
        return tuple(fault for fault, holds in wrong.items() if holds)

    def rank(self, take: Take) -> tuple[int, float]:
        """The lower, the better: text without fault, unlikely text, silence, a loop, nothing though there is speech.

        Of equals the likelier one.
        """
        faults = self.faults(take)
        order = (
            bool(take.text) and not faults and not self.silent(take),
            faults == (UNLIKELY,),
            self.silent(take),
            bool(take.text),
            True,
        )
        return order.index(True), -take.avg_logprob


@dataclass(frozen=True, slots=True)
class Kept:
    """The best take of a clip, the attempt it came from, and what is still wrong with it."""

    take: Take
    attempt: Attempt
    faults: tuple[str, ...]
    silent: bool

    def utterances(self) -> Iterator[Utterance]:
        """None in silence; else each piece with the figures of the whole take."""
        again = () if self.attempt is FIRST else ("decoded_again", self.attempt.name)
        for start_ms, end_ms, text in () if self.silent else self.take.pieces:
            yield Utterance(
                start_ms,
                end_ms,
                text,
                avg_logprob=round(self.take.avg_logprob, 4),
                no_speech_prob=round(self.take.no_speech_prob, 4),
                compression_ratio=round(self.take.compression_ratio, 4),
                temperature=self.attempt.temperature,
                flags=tuple(dict.fromkeys(again + self.faults + self.take.flags)),
            )


def decoded(jobs: Sequence[Job], decode: Decode, options: Options, limits: Limits | None = None) -> list[Kept]:
    """The best take of each job: all as one batch first, then each that failed alone, down the ladder."""
    limits = limits or Limits()
    return [_best(job, take, decode, options, limits) for job, take in zip(jobs, decode(jobs, FIRST), strict=True)]


def _best(job: Job, first: Take, decode: Decode, options: Options, limits: Limits) -> Kept:
    takes, too_large = [(first, FIRST)], False
    faults = limits.faults(first)
    for attempt in _ladder(job, faults, options):
        try:
            again = _again(job, attempt, decode, limits)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            too_large = True  # a wider beam may not fit where the first take did
            continue
        takes.append((again, attempt))
        if limits.rank(again)[0] == 0:
            break
    take, attempt = min(takes, key=lambda taken: limits.rank(taken[0]))
    if too_large and limits.rank(take)[0]:
        take = replace(take, flags=(*take.flags, TOO_LARGE))
    return Kept(take, attempt, limits.faults(take), limits.silent(take))


def _ladder(job: Job, faults: tuple[str, ...], options: Options) -> Iterator[Attempt]:
    for attempt in LADDER:
        wanted = options.fallback == "full" or (options.fallback == "deterministic" and not attempt.temperature)
        possible = (attempt.prompted or job.prompt) and (not attempt.halves or job.pcm.size >= 2 * SAMPLE_RATE)
        if wanted and possible and set(faults) & set(attempt.cures):
            yield attempt


def _again(job: Job, attempt: Attempt, decode: Decode, limits: Limits) -> Take:
    if not attempt.prompted:
        job = replace(job, prompt=())
    if not attempt.halves:
        return decode([job], attempt)[0]
    middle = quietest(job.pcm)
    halves = decode([replace(job, pcm=job.pcm[:middle]), replace(job, pcm=job.pcm[middle:])], attempt)
    return _joined(halves, middle * 1000 // SAMPLE_RATE, limits)


def _joined(halves: Sequence[Take], middle_ms: int, limits: Limits) -> Take:
    """Both halves as one take; a silent half adds nothing."""
    heard = [(take, shift) for take, shift in zip(halves, (0, middle_ms), strict=True) if not limits.silent(take)]
    if not heard:
        return halves[0]
    tokens = sum(take.tokens for take, _ in heard)
    return Take(
        tuple((start + by, end + by, text) for take, by in heard for start, end, text in take.pieces),
        sum(take.avg_logprob * take.tokens for take, _ in heard) / max(tokens, 1),
        min(take.no_speech_prob for take, _ in heard),
        tokens,
        tuple(flag for take, _ in heard for flag in take.flags),
    )


def quietest(pcm: NDArray[np.float32]) -> int:
    """The sample amid the quietest tenth of a second in the middle half of a clip; of equals the first."""
    tenth = SAMPLE_RATE // 10
    quarter = pcm.size // 4
    middle = pcm[quarter : pcm.size - quarter]
    energy = np.concatenate(([0.0], np.cumsum(np.square(middle, dtype=np.float64))))
    return quarter + int(np.argmin(energy[tenth:] - energy[:-tenth])) + tenth // 2


#: Scripts written without spaces between words (Thai to Khmer, kana, Han): there each letter counts as a word.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")


def is_loop(text: str) -> bool:
    """Whether the same one to sixteen words come at least four times, and six words in all, one after another."""
    words = re.findall(r"\w+", _UNSPACED.sub(r" \g<0> ", text.lower()))
    for size in range(1, 17):
        same = 0
        for here, there in zip(words, words[size:], strict=False):
            same = same + 1 if here == there else 0
            if same >= max(3 * size, 6 - size):
                return True
    return False
