"""A table with a line a word, for spreadsheets and scripts; what is not known is empty."""

from __future__ import annotations

from speechpipe.formats.captions.cues import words_of
from speechpipe.formats.provenance import note
from speechpipe.formats.text import clean
from speechpipe.formats.turns import in_order
from speechpipe.settings.captions import Captions
from speechpipe.transcript_data import Segment, TranscriptData, Word

COLUMNS = ("start_ms", "end_ms", "word", "confidence", "timing", "segment", "channel", "speaker", "language", "flags")


def write(transcript: TranscriptData, captions: Captions) -> bytes:
    told = [f"# {line}" for line in note(transcript, captions.header)]
    rows = [line for segment in in_order(transcript.segments) for line in _rows(segment)]
    return "\n".join([*told, "\t".join(COLUMNS), *rows, ""]).encode()


def _rows(segment: Segment) -> list[str]:
    of_segment = "\t".join(
        _text(value)
        for value in (segment.id, segment.channel, segment.speaker, segment.language, " ".join(segment.flags))
    )
    return [f"{_word(word)}\t{of_segment}" for word in words_of(segment)]


def _word(word: Word) -> str:
    confidence = "" if word.confidence is None else f"{word.confidence:.4f}".rstrip("0").rstrip(".")
    start, end = ("", "") if word.start_ms is None else (word.start_ms, word.end_ms)
    return f"{start}\t{end}\t{word.text}\t{confidence}\t{word.timing or ''}"


def _text(value: object) -> str:
    return "" if value is None else clean(str(value))
