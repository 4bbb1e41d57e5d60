"""What changed between two sequences of words, for texts of many hours.

Words that occur once in both are anchors, as in patience diff (Bram Cohen); between them the shortest edit is sought
(Myers, An O(ND) Difference Algorithm, 1986) as far as ``MOST_EDITS``, beyond which a stretch counts as replaced.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

MOST_EDITS = 400


class Change(NamedTuple):
    """``old[a:b]`` became ``new[c:d]``; one of them may be empty."""

    a: int
    b: int
    c: int
    d: int


def changes(old: Sequence[str], new: Sequence[str]) -> list[Change]:
    """The changes in order, never two that touch."""
    found: list[Change] = []
    at_old = at_new = 0
    for i, j in [*matches(old, new), (len(old), len(new))]:
        if at_old < i or at_new < j:
            found.append(Change(at_old, i, at_new, j))
        at_old, at_new = i + 1, j + 1
    return found


def matches(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of indices of equal words, both rising."""
    found: list[tuple[int, int]] = []
    stretches = [(0, len(old), 0, len(new))]
    while stretches:
        a, b, c, d = stretches.pop()
        while a < b and c < d and old[a] == new[c]:
            found.append((a, c))
            a, c = a + 1, c + 1
        while a < b and c < d and old[b - 1] == new[d - 1]:
            b, d = b - 1, d - 1
            found.append((b, d))
        if a == b or c == d:
            continue
        anchors = _anchors(old, new, a, b, c, d)
        if not anchors:
            found += ((a + i, c + j) for i, j in _shortest(old[a:b], new[c:d]))
            continue
        found += anchors
        edges = [(a - 1, c - 1), *anchors, (b, d)]
        stretches += ((i + 1, k, j + 1, m) for (i, j), (k, m) in pairwise(edges))
    return sorted(found)


def _anchors(old: Sequence[str], new: Sequence[str], a: int, b: int, c: int, d: int) -> list[tuple[int, int]]:
    """The longest rising run of words that occur once in each stretch."""
    in_old, in_new = Counter(old[a:b]), Counter(new[c:d])
    places = {new[j]: j for j in range(c, d) if in_new[new[j]] == 1}
    pairs = [(i, places[old[i]]) for i in range(a, b) if in_old[old[i]] == 1 and old[i] in places]
    tails: list[int] = []  # the least last place of a rising run of each length, and which pair it is
    which: list[int] = []
    before: list[int] = []
    for index, (_, j) in enumerate(pairs):
        at = bisect_left(tails, j)
        before.append(which[at - 1] if at else -1)
        tails[at : at + 1], which[at : at + 1] = [j], [index]
    run: list[tuple[int, int]] = []
    index = which[-1] if which else -1
    while index >= 0:
        run.append(pairs[index])
        index = before[index]
    return run[::-1]


def _shortest(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The matches of a shortest edit; none where it needs more than ``MOST_EDITS``."""
    furthest = {1: 0}
    history: list[dict[int, int]] = []
    for edits in range(min(len(old) + len(new), MOST_EDITS) + 1):
        history.append(dict(furthest))
        for k in range(-edits, edits + 1, 2):
            down = k == -edits or (k != edits and furthest[k - 1] < furthest[k + 1])
            x = furthest[k + 1] if down else furthest[k - 1] + 1
            y = x - k
            while x < len(old) and y < len(new) and old[x] == new[y]:
                x, y = x + 1, y + 1
            furthest[k] = x
            if x >= len(old) and y >= len(new):
                yield from _back(history, len(old), len(new))
                return


def _back(history: list[dict[int, int]], x: int, y: int) -> Iterator[tuple[int, int]]:
    """From the end to the beginning, the diagonals of each step."""
    for edits in range(len(history) - 1, -1, -1):
        furthest, k = history[edits], x - y
        down = k == -edits or (k != edits and furthest[k - 1] < furthest[k + 1])
        before = k + 1 if down else k - 1
        start = furthest[before]
        while x > start and y > start - before:
            x, y = x - 1, y - 1
            yield x, y
        x, y = start, start - before
