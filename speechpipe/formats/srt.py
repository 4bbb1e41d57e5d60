"""SubRip: numbered cues with times and text. It has no comments, so the last cue says what the text is."""

from __future__ import annotations

import re

from speechpipe.formats import breaks
from speechpipe.formats.captions import cues
from speechpipe.formats.provenance import statement
from speechpipe.formats.text import visible_length
from speechpipe.formats.vtt import timestamp
from speechpipe.settings import Captions
from speechpipe.transcript import Transcript, Word

_CREDIT_MS = 3_000
_CREDIT_LINE = 42
#: Players take this for the beginning of a tag.
_TAG = re.compile(r"<(?=[A-Za-z/])")


def write(transcript: Transcript, captions: Captions) -> bytes:
    made = cues(transcript, captions)
    shown = [(cue.start_ms, cue.end_ms, "\n".join(cue.line_texts)) for cue in made]
    if captions.header:
        shown.append(_credit(transcript, shown))
    blocks = [
        f"{number}\n{_stamp(start)} --> {_stamp(end)}\n{_TAG.sub('< ', text)}\n"
        for number, (start, end, text) in enumerate(shown, 1)
    ]
    return "\n".join(blocks or [""]).encode()


def credit(transcript: Transcript) -> str:
    """What the text is and what made it, for the last cue."""
    models = [step.model for step in transcript.steps if step.what == "transcribe" and step.model]
    told = " ".join([statement(transcript), *(f"Model: {model}." for model in models)])
    access = transcript.rights.access
    return f"[{told} Access: {access}.]" if access else f"[{told}]"


def _credit(transcript: Transcript, shown: list[tuple[int, int, str]]) -> tuple[int, int, str]:
    """After all other cues, or where the recording leaves no room, at its end."""
    words = [Word(text) for text in _TAG.sub("< ", credit(transcript)).split()]
    lengths = [visible_length(word.text) for word in words]
    narrow = Captions.model_validate({"max_line_chars": _CREDIT_LINE})
    lines = breaks.cut_lines(words, lengths, [0.0] * len(words), narrow)
    last_start, last_end = max(((start, end) for start, end, _ in shown), default=(-1, 0))
    duration = transcript.media.duration_ms
    start = max((end for _, end, _ in shown), default=last_end)
    if duration is not None:
        start = min(start, max(0, duration - _CREDIT_MS))
    start = max(start, last_start + 1)
    return start, start + _CREDIT_MS, "\n".join(" ".join(word.text for word in line) for line in lines)


def _stamp(milliseconds: int) -> str:
    return timestamp(milliseconds).replace(".", ",")
