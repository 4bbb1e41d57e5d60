"""Which cue of the original a person's cue is, and which of the original's words it may hold.

A cue is where it was before anything else: the same times, then the same text moved as a whole. All other words belong
to the cue in whose time they were said, so that "yes" is never taken for another "yes" a minute away.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from speechpipe.formats.captions.cues import Cue
from speechpipe.formats.comparing.changes import matches
from speechpipe.formats.text import clean, tokens
from speechpipe.formats.turns import lane_of
from speechpipe.transcript_data import Segment, Word

#: Of cues that overlap, so many are asked whether a word was said in them.
_OVERLAPPING = 8


@dataclass(frozen=True, slots=True)
class Pairing:
    """By the index of a person's cue. ``pairs``: the cue that it was; ``shifts``: by how many ms it was moved as a
    whole; ``heard``: the original's words that it may hold, each in one cue only, with the cue they stood in."""

    pairs: Mapping[int, Cue]
    shifts: Mapping[int, int]
    heard: Mapping[int, Sequence[tuple[Word, Cue]]] = field(default_factory=dict)


def paired(old: Sequence[Cue], new: Sequence[Segment], same: Mapping[int, Cue], named: bool) -> Pairing:
    """Pair the cues of the original with a person's, both in order of time.

    Args:
        same: those that stand as they were. named: whether the person's file says who speaks.
    """
    pairs = dict(same)
    taken = {cue.number for cue in same.values()}
    for lanes in (True, False) if named else (False,):
        _in_place(old, new, pairs, taken, lanes)
    shifts = _moved(old, new, pairs, taken, named)
    return Pairing(pairs, shifts, _heard(old, new, pairs, same, named))


def _in_place(old: Sequence[Cue], new: Sequence[Segment], pairs: dict[int, Cue], taken: set[int], lanes: bool) -> None:
    """Cues that kept their times and, where ``lanes``, their voice; of several at once the one with more words."""
    there: dict[tuple[int, int, str | None], list[Cue]] = {}
    for cue in old:
        if cue.number not in taken:
            there.setdefault((cue.start_ms, cue.end_ms, _name(cue) if lanes else None), []).append(cue)
    for j, segment in enumerate(new):
        found = there.get((segment.start_ms, segment.end_ms, lane_of(segment).name if lanes else None))
        if j in pairs or not found:
            continue
        said = set(tokens(segment.text))
        cue = max(found, key=lambda cue: len(said.intersection(word.text for word in cue.words)))
        found.remove(cue)
        pairs[j] = cue
        taken.add(cue.number)


def _moved(
    old: Sequence[Cue], new: Sequence[Segment], pairs: dict[int, Cue], taken: set[int], named: bool
) -> dict[int, int]:
    """Cues that were moved as a whole: of the same text and duration, or of the same duration beside such a cue and
    moved as far."""
    left = [cue for cue in old if cue.number not in taken]
    mine = [j for j in range(len(new)) if j not in pairs]
    keys = [f"{cue.end_ms - cue.start_ms} {_name(cue) if named else None} {plain(cue.text)}" for cue in left]
    others = [
        f"{new[j].end_ms - new[j].start_ms} {lane_of(new[j]).name if named else None} {plain(new[j].text)}"
        for j in mine
    ]
    steps = {mine[j]: i for i, j in matches(keys, others)}
    for step, order in ((1, mine), (-1, mine[::-1])):
        used = set(steps.values())
        for before, j in pairwise(order):
            i = steps.get(before, -2) + step
            if j in steps or j != before + step or not 0 <= i < len(left) or i in used or before not in steps:
                continue
            beside = left[steps[before]]
            far = new[before].start_ms - beside.start_ms
            if (left[i].start_ms + far, left[i].end_ms + far) == (new[j].start_ms, new[j].end_ms):
                steps[j] = i
                used.add(i)
    for j, i in steps.items():
        pairs[j] = left[i]
        taken.add(left[i].number)
    return {j: new[j].start_ms - left[i].start_ms for j, i in steps.items()}


def _heard(
    old: Sequence[Cue], new: Sequence[Segment], pairs: Mapping[int, Cue], same: Mapping[int, Cue], named: bool
) -> dict[int, list[tuple[Word, Cue]]]:
    """The words of each pair; those of cues that are gone, for the cues that are new, by the time they were said."""
    whole = {cue.number: j for j, cue in pairs.items()}
    loose = [j for j in range(len(new)) if j not in pairs]
    starts = [new[j].start_ms for j in loose]
    texts = {j: frozenset(tokens(new[j].text)) for j in loose}

    def around(at: int, word: Word, cue: Cue) -> int | None:
        """The new cue in whose time a word was said; of several the one of its voice, that has it, that began last."""
        last = bisect_right(starts, at)
        there = [j for j in loose[max(0, last - _OVERLAPPING) : last] if at <= new[j].end_ms]
        likely = ((named and lane_of(new[j]).name == _name(cue), word.text in texts[j], j) for j in there)
        return max(likely)[2] if there else None

    found: dict[int, list[tuple[Word, Cue]]] = {}
    for cue in old:
        j = whole.get(cue.number)
        if j in same:
            continue
        for word, at in zip(cue.words, _places(cue), strict=True):
            mine = j if j is not None else around(at, word, cue)
            if mine is not None:
                found.setdefault(mine, []).append((word, cue))
    return found


def _places(cue: Cue) -> Iterator[int]:
    """When each word of a cue was said, as far as is known, within the cue."""
    at = cue.start_ms
    for word in cue.words:
        at = at if word.start_ms is None else min(max(at, word.start_ms), cue.end_ms)
        yield at


def plain(text: str) -> str:
    """``text`` as it is in every format: SubRip has a space more behind what might begin a tag."""
    return clean(text).replace("< ", "<").replace("{ ", "{")


def _name(cue: Cue) -> str | None:
    return cue.lane.name if cue.lane else None
