"""The times of the words that a person left in a caption.

Words that stayed keep time and confidence; those that replaced others share the time of these and say so
(``interpolated``); an added one has no time. Only a time that no word of the original has was given by the person
(``human``). What lies outside of its caption has no time, unless the person gave it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from speechpipe.formats.captions.cues import Cue, shares, words_of
from speechpipe.formats.comparing.changes import matches
from speechpipe.formats.text import visible_length
from speechpipe.transcript_data import Segment, Word


@dataclass(frozen=True, slots=True)
class Known:
    """The original's words by their start (ms)."""

    by_start: Mapping[int, Sequence[Word]]

    @classmethod
    def of(cls, old: Sequence[Cue]) -> Known:
        found: dict[int, list[Word]] = {}
        for cue in old:
            for word in cue.words:
                if word.start_ms is not None:
                    found.setdefault(word.start_ms, []).append(word)
        return cls(found)

    def words(self, segment: Segment, heard: Sequence[Word], shift: int, exact_ends: bool) -> tuple[Word, ...]:
        """The words of a person's caption.

        Args:
            heard: those of the original that it may hold. shift: by how many ms they were moved with it.
            exact_ends: the file has the ends of words, not only their starts.
        """
        old, new = heard, [_Given(segment, word, exact_ends, self) for word in words_of(segment)]
        stayed = matches([word.text for word in old], [one.word.text for one in new])
        found: list[Word] = []
        for (a, c), (b, d) in pairwise([(-1, -1), *stayed, (len(old), len(new))]):
            found += _replacing([_shifted(word, shift) for word in old[a + 1 : b]], new[c + 1 : d])
            if d < len(new):
                found.append(new[d].kept(old[b], shift))
        return tuple(_inside(word, segment, one) for word, one in zip(found, new, strict=True))

    def same_times(self, old: Sequence[Word], segment: Segment, exact_ends: bool) -> bool:
        """Whether the file gives the words of a caption, where it gives them any, the times that they had."""
        given = (_Given(segment, word, exact_ends, self) for word in segment.words)
        return all(one.at(word) for one, word in zip(given, old, strict=False))


@dataclass(frozen=True, slots=True)
class _Given:
    """A word of the corrected file."""

    segment: Segment
    word: Word
    exact_ends: bool
    known: Known

    def at(self, old: Word) -> bool:
        """Whether the file gives no other time than the old one."""
        start, end = self.word.start_ms, self.word.end_ms
        if start is None or start == old.start_ms:
            return not (self.exact_ends and start is not None) or end == old.end_ms
        # A file with stamps only says nothing of a word that begins with its cue.
        return not self.exact_ends and start == self.segment.start_ms

    def kept(self, old: Word, shift: int) -> Word:
        """The old word, moved with its caption, or with the time that the person gave it."""
        moved = _shifted(old, shift)
        if self.is_silent or not (self.at(old) or self.at(moved) or self.is_new):
            return moved  # nothing is said of it, or the time of another word, whose place it took
        if self.at(old):
            return old
        return moved if self.at(moved) else replace(self.word, confidence=old.confidence, timing="human")

    @property
    def is_silent(self) -> bool:
        """Whether the file says nothing of its time."""
        start = self.word.start_ms
        return start is None or (not self.exact_ends and start == self.segment.start_ms)

    @property
    def is_new(self) -> bool:
        """Whether the file gives it a time that no word of the original has."""
        return not self.is_silent and not any(map(self.at, self.known.by_start.get(self.word.start_ms or 0, ())))


def _replacing(old: Sequence[Word], new: Sequence[_Given]) -> Iterator[Word]:
    """Words in the place of others: with the times that the file gives, or spread over the time of those."""
    timed = [(word.start_ms, word.end_ms) for word in old if word.start_ms is not None and word.end_ms is not None]
    if all(one.is_silent for one in new) and new and timed:
        weights = [visible_length(one.word.text) or 1 for one in new]
        spans = shares(min(timed)[0], max(end for _, end in timed), weights)
        yield from (Word(one.word.text, *span, None, "interpolated") for one, span in zip(new, spans, strict=True))
        return
    for one in new:
        there = next((word for word in old if not one.is_silent and one.at(word)), None)
        if one.is_new:
            yield replace(one.word, confidence=None, timing="human")
        elif there is not None:
            yield Word(one.word.text, there.start_ms, there.end_ms, None, "interpolated")
        else:
            yield Word(one.word.text)


def _shifted(word: Word, shift: int) -> Word:
    """The word of a caption that a person moved moves with it."""
    if not shift or word.start_ms is None or word.end_ms is None:
        return word
    start = max(0, word.start_ms + shift)
    return replace(word, start_ms=start, end_ms=max(start, word.end_ms + shift), timing="human")


def _inside(word: Word, segment: Segment, given: _Given) -> Word:
    if word.start_ms is None or given.is_new or segment.start_ms <= word.start_ms <= segment.end_ms:
        return word
    return Word(word.text)
