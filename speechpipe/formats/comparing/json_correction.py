"""A JSON that a person corrected: its text and its words agree again, and times that they gave are theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from speechpipe.errors import UsageError
from speechpipe.formats.captions.vtt import timestamp
from speechpipe.formats.comparing.merging import merged
from speechpipe.formats.comparing.word_times import Known
from speechpipe.formats.json import line_of_segment
from speechpipe.formats.text import clean, tokens
from speechpipe.formats.turns import lane_of
from speechpipe.transcript_data import Segment, TranscriptData, Word


def settled(
    transcript: TranscriptData, original: TranscriptData | None = None, content: bytes | None = None
) -> TranscriptData:
    """Segments of which a person changed the text, or the words, or other places of both: both have all changes.
    Itself where they agree.

    Args:
        original: tells which of the two was changed. content: the file, to name the line.

    Raises:
        UsageError: a segment's text and its words differ, and it is not known which was changed, or both were alike.
    """
    before = _Before(original) if original is not None else None
    found = list(transcript.segments)
    for index, segment in enumerate(found):
        if not segment.words or _said(segment.words) == clean(segment.text):
            continue
        text = _agreed(segment, before.text(segment) if before else None)
        if text is None:
            where = f"line {line_of_segment(content, index)}" if content is not None else f"segment {segment.id}"
            raise UsageError(
                f"In {where} the text of the segment at {timestamp(segment.start_ms)} and its words differ, and it "
                "cannot be told which of them holds.",
                cure="Make them say the same, or give what was corrected with --original.",
            )
        words = segment.words if text == _said(segment.words) else _within(replace(segment, text=text))
        found[index] = replace(segment, text=text, words=words)
    return transcript if found == list(transcript.segments) else replace(transcript, segments=tuple(found))


def with_human_times(original: TranscriptData, read: TranscriptData) -> TranscriptData:
    """``read``, the same transcript as JSON: words with times that the original does not have get human ones; a word in
    the place of another is not as sure as that was."""
    known = {(clean(word.text), word.start_ms, word.end_ms) for word in original.words}
    spans = {(start, end) for _, start, end in known}

    def judged(word: Word) -> Word:
        if word.start_ms is None or (clean(word.text), word.start_ms, word.end_ms) in known:
            return word
        if (word.start_ms, word.end_ms) in spans:
            return replace(word, confidence=None, timing="interpolated")
        return word if word.timing == "interpolated" else replace(word, timing="human")

    return replace(
        read, segments=tuple(replace(segment, words=tuple(map(judged, segment.words))) for segment in read.segments)
    )


class _Before:
    """What was said in a segment before a person corrected it."""

    def __init__(self, original: TranscriptData) -> None:
        self._segments = original.segments
        self._own = {(one.start_ms, one.end_ms, lane_of(one)): one for one in original.segments}

    def text(self, segment: Segment) -> str:
        if own := self._own.get((segment.start_ms, segment.end_ms, lane_of(segment))):
            return clean(own.text)
        inside = range(segment.start_ms, segment.end_ms)
        lane = lane_of(segment)
        return " ".join(clean(one.text) for one in self._segments if one.start_ms in inside and lane_of(one) == lane)


def _agreed(segment: Segment, before: str | None) -> str | None:
    """The text with the changes of both; None where they contradict, or nothing tells what was there before."""
    if before is None:
        return None
    sides = {"text": tokens(segment.text), "words": tokens(_said(segment.words))}
    picks, contradictions = merged(tokens(before), sides)
    return None if contradictions else " ".join(sides[side][i] if side else tokens(before)[i] for side, i in picks)


def _said(words: Sequence[Word]) -> str:
    return " ".join(text for word in words if (text := clean(word.text)))


def _within(segment: Segment) -> tuple[Word, ...]:
    """The words of a segment's text, with the times of its words where these are the same or replaced."""
    return Known({}).words(replace(segment, words=()), segment.words, 0, False)
