"""The changes of one original in several files, laid together as far as they do not contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from speechpipe.formats.comparing.changes import changes


class Hunk(NamedTuple):
    """``old[a:b]`` became ``new[c:d]`` of this side."""

    a: int
    b: int
    c: int
    d: int
    side: str


#: Where an item of the outcome comes from: a side and its index there, or "" and the index in the original.
Pick = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What became of ``old[a:b]`` on each side."""

    a: int
    b: int
    sides: Mapping[str, Sequence[Pick]]


def merged(old: Sequence[str], sides: Mapping[str, Sequence[str]]) -> tuple[list[Pick], list[Contradiction]]:
    """The original with the changes of all sides; where they contradict, it stays and the contradiction is told."""
    found: list[Pick] = []
    contradictions: list[Contradiction] = []
    at = 0
    for group in _groups(old, sides):
        a, b = group[0].a, max(hunk.b for hunk in group)
        found += (("", i) for i in range(at, a))
        ways = {side: _way(group, side, a, b) for side in dict.fromkeys(hunk.side for hunk in group)}
        said = {tuple(old[i] if side == "" else sides[side][i] for side, i in way) for way in ways.values()}
        if len(said) == 1:
            found += next(iter(ways.values()))
        else:
            contradictions.append(Contradiction(a, b, ways))
            found += (("", i) for i in range(a, b))
        at = b
    return [*found, *(("", i) for i in range(at, len(old)))], contradictions


def _groups(old: Sequence[str], sides: Mapping[str, Sequence[str]]) -> Iterator[list[Hunk]]:
    """The changes of all sides, together where they touch the same items or put something in the same place."""
    group: list[Hunk] = []
    end = 0
    for hunk in sorted(hunk for side, new in sides.items() for hunk in _hunks(old, new, side)):
        same_place = bool(group) and hunk.a == hunk.b == group[-1].a == group[-1].b
        if group and not same_place and hunk.a >= end:
            yield group
            group = []
        group.append(hunk)
        end = max(end, hunk.b)
    if group:
        yield group


def _hunks(old: Sequence[str], new: Sequence[str], side: str) -> Iterator[Hunk]:
    """The changes; as many items in the place of as many are one for one."""
    for a, b, c, d in changes(old, new):
        if b - a == d - c:
            yield from (Hunk(a + i, a + i + 1, c + i, c + i + 1, side) for i in range(b - a))
        else:
            yield Hunk(a, b, c, d, side)


def _way(group: Sequence[Hunk], side: str, a: int, b: int) -> list[Pick]:
    """What this side made of ``old[a:b]``."""
    found: list[Pick] = []
    for hunk in group:
        if hunk.side == side:
            found += (("", i) for i in range(a, hunk.a))
            found += ((side, j) for j in range(hunk.c, hunk.d))
            a = hunk.b
    return [*found, *(("", i) for i in range(a, b))]
