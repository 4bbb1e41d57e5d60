"""How right the times of words are: heard words against words whose borders are known.

``score(reference, heard)`` is all there is to call. Words are paired by text, in order, with the fewest edits, and of
equally few by the least distance in time, so that repeated words are not taken for one another. Only what is known is
judged: a reference word without a time neither counts for nor against anybody.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

_NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_DIGITS = {"oh": "o", **{word: str(digit) for digit, word in enumerate(_NUMBERS)}}
_EDIT = 10**9  # one edit outweighs any distance in time


@dataclass(frozen=True, slots=True)
class Timed:
    """A word and its borders in milliseconds of the recording; None where unknown."""

    text: str
    start_ms: int | None = None
    end_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Borders:
    """What was found; ``f1_*`` and medians are None where there was nothing to judge by."""

    known: int
    heard: int
    paired: int
    f1_50: float | None
    f1_100: float | None
    median_ms: int | None
    p90_ms: int | None
    start_bias_ms: int | None
    end_bias_ms: int | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def tokens(text: str) -> list[str]:
    """Words as they are compared: no case, no signs; a number as its digits, one by one; ``seven`` as ``7``."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = re.sub(r"(?<=\w)['’](?=\w)", "", plain)
    return [_DIGITS.get(word, word) for word in re.findall(r"\d|[^\W\d_]+", plain)]


def parts(words: Iterable[Timed]) -> Iterator[Timed]:
    """Each word as its tokens. Of a word of several only the outer borders are known."""
    for word in words:
        own = tokens(word.text)
        for at, token in enumerate(own):
            yield Timed(token, word.start_ms if at == 0 else None, word.end_ms if at == len(own) - 1 else None)


def score(reference: Iterable[Timed], heard: Iterable[Timed]) -> Borders:
    """F1 of words with both borders within 50 and 100 ms, and how far borders are off (of all, and signed)."""
    truth, mine = list(parts(reference)), list(parts(heard))
    laid = _laid(truth, mine)
    pairs = [(a, b) for a, b in laid if truth[a].text == mine[b].text]
    unjudged = sum(not _timed(truth[a]) for a, _ in laid)  # misheard or not: of its place no time is known
    known, said = sum(map(_timed, truth)), len(mine) - unjudged
    starts = _errors((truth[a].start_ms, mine[b].start_ms) for a, b in pairs)
    ends = _errors((truth[a].end_ms, mine[b].end_ms) for a, b in pairs)
    distance = np.abs([*starts, *ends])

    def f1(limit: int) -> float | None:
        right = sum(_near(truth[a], mine[b], limit) for a, b in pairs)
        return round(2 * right / (known + said), 3) if known else None

    return Borders(
        known,
        said,
        sum(_timed(truth[a]) for a, _ in pairs),
        f1(50),
        f1(100),
        round(float(np.median(distance))) if len(distance) else None,
        round(float(np.percentile(distance, 90))) if len(distance) else None,
        round(float(np.median(starts))) if starts else None,
        round(float(np.median(ends))) if ends else None,
    )


def paired(truth: Sequence[Timed], mine: Sequence[Timed]) -> list[tuple[int, int]]:
    """Places of equal words in both, in order. The texts must be tokens."""
    return [(a, b) for a, b in _laid(truth, mine) if truth[a].text == mine[b].text]


def _laid(truth: Sequence[Timed], mine: Sequence[Timed]) -> list[tuple[int, int]]:
    """Places of words that stand for one another: equal, or one heard for the other."""
    if not truth or not mine:
        return []
    texts = np.array([w.text for w in mine])
    starts = np.array([_or_nan(w.start_ms) for w in mine])
    ends = np.array([_or_nan(w.end_ms) for w in mine])
    along = np.arange(len(mine) + 1, dtype=np.int64) * _EDIT
    row, ways = along, np.zeros((len(truth) + 1, len(mine) + 1), np.int8)
    for at, word in enumerate(truth, 1):
        away = np.nan_to_num(abs(starts - _or_nan(word.start_ms))) + np.nan_to_num(abs(ends - _or_nan(word.end_ms)))
        equal = np.where(texts == word.text, np.minimum(away, 100_000).astype(np.int64), _EDIT)
        new = row + _EDIT  # 0: the word was not heard
        across = row[:-1] + equal  # 1: in its place stands this one
        ways[at, 1:] = across <= new[1:]
        new[1:] = np.minimum(new[1:], across)
        best = np.minimum.accumulate(new - along) + along  # 2: something was heard that was not said
        ways[at, best < new] = 2
        row = best
    pairs, a, b = list[tuple[int, int]](), len(truth), len(mine)
    while a and b:
        way = ways[a, b]
        if way == 1:
            pairs.append((a - 1, b - 1))
        a, b = a - (way < 2), b - (way > 0)
    return pairs[::-1]


def _errors(borders: Iterable[tuple[int | None, int | None]]) -> list[int]:
    return [mine - true for true, mine in borders if true is not None and mine is not None]


def _timed(word: Timed) -> bool:
    return word.start_ms is not None and word.end_ms is not None


def _near(one: Timed, other: Timed, limit: int) -> bool:
    borders = (one.start_ms, other.start_ms), (one.end_ms, other.end_ms)
    return all(a is not None and b is not None and abs(a - b) <= limit for a, b in borders)


def _or_nan(value: int | None) -> float:
    return np.nan if value is None else value
