"""What a person changed in a transcript, word by word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from speechpipe.formats.captions.cues import words_of
from speechpipe.formats.comparing.changes import changes, matches
from speechpipe.formats.turns import in_order, lane_of
from speechpipe.transcript_data import Segment, TranscriptData, Word

#: Words around a change that show where it stands.
CONTEXT = 4


@dataclass(frozen=True, slots=True)
class Edit:
    """A change: where, in whose words, what stood around it, what was there and what is there now."""

    start_ms: int | None
    lane: str | None
    before: str
    old: str
    new: str
    after: str


@dataclass(frozen=True, slots=True)
class Difference:
    """``removed``, ``added``: words; one replaced counts in both. ``moved``: words of which only the time changed."""

    edits: tuple[Edit, ...]
    old_words: int
    new_words: int
    removed: int
    added: int
    moved: int

    @property
    def summary(self) -> str:
        if not self.edits and not self.moved:
            return f"No word was changed ({self.old_words} words)."
        moved = f" The time of {self.moved} was changed." if self.moved else ""
        places = f"{len(self.edits)} place{'' if len(self.edits) == 1 else 's'}"
        return f"{self.removed} of {self.old_words} words removed, {self.added} added, at {places}.{moved}"


def difference(old: TranscriptData, new: TranscriptData) -> Difference:
    before, after = _flat(old), _flat(new)
    old_texts, new_texts = [word.text for word, _ in before], [word.text for word, _ in after]
    found = changes(old_texts, new_texts)
    pairs = matches(old_texts, new_texts)
    moved = sum(_start(before[i][0]) is not None and _moved(before[i][0], after[j][0]) for i, j in pairs)
    return Difference(
        tuple(_edit(before, after, *change) for change in found),
        len(before),
        len(after),
        sum(change.b - change.a for change in found),
        sum(change.d - change.c for change in found),
        moved,
    )


Flat = Sequence[tuple[Word, Segment]]


def _flat(transcript: TranscriptData) -> list[tuple[Word, Segment]]:
    return [(word, segment) for segment in in_order(transcript.segments) for word in words_of(segment)]


def _start(word: Word) -> int | None:
    return word.start_ms


def _moved(old: Word, new: Word) -> bool:
    return new.start_ms is not None and (old.start_ms, old.end_ms) != (new.start_ms, new.end_ms)


def _edit(old: Flat, new: Flat, a: int, b: int, c: int, d: int) -> Edit:
    around = old if a < b else new
    at = a if a < b else c
    word, segment = around[at]
    return Edit(
        word.start_ms if word.start_ms is not None else segment.start_ms,
        lane_of(segment).name,
        _text(new[max(0, c - CONTEXT) : c]),
        _text(old[a:b]),
        _text(new[c:d]),
        _text(new[d : d + CONTEXT]),
    )


def _text(words: Flat) -> str:
    return " ".join(word.text for word, _ in words)
