"""SubRip: numbered cues with times and text. It has no comments, so cues behind the last one say what the text is."""

from __future__ import annotations

import re

from speechpipe.formats.captions import breaks
from speechpipe.formats.captions.cues import cues
from speechpipe.formats.captions.vtt import timestamp
from speechpipe.formats.provenance import note, statement
from speechpipe.formats.text import visible_length
from speechpipe.settings.captions import Captions
from speechpipe.transcript_data import TranscriptData, Word

#: How long each cue of provenance lasts.
CREDIT_MS = 3_000
_CREDIT_LINE = 42
#: Players take this for the beginning of a tag, which they leave out: ``<i>``, ``<12>``, ``{\\an8}``.
_TAG = re.compile(r"[<{](?=\S)")
_Shown = tuple[int, int, str]


def write(transcript: TranscriptData, captions: Captions) -> bytes:
    shown = [(cue.start_ms, cue.end_ms, "\n".join(cue.line_texts)) for cue in cues(transcript, captions)]
    shown += _credits(transcript, captions.header, shown)
    blocks = [
        f"{number}\n{_stamp(start)} --> {_stamp(end)}\n{_apart(text)}\n"
        for number, (start, end, text) in enumerate(shown, 1)
    ]
    return "\n".join(blocks or [""]).encode()


def _credits(transcript: TranscriptData, header: bool, shown: list[_Shown]) -> list[_Shown]:
    """A cue for each line of provenance. The first, that nobody has read the text, is behind all other cues or, where
    there is no room, at the end of the recording; the rest behind that, where players show nothing more."""
    told = sorted(note(transcript, header), key=lambda line: line != statement(transcript))
    start = max((end for _, end, _ in shown), default=0)
    duration = transcript.media.duration_ms
    if duration is not None:
        start = min(start, max(0, duration - CREDIT_MS))
    start = max([start, *(begins + 1 for begins, _, _ in shown)])
    rest = max(start + CREDIT_MS, duration or 0)
    starts = [start, *(rest + place * CREDIT_MS for place in range(len(told) - 1))]
    return [(at, at + CREDIT_MS, _lines(f"[{line}]")) for at, line in zip(starts, told, strict=False)]


def _lines(text: str) -> str:
    words = [Word(word) for word in _apart(text).split()]
    lengths = [visible_length(word.text) for word in words]
    narrow = Captions.model_validate({"max_line_chars": _CREDIT_LINE})
    lines = breaks.cut_lines(words, lengths, [0.0] * len(words), narrow)
    return "\n".join(" ".join(word.text for word in line) for line in lines)


def _apart(text: str) -> str:
    return _TAG.sub(r"\g<0> ", text)


def _stamp(milliseconds: int) -> str:
    return timestamp(milliseconds).replace(".", ",")
