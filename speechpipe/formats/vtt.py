"""WebVTT as browsers, archives' players and validators all take it: one NOTE, numbered cues, no settings."""

from __future__ import annotations

import re

from speechpipe.formats.breaks import is_number
from speechpipe.formats.captions import Cue, cues
from speechpipe.formats.provenance import provenance
from speechpipe.settings import Captions
from speechpipe.transcript import Transcript

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def write(transcript: Transcript, captions: Captions) -> bytes:
    note = "\n".join(re.sub("--+>", "->", line) for line in provenance(transcript))
    blocks = ["WEBVTT", f"NOTE\n{note}", *map(_block, cues(transcript, captions))]
    return ("\n\n".join(blocks) + "\n").encode()


def _block(cue: Cue) -> str:
    text = "\n".join(map(escape, cue.line_texts))
    if cue.lane is not None and cue.lane.name:
        text = f"<v {escape(cue.lane.name)}>{text}</v>"
    # A line of digits only is taken for a cue's number by some players.
    lines = [f"<c>{line}</c>" if is_number(line) else line for line in text.split("\n")]
    return "\n".join([str(cue.number), f"{timestamp(cue.start_ms)} --> {timestamp(cue.end_ms)}", *lines])


def escape(text: str) -> str:
    return text.translate(_ESCAPES)


def timestamp(milliseconds: int) -> str:
    """``HH:MM:SS.mmm``, with more digits for hours where needed."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"
