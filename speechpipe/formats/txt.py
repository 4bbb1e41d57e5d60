"""Plain text: one line a turn, no times, and at the end where it comes from and who has (not) read it."""

from __future__ import annotations

from speechpipe.formats.provenance import STEPS, findings, rights, statement, told
from speechpipe.formats.text import clean
from speechpipe.formats.turns import Turn, turns
from speechpipe.settings import Captions
from speechpipe.transcript import Transcript


def write(transcript: Transcript, captions: Captions) -> bytes:
    said = [_line(turn) for turn in turns(transcript)]
    closing = findings(transcript)
    if captions.header:
        closing += [statement(transcript)]
        closing += [clean(f"{STEPS[step.what]}: {told(step)}") for step in transcript.steps if step.what in STEPS]
        closing += [f"{name}: {text}" for name, text in rights(transcript)]
    bracketed = [f"[{sentence}]" for sentence in closing]
    return "\n".join([*said, *([""] if said and bracketed else []), *bracketed, ""]).encode()


def _line(turn: Turn) -> str:
    return f"{turn.lane.name}: {turn.text}" if turn.lane.name else turn.text
