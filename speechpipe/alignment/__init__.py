"""Times for words: the text as transcribed, letter for letter, laid over what a CTC model heard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import version
from itertools import accumulate
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from speechpipe.alignment.letters import Alphabet
from speechpipe.alignment.viterbi import Search, Spans, force
from speechpipe.emissions import Emissions
from speechpipe.errors import DependencyError
from speechpipe.transcript_data import Word

FALLBACK = "alignment_fallback"
SAMPLE_RATE = 16_000

VITERBI = "viterbi"
#: Ways to search for the best of the same paths: the module, which has ``best_path``, and the package it calls.
METHODS: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {VITERBI: ("viterbi", None), "torchaudio": ("torchaudio_align", "torchaudio")}
)


@dataclass(frozen=True, slots=True)
class Alignment:
    """``words`` joined by single spaces are the text; their times count from the clip's first sample."""

    words: tuple[Word, ...] = ()
    flags: tuple[str, ...] = ()


@cache
def search(method: str) -> Search:
    """One of ``METHODS``. Raises ``DependencyError`` where its package is not installed."""
    try:
        found: Search = import_module(f"{__name__}.{METHODS[method][0]}").best_path
    except ImportError as error:
        raise DependencyError(
            f"The alignment method {method} needs a package that is not installed or does not load: {error}.",
            cure=f'Install it with: pip install "speechpipe[{method}]"',
        ) from error
    return found


def described(method: str) -> str:
    """The method for a transcript's provenance, with the version of its package."""
    package = METHODS[method][1]
    return f"CTC, {package} {version(package)}" if package else "CTC Viterbi"


def align(text: str, emissions: Emissions | None, duration_ms: int, method: str = VITERBI) -> Alignment:
    """A time for each word of ``text``, 0 ≤ start ≤ end ≤ ``duration_ms``, never before the word in front of it.

    Aligned words carry a confidence: the geometric mean of their letters' posteriors; None where nothing of the word is
    in the model's alphabet (digits, foreign script). A word of punctuation only has no sound and gets an interpolated,
    empty time. Without emissions, or where the text cannot be in them (more letters than frames), or they not in the
    clip, all times are interpolated, confidence is None and the flag ``alignment_fallback`` says so.
    """
    written = text.split()
    if not written:
        return Alignment()
    if emissions is not None and emissions.cover(duration_ms * SAMPLE_RATE // 1000):
        spans = _spans(written, emissions, search(method))
        times = _times(spans, emissions, duration_ms) if spans is not None else None
        if spans is not None and times is not None and not _heaped(times, duration_ms):
            return Alignment(tuple(_words(written, spans, times)))
    return Alignment(tuple(interpolate(written, 0, duration_ms)), (FALLBACK,))


def interpolate(written: Sequence[str], start_ms: int, end_ms: int) -> list[Word]:
    """The words spread over the span, each as long as it has letters."""
    edges = [0, *accumulate(len(word) for word in written)]
    at = [start_ms + round((end_ms - start_ms) * edge / max(edges[-1], 1)) for edge in edges]
    return [Word(word, a, b, None, "interpolated") for word, a, b in zip(written, at, at[1:], strict=False)]


def _spans(written: Sequence[str], emissions: Emissions, search: Search) -> Spans | None:
    alphabet = Alphabet.of(emissions)
    if alphabet is None:
        return None
    return force([alphabet.spell(word) for word in written], emissions, search)


def _times(spans: Spans, emissions: Emissions, duration_ms: int) -> NDArray[np.int64]:
    """Start and end of each word in ms: the edges of its frames, moved by what the model is known to be off.

    CTC lights a letter up for a moment in its middle, so that words seem to start late and end early. Where moved words
    would overlap, the one in front ends when the next starts.
    """
    edges = emissions.first_frame_centre + (spans.frames - 0.5) * emissions.samples_per_frame
    moved = edges * 1000 / SAMPLE_RATE + np.array(emissions.boundary_offset_ms)
    starts, ends = np.clip(np.rint(moved), 0, duration_ms).astype(np.int64).T
    ends[:-1] = np.minimum(ends[:-1], starts[1:])
    return np.column_stack([starts, np.maximum(starts, ends)])


def _heaped(times: NDArray[np.int64], duration_ms: int) -> bool:
    """Whether most words were moved out of the clip, and so lie on its edge."""
    starts, ends = times.T
    return bool(2 * np.count_nonzero((ends == 0) | (starts == duration_ms)) > len(times))


def _words(written: Sequence[str], spans: Spans, times: NDArray[np.int64]) -> list[Word]:
    words, at, spoken = list[Word](), 0, 0
    for word, silent in zip(written, spans.silent, strict=True):
        if silent:
            words.append(Word(word, at, at, None, "interpolated"))
            continue
        start, at = (int(t) for t in times[spoken])
        words.append(Word(word, start, at, spans.confidences[spoken], "aligned"))
        spoken += 1
    return words
