"""Windows that overlap, since there was no pause to cut in, joined so that no word is lost or said twice.

Both windows heard the sound of the overlap. Their words in it are laid beside each other in order (as in Needleman and
Wunsch, 1970): the same word at nearly the same time, or at least the same stretch of sound. The join is where the
fewest words are lost or doubled; of such places, where each comes from the window that heard it further from its edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from speechpipe.chunking.plan import Window
from speechpipe.engines.contract import Utterance

#: A word heard twice may be timed so much apart.
SAME_WORD_MS = 400
#: A word that comes so near to its window's edge may be cut off there.
EDGE_MS = 60
#: Confidence below which a word beside a cut counts as made up, where the other window heard anything better.
UNHEARD = 0.05
_SAME_TEXT, _SAME_SOUND = 2.0, 1.0

Timed = tuple[Window, tuple[Utterance, ...]]


@dataclass(frozen=True, slots=True)
class Spot:
    """A word in recording time; ``sure`` unless the aligner found nothing of it in the sound."""

    text: str
    start_ms: int
    end_ms: int
    sure: bool = True

    @property
    def middle(self) -> float:
        return (self.start_ms + self.end_ms) / 2


def joined(timed: Iterable[Timed]) -> list[Timed]:
    """The windows' utterances without what an overlapping neighbour has as well; their words count from the window."""
    found = list(timed)
    lanes: dict[str, list[int]] = {}
    for place, (window, _) in enumerate(found):
        lanes.setdefault(window.file, []).append(place)
    for lane in lanes.values():
        for first, second in pairwise(lane):
            (before, said_before), (after, said_after) = found[first], found[second]
            if after.overlap_ms:
                overlap = (after.start_ms, after.start_ms + after.overlap_ms)
                kept, dropped = seam(_spots(before, said_before), _spots(after, said_after), *overlap)
                found[first] = (before, _cut(said_before, 0, kept))
                found[second] = (after, _cut(said_after, dropped, None))
    return found


def seam(before: Sequence[Spot], after: Sequence[Spot], start_ms: int, end_ms: int) -> tuple[int, int]:
    """How many words of ``before`` to keep, and how many of ``after`` to drop at its beginning.

    Where nothing in the overlap ``start_ms``..``end_ms`` was heard by both, all words stay.
    """
    first = next((i for i, spot in enumerate(before) if spot.end_ms > start_ms), len(before))
    last = next((j for j, spot in enumerate(after) if spot.start_ms >= end_ms), len(after))
    kept, dropped = len(before), 0
    # What was made up where a window is cut off; the other one heard the same sound with its surroundings.
    if any(spot.sure for spot in after[:last]):
        while kept > first and not before[kept - 1].sure and before[kept - 1].start_ms >= start_ms:
            kept -= 1
    if any(spot.sure for spot in before[first:]):
        while dropped < last and not after[dropped].sure and after[dropped].end_ms <= end_ms:
            dropped += 1
    pairs = [(first + i, dropped + j) for i, j in _pairs(before[first:kept], after[dropped:last], start_ms, end_ms)]
    cut, length = (start_ms + end_ms) / 2, max(1, end_ms - start_ms)
    alone = [i for i in range(first, kept) if i not in {i for i, _ in pairs}]
    alone_after = [j for j in range(dropped, last) if j not in {j for _, j in pairs}]

    def cost(place: tuple[int, int]) -> tuple[int, float]:
        i, j = place
        lost = sum(k >= i for k in alone) + sum(k < j for k in alone_after)
        wrong = sum((a < i) == (b >= j) for a, b in pairs)  # both copies kept, or both dropped
        astray = sum(max(0.0, spot.middle - cut) for spot in before[first:i])
        astray += sum(max(0.0, cut - spot.middle) for spot in after[j:last])
        return lost + wrong, astray / length

    return min(((i, j) for i in range(first, kept + 1) for j in range(dropped, last + 1)), key=cost)


def _pairs(before: Sequence[Spot], after: Sequence[Spot], start_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """The best pairs in order; dynamic programming over what is gained from ``before[i:]`` and ``after[j:]``."""
    same = [
        [_likeness(one, other, one.end_ms > end_ms - EDGE_MS or other.start_ms < start_ms + EDGE_MS) for other in after]
        for one in before
    ]
    gained = [[0.0] * (len(after) + 1) for _ in range(len(before) + 1)]
    for i in range(len(before) - 1, -1, -1):
        for j in range(len(after) - 1, -1, -1):
            paired = gained[i + 1][j + 1] + same[i][j]
            gained[i][j] = max(gained[i + 1][j], gained[i][j + 1], paired)
    pairs, i, j = [], 0, 0
    while i < len(before) and j < len(after):
        if same[i][j] and gained[i][j] == gained[i + 1][j + 1] + same[i][j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif gained[i][j] == gained[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _likeness(one: Spot, other: Spot, scrap: bool) -> float:
    """0 for two different words; else the more, the likelier it is the same sound.

    ``scrap``: one of them may be no more than what its window had of a word.
    """
    apart = abs(one.middle - other.middle)
    if _bare(one.text) == _bare(other.text) and apart <= SAME_WORD_MS:
        return _SAME_TEXT - apart / SAME_WORD_MS
    shared = min(one.end_ms, other.end_ms) - max(one.start_ms, other.start_ms)
    shorter = min(one.end_ms - one.start_ms, other.end_ms - other.start_ms)
    return _SAME_SOUND - apart / (2 * SAME_WORD_MS + apart) if shared > (0 if scrap else shorter / 2) else 0.0


def _bare(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum()) or text


def _spots(window: Window, utterances: Iterable[Utterance]) -> list[Spot]:
    """All words in recording time; one without a time of its own stands where the word before it ends."""
    spots: list[Spot] = []
    for utterance in utterances:
        at = utterance.start_ms
        for word in utterance.words:
            start, end = (at, at) if word.start_ms is None or word.end_ms is None else (word.start_ms, word.end_ms)
            sure = word.confidence is None or word.confidence >= UNHEARD
            spots.append(Spot(word.text, window.start_ms + start, window.start_ms + end, sure))
            at = end
    return spots


def _cut(utterances: Iterable[Utterance], first: int, last: int | None) -> tuple[Utterance, ...]:
    """The utterances with their words ``first``..``last`` only; none where all its words are gone."""
    kept, at = [], 0
    for utterance in utterances:
        count = len(utterance.words)
        words = utterance.words[max(0, first - at) : None if last is None else max(0, last - at)]
        at += count
        if len(words) == count:
            kept.append(utterance)
        elif words:
            start = words[0].start_ms if words[0].start_ms is not None else utterance.start_ms
            end = words[-1].end_ms if words[-1].end_ms is not None else utterance.end_ms
            text = " ".join(word.text for word in words)
            kept.append(replace(utterance, start_ms=start, end_ms=max(start, end), text=text, words=words))
    return tuple(kept)
