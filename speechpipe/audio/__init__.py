"""Recordings of any format and length become 16 kHz mono PCM on disk, one file a lane, in flat memory."""

from __future__ import annotations

from speechpipe.audio.arrays import write_array, write_wav
from speechpipe.audio.decode import decode
from speechpipe.audio.pcm import RATE, Channel, Decoded, Lane, Pcm
from speechpipe.audio.reader.inspection import Inspection
from speechpipe.audio.reader.isolated import inspect, probe

__all__ = [
    "RATE",
    "Channel",
    "Decoded",
    "Inspection",
    "Lane",
    "Pcm",
    "decode",
    "inspect",
    "probe",
    "write_array",
    "write_wav",
]
