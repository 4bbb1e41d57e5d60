"""Recordings of any format and length become 16 kHz mono PCM on disk, one file a lane, in flat memory."""

from __future__ import annotations

from speechpipe.audio.arrays import write_array
from speechpipe.audio.decode import decode
from speechpipe.audio.media import probe
from speechpipe.audio.pcm import RATE, Decoded, Lane, Pcm

__all__ = ["RATE", "Decoded", "Lane", "Pcm", "decode", "probe", "write_array"]
