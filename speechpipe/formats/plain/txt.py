"""Plain text: one line a turn, no times, and at the end where it comes from and who has (not) read it."""

from __future__ import annotations

from speechpipe.formats.provenance import note
from speechpipe.formats.turns import Turn, turns
from speechpipe.settings.captions import Captions
from speechpipe.transcript_data import TranscriptData


def write(transcript: TranscriptData, captions: Captions) -> bytes:
    said = [_line(turn) for turn in turns(transcript)]
    told = [f"[{line}]" for line in note(transcript, captions.header)]
    return "\n".join([*said, *([""] if said and told else []), *told, ""]).encode()


def _line(turn: Turn) -> str:
    return f"{turn.lane.name}: {turn.text}" if turn.lane.name else turn.text
