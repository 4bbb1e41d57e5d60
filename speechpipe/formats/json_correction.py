"""A JSON that a person corrected: its words follow its text, and times that they gave are theirs."""

from __future__ import annotations

from dataclasses import replace

from speechpipe.formats.text import clean
from speechpipe.formats.word_times import Known
from speechpipe.transcript import Segment, Transcript, Word


def settled(transcript: Transcript) -> Transcript:
    """Segments whose text a person changed beside their words: the words follow the text. Itself where none is."""
    changed = {
        index: replace(segment, words=_within(segment))
        for index, segment in enumerate(transcript.segments)
        if segment.words and " ".join(w.text for w in segment.words) != segment.text and clean(segment.text)
    }
    if not any(changed[index].words != transcript.segments[index].words for index in changed):
        return transcript
    return replace(
        transcript, segments=tuple(changed.get(index, segment) for index, segment in enumerate(transcript.segments))
    )


def with_human_times(original: Transcript, read: Transcript) -> Transcript:
    """``read``, the same transcript as JSON: words with times that the original does not have get human ones."""
    spans = {(s.channel, word.start_ms, word.end_ms) for s in original.segments for word in s.words}

    def judged(segment: Segment, word: Word) -> Word:
        given = word.start_ms is not None and word.timing != "interpolated"
        moved = given and (segment.channel, word.start_ms, word.end_ms) not in spans
        return replace(word, timing="human") if moved else word

    return replace(
        read,
        segments=tuple(
            replace(segment, words=tuple(judged(segment, word) for word in segment.words)) for segment in read.segments
        ),
    )


def _within(segment: Segment) -> tuple[Word, ...]:
    """The words of a segment's text, with the times of its words where these are the same or replaced."""
    return Known({}).words(replace(segment, words=()), segment.words, 0, False)
