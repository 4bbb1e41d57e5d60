"""Plain text: one line a turn, no times, and at the end who has (not) read it."""

from __future__ import annotations

from speechpipe.formats.provenance import findings, statement
from speechpipe.formats.turns import Turn, turns
from speechpipe.settings import Captions
from speechpipe.transcript import Transcript


def write(transcript: Transcript, _captions: Captions) -> bytes:
    said = [_line(turn) for turn in turns(transcript)]
    closing = [f"[{sentence}]" for sentence in (*findings(transcript), statement(transcript))]
    return "\n".join([*said, *([""] if said else []), *closing, ""]).encode()


def _line(turn: Turn) -> str:
    return f"{turn.lane.name}: {turn.text}" if turn.lane.name else turn.text
