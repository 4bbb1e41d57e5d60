"""Mains hum: how loud it is under everything else, at 50 or 60 Hz and their multiples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechpipe.audio.pcm import RATE, Pcm

_BLOCK = 16_384  # samples, so that bins are 0.98 Hz apart
_HERTZ = RATE / _BLOCK
_FEWEST = 8  # blocks
_ORDERS = 10
_NEAR, _AROUND = 2, 12  # bins to each side: of a harmonic, for tapes run a little off; and of what lies beside it
_QUIET = 20  # percentile of blocks: what is always there
_ABOVE = 10.0  # times what lies beside it, to be a hum
_LEAST_HARMONICS = 2
_LOW_ORDERS = {1, 2}  # one of these belongs to every hum


@dataclass(frozen=True, slots=True)
class Hum:
    """``hertz``: 50 or 60; ``dbfs``: of all its harmonics up to the tenth together, full scale a square wave."""

    hertz: int
    dbfs: float


def measure_hum(pcm: Pcm) -> Hum | None:
    """Power that stands out at multiples of 50 or 60 Hz in four of five seconds; None where fewer than two of them do,
    or for less than eight seconds."""
    window = np.hanning(_BLOCK)
    scale = 2 / (np.square(window).sum() * _BLOCK)  # power of a sine in its bins, summed
    top = round((_ORDERS * 60 + 2 * _AROUND) / _HERTZ)
    spectra = [  # a quarter of a megabyte a minute, of seven minutes at most
        np.square(np.abs(np.fft.rfft(block * window)[:top])) * scale
        for block in pcm.blocks(_BLOCK)
        if len(block) == _BLOCK
    ]
    if len(spectra) < _FEWEST:
        return None
    power = np.percentile(spectra, _QUIET, axis=0)
    found = [(level, hertz) for hertz in (50, 60) if (level := _level(power, hertz)) is not None]
    if not found:
        return None
    level, hertz = max(found)
    return Hum(hertz, round(10 * float(np.log10(level)), 1))


def _level(power: NDArray[np.float64], hertz: int) -> float | None:
    """What the harmonics of ``hertz`` have above their surroundings, those that stand out."""
    levels: dict[int, float] = {}
    for order in range(1, _ORDERS + 1):
        at = round(order * hertz / _HERTZ)
        peak = power[at - _NEAR : at + _NEAR + 1]
        beside = np.concatenate([power[at - _AROUND : at - 2 * _NEAR], power[at + 2 * _NEAR + 1 : at + _AROUND + 1]])
        floor = float(np.median(beside))
        if peak.max() > _ABOVE * max(floor, 1e-14):
            levels[order] = float(peak.sum()) - floor * len(peak)
    return sum(levels.values()) if len(levels) >= _LEAST_HARMONICS and _LOW_ORDERS & levels.keys() else None
