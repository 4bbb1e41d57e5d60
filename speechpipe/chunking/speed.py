"""Whether a recording may play at twice or at half its speed, as tapes do that were digitised on the wrong setting.

Two things that people have in common are measured in their speech. Pitch: the strongest peak of the autocorrelation,
divided by that of the window (Boersma 1993). Pace: the centre of the modulation spectrum, which lies near the same
rate of syllables in all languages (Ding et al. 2017, "Temporal modulations in speech and music"). Each differs from
speaker to speaker by more than a doubled speed makes out; the two together, pace weighed twice, hardly do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from speechpipe.audio import RATE, Pcm
from speechpipe.chunking.windows import Window

Spectrum = NDArray[np.float64]

#: Below this much speech nothing is said.
LEAST_S = 18
_MOST_S = 64
_PIECE = 8 * RATE  # what is measured at a time
#: Scores (log2 of pace, plus half of log2 of pitch) outside of what the collection of speech has at its own speed.
TWICE, HALF = 5.68, 4.42

_FRAME, _HOP = 1_024, 512
_LAGS = np.arange(RATE // 800, RATE // 40 + 1)  # of pitches from 800 down to 40 Hz
_OCTAVE_COST = 0.02
_VOICED = 0.6
_LEAST_VOICED = 0.5  # of the frames that are not faint
_MOST_RANGE, _LEAST_RANGE = 5.0, 1.25  # between low and high pitches: more are several voices, less is a hum

_STEPS = 100  # of an envelope, a second
_SEGMENT = 4 * _STEPS
_BANDS = np.geomspace(150, 7_000, 10)  # Hz
_PACES = (1.0, 20.0)  # Hz


@dataclass(frozen=True, slots=True)
class Voice:
    """``pitch_hz``: the median. ``pace_hz``: the centre of the modulation spectrum, for human speech 2 to 4 Hz."""

    pitch_hz: float
    pace_hz: float

    @property
    def score(self) -> float:
        return float(np.log2(self.pace_hz) + 0.5 * np.log2(self.pitch_hz))

    @property
    def warning(self) -> str | None:
        """None where the speed is that of people, or may be."""
        factor = "twice" if self.score > TWICE else "half" if self.score < HALF else None
        if factor is None:
            return None
        found = f"voices at {self.pitch_hz:.0f} Hz, syllables paced at {self.pace_hz:.1f} Hz"
        return f"The recording may play at {factor} its speed ({found})"


def measure_voice(pcm: Pcm, windows: Sequence[Window]) -> Voice | None:
    """Pitch and pace of a minute of speech, spread over ``windows``; None for too little of it, or unclear."""
    if sum(window.end_ms - window.start_ms for window in windows) < LEAST_S * 1000:
        return None
    pitches: list[NDArray[np.float64]] = []
    frames, modulation, segments = 0, np.zeros(_SEGMENT // 2 + 1), 0
    for sound in islice(_pieces(pcm, windows), _MOST_S * RATE // _PIECE):
        found, tried = _pitches(sound)
        pitches.append(found)
        frames += tried
        for spectrum in _modulations(sound):
            modulation += spectrum
            segments += 1
    pitch = np.concatenate(pitches)
    if not segments or len(pitch) < max(1, _LEAST_VOICED * frames):
        return None
    low, middle, high = np.percentile(pitch, [10, 50, 90])
    if not _LEAST_RANGE <= high / low <= _MOST_RANGE:
        return None
    return Voice(float(middle), _centre(modulation))


def _pieces(pcm: Pcm, windows: Sequence[Window]) -> Iterator[NDArray[np.float32]]:
    """The sound of windows spread over the recording, one after the other, eight seconds at a time."""
    spoken_ms = sum(window.end_ms - window.start_ms for window in windows)
    held = np.zeros(0, np.float32)
    for window in windows[:: max(1, spoken_ms // (_MOST_S * 1000))]:
        held = np.concatenate([held, pcm.read(window.start_ms, window.end_ms)])
        while len(held) >= _PIECE:
            yield held[:_PIECE]
            held = held[_PIECE:]


def _pitches(sound: NDArray[np.float32]) -> tuple[NDArray[np.float64], int]:
    """Pitches in Hz of the frames that have one, and how many frames are not faint."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, _FRAME)[::_HOP].astype(np.float64)
    frames = frames - frames.mean(axis=1, keepdims=True)
    levels = np.sqrt(np.mean(np.square(frames), axis=1))
    frames = frames[levels > 0.1 * np.percentile(levels, 95)]
    if not len(frames):
        return np.zeros(0), 0
    window = np.hanning(_FRAME)
    alone = np.fft.irfft(np.square(np.abs(np.fft.rfft(window, 2 * _FRAME))))[_LAGS]
    power = np.square(np.abs(np.fft.rfft(frames * window, 2 * _FRAME, axis=1)))
    power[:, np.fft.rfftfreq(2 * _FRAME, 1 / RATE) > 1_800] = 0
    all_lags = np.fft.irfft(power, axis=1)
    total = np.maximum(all_lags[:, :1], 1e-12)
    strength = all_lags[:, _LAGS] / total / (alone / np.square(window).sum())
    costly = strength - _OCTAVE_COST * np.log2(_LAGS / _LAGS[0])
    peak = (costly[:, 1:-1] >= costly[:, :-2]) & (costly[:, 1:-1] >= costly[:, 2:])
    best = 1 + np.where(peak, costly[:, 1:-1], -1).argmax(axis=1)
    voiced = np.take_along_axis(strength, best[:, None], axis=1)[:, 0] > _VOICED
    return RATE / _LAGS[best[voiced]], len(frames)


def _modulations(sound: NDArray[np.float32]) -> Iterator[Spectrum]:
    """Power of the envelopes' changes, mean of nine bands, one spectrum each four seconds."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, 320)[:: RATE // _STEPS]
    spectra = np.square(np.abs(np.fft.rfft(frames * np.hanning(320), 512, axis=1)))
    edges = np.searchsorted(np.fft.rfftfreq(512, 1 / RATE), _BANDS)
    envelopes = np.stack([spectra[:, a:b].mean(axis=1) ** 0.25 for a, b in pairwise(edges)], axis=1)
    for start in range(0, len(envelopes) - _SEGMENT + 1, _SEGMENT // 2):
        segment = envelopes[start : start + _SEGMENT]
        segment = segment / np.maximum(segment.mean(axis=0), 1e-9) - 1
        changes = np.fft.rfft(segment * np.hanning(_SEGMENT)[:, None], axis=0)
        yield np.square(np.abs(changes)).mean(axis=1)


def _centre(modulation: Spectrum) -> float:
    paces = np.fft.rfftfreq(_SEGMENT, 1 / _STEPS)
    inside = (paces >= _PACES[0]) & (paces <= _PACES[1])
    return float(2 ** np.average(np.log2(paces[inside]), weights=modulation[inside]))
