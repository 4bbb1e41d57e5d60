"""WebVTT as browsers, archives' players and validators all take it: one NOTE, numbered cues, no settings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from speechpipe.formats.captions.breaks import is_number
from speechpipe.formats.captions.cues import Cue, cues
from speechpipe.formats.provenance import note
from speechpipe.settings.captions import Captions
from speechpipe.transcript_data import TranscriptData

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def write(transcript: TranscriptData, captions: Captions) -> bytes:
    return document(
        note(transcript, captions.header),
        (block(cue, [escape(text) for text in cue.line_texts]) for cue in cues(transcript, captions)),
    )


def document(note: Iterable[str], blocks: Iterable[str]) -> bytes:
    """A WebVTT file of one NOTE and these cues."""
    told = "\n".join(re.sub("--+>", "->", line) for line in note)
    return ("\n\n".join(["WEBVTT", *([f"NOTE\n{told}"] if told else []), *blocks]) + "\n").encode()


def block(cue: Cue, lines: list[str]) -> str:
    """The cue with these lines of escaped or marked-up text."""
    text = "\n".join(lines)
    lane = cue.lane
    if lane is not None and (name := lane.name):
        text = f"<v {escape(name)}>{text}</v>"
    # A line of digits only is taken for a cue's number by some players.
    if is_number(text) or "\n" in text:
        text = "\n".join(f"<c>{line}</c>" if is_number(line) else line for line in text.split("\n"))
    return f"{cue.number}\n{timestamp(cue.start_ms)} --> {timestamp(cue.end_ms)}\n{text}"


def escape(text: str) -> str:
    return text.translate(_ESCAPES)


def timestamp(milliseconds: int) -> str:
    """``HH:MM:SS.mmm``, with more digits for hours where needed."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_clock(seconds)}.{rest:03d}"


@lru_cache  # words follow each other closely
def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
