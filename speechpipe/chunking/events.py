"""What is heard where nobody speaks: silence, a tone, music or noise, by plain measures of the spectrum.

A stretch is looked at second by second (16,384 samples, 1.024 s). Its level tells silence, and so does that of seven
eighths of it. For the rest, seven overlapping Hann frames (4,096 samples, bins of 3.9 Hz) are taken from 40 Hz up. A
tone has nearly all its power in one peak or two, or, as mains hum, in multiples of 50 or 60 Hz, and that power is
steady: the geometric mean over the frames comes near the arithmetic one, as it does not for noise of any colour. A tape
that runs unevenly moves a peak within its band, so that of one peak it is the band's power that has to be steady. Music
has much of its power in narrow peaks, ten times above the median of the 125 Hz around them once the spectrum is tilted
as pink noise is. Applause or a choir in a large hall count as noise, a motor with a clear note as music: these measures
cannot tell more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speechpipe.audio import RATE, Pcm
from speechpipe.chunking.activity import FRAME_MS, FRAME_SAMPLES
from speechpipe.chunking.windows import Window
from speechpipe.transcript_data import Event, EventKind

MIN_EVENT_MS = 1_000
SILENCE_DBFS = -60.0

_BLOCK = 16_384
_PARTS = 8
_FRAME = 4_096
_HOP = 2_048
_HERTZ = RATE / _FRAME
_LOWEST = 10  # bins below 40 Hz are rumble
_AROUND = 16  # bins of the running median to each side
_EVERY = 4
_PROMINENCE = 10.0
_TONAL = 0.5  # share of power in peaks, from which on it is music or a tone
_ONE_PEAK = 0.8  # share of power in one peak, in two or in mains harmonics, from which on it is a tone
_STEADY = 0.85  # geometric over arithmetic mean of the power of a hum's bins; noise has 0.6
_STEADY_PEAK = 0.99  # the same of the power of a whole peak; noise as narrow as that has 0.84
_PEAK = 3  # bins to each side
_SAME_TONE = 0.03  # a tone keeps its frequency
_LONG, _SAME_DB = 8, 0.55  # seconds, and dB: music has 0.65 at least, stationary noise 0.45 at most
_BANDS = np.round(np.geomspace(60, 4_000, 19) / _HERTZ).astype(np.int64)  # edges of thirds of an octave, in bins
_MURMUR = 0.25  # mean speech probability from which on tonal sound may be a voice


class _Block(NamedTuple):
    """What a block sounds like by itself. ``hertz``: of a tone; ``levels``: of what may be music, in dB a band."""

    kind: EventKind
    hertz: float = 0.0
    levels: NDArray[np.float64] | None = None


def find_events(
    pcm: Pcm, probabilities: NDArray[np.float32], windows: Sequence[Window], channel: int | None
) -> list[Event]:
    """Events of a second or more in all that ``windows`` leave out, in order, touching but not overlapping.

    Args:
        probabilities: (frames,) of ``pcm``. Where a voice may murmur, tonal sound is called noise, not music.
    """
    edges = [0, *(edge for window in windows for edge in (window.start_ms, window.end_ms)), pcm.duration_ms]
    events: list[Event] = []
    for start, end in list(pairwise(edges))[::2]:
        if end - start >= MIN_EVENT_MS:
            events.extend(_events(pcm, probabilities, start, end, channel))
    return events


def as_speech(
    probabilities: NDArray[np.float32], events: Sequence[Event], kinds: Sequence[EventKind]
) -> NDArray[np.float32]:
    """``probabilities``, certain of speech in events of these kinds, so that windows are planned over them too."""
    changed = probabilities.copy()
    for event in events:
        if event.kind in kinds:
            changed[event.start_ms // FRAME_MS : -(-event.end_ms // FRAME_MS)] = 1
    return changed


def _events(pcm: Pcm, probabilities: NDArray[np.float32], start: int, end: int, channel: int | None) -> Iterator[Event]:
    """Blocks of a kind joined; what is shorter than an event goes to its neighbour."""
    blocks = list(_blocks(start * RATE // 1000, end * RATE // 1000))
    heard = [_classify(pcm.at(a, b - a), _mean(probabilities, a, b)) for a, b in blocks]
    kinds = _changing(_smoothed(_steady(heard)), heard)
    at = 0
    for kind, group in groupby(kinds):
        first, at = at, at + len(list(group))
        begin = start if first == 0 else round(blocks[first][0] * 1000 / RATE)
        finish = end if at == len(blocks) else round(blocks[at][0] * 1000 / RATE)
        yield Event(begin, finish, kind, channel)


def _blocks(start: int, end: int) -> Iterator[tuple[int, int]]:
    """``start``..``end`` in blocks of samples; the last one takes in a remainder of less than a block."""
    count = max(1, (end - start) // _BLOCK)
    for i in range(count):
        first = start + i * _BLOCK
        yield first, end if i == count - 1 else first + _BLOCK


def _classify(sound: NDArray[np.float32], speech: float) -> _Block:
    sound = sound - sound.mean() if len(sound) else np.zeros(1, np.float32)
    if _is_silent(sound):
        return _Block("silence")
    frames = _spectra(sound)
    power = frames.mean(axis=0)
    total = power.sum()
    strongest = int(power.argmax())
    peaks_over_time = np.stack([frames[:, band].sum(axis=1) for band in _strongest(power, 2)], axis=1)
    for held in (peaks_over_time[:, :1], peaks_over_time):
        if held.mean(axis=0).sum() >= _ONE_PEAK * total and _steadiness(held) >= _STEADY_PEAK:
            return _Block("tone", strongest * _HERTZ)
    for band in _mains_bands(len(power)):
        if power[band].sum() >= _ONE_PEAK * total and _steadiness(frames[:, band]) >= _STEADY:
            return _Block("tone", strongest * _HERTZ)
    tilted = power * np.arange(len(power))
    peaks = tilted > _PROMINENCE * _running_median(tilted)
    peaks = peaks | np.roll(peaks, 1) | np.roll(peaks, -1)
    if power[peaks].sum() >= _TONAL * total and speech < _MURMUR:
        return _Block("music", levels=10 * np.log10(np.add.reduceat(power, _BANDS)[:-1]))
    return _Block("noise")


def _is_silent(sound: NDArray[np.float32]) -> bool:
    """Whether at least seven of eight parts are: the last one may hold the faint beginning of what comes then."""
    parts = sound[: len(sound) // _PARTS * _PARTS].reshape(_PARTS, -1).var(axis=1)
    return bool(np.partition(parts, -2)[-2] < 10 ** (SILENCE_DBFS / 10))


def _spectra(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """Power spectra of the block's overlapping Hann frames (frames, bins) from 0 to 8 kHz; rumble is taken out."""
    padded = np.pad(sound, (0, max(0, _FRAME - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
    spectra: NDArray[np.float64] = np.square(np.abs(np.fft.rfft(frames * _hann(), axis=1)))
    spectra[:, :_LOWEST] = 0
    return spectra + np.finfo(np.float64).tiny


def _steadiness(frames: NDArray[np.float64]) -> float:
    """How alike the power of the strong bins stays from frame to frame, 0..1; weighted by power."""
    return float(np.exp(np.log(frames).mean(axis=0)).sum() / frames.mean(axis=0).sum())


def _strongest(power: NDArray[np.float64], count: int) -> Iterator[slice]:
    """The bins of the strongest peaks, which do not overlap."""
    left = power.copy()
    for _ in range(count):
        at = int(left.argmax())
        yield slice(max(0, at - _PEAK), at + _PEAK + 1)
        left[max(0, at - 2 * _PEAK) : at + 2 * _PEAK + 1] = 0


def _running_median(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of 33 bins around each, taken anew at every fourth."""
    padded = np.pad(power, (_AROUND, _AROUND + _EVERY), mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1)[_EVERY // 2 :: _EVERY]
    middle: NDArray[np.float64] = np.partition(around, _AROUND, axis=1)[:, _AROUND]
    return np.repeat(middle, _EVERY)[: len(power)]


@cache
def _hann() -> NDArray[np.float64]:
    return np.hanning(_FRAME)


@cache
def _mains_bands(bins: int) -> tuple[NDArray[np.int64], ...]:
    """Bins within 8 Hz of the first ten multiples of 50 Hz, then of 60 Hz."""
    hertz = np.arange(bins) * _HERTZ
    found = []
    for mains in (50.0, 60.0):
        order = np.rint(hertz / mains)
        found.append(np.flatnonzero((np.abs(hertz - order * mains) <= 8) & (order >= 1) & (order <= 10)))
    return tuple(found)


def _mean(probabilities: NDArray[np.float32], start: int, end: int) -> float:
    inside = probabilities[start // FRAME_SAMPLES : -(-end // FRAME_SAMPLES)]
    return float(inside.mean()) if len(inside) else 0.0


def _steady(heard: list[_Block]) -> list[EventKind]:
    """A tone that does not keep its frequency from block to block is a melody: music."""
    kinds: list[EventKind] = []
    for i, (kind, tone, _) in enumerate(heard):
        beside = [heard[j].hertz for j in (i - 1, i + 1) if 0 <= j < len(heard) and heard[j].kind == "tone"]
        kept = [abs(other - tone) <= _SAME_TONE * max(other, tone) + _HERTZ for other in beside]
        kinds.append("music" if kind == "tone" and kept and not any(kept) else kind)
    return kinds


def _changing(kinds: list[EventKind], heard: list[_Block]) -> list[EventKind]:
    """Music changes from second to second. Where the levels of most bands do not for eight of them, it is a machine."""
    changed: list[EventKind] = []
    for kind, group in groupby(zip(kinds, heard, strict=True), lambda pair: pair[0]):
        blocks = [block for _, block in group]
        levels = [block.levels for block in blocks if block.levels is not None]
        machine = kind == "music" and len(levels) >= _LONG and float(np.median(np.std(levels, axis=0))) < _SAME_DB
        changed += ["noise" if machine else kind] * len(blocks)
    return changed


def _smoothed(kinds: list[EventKind]) -> list[EventKind]:
    """A single block between two of one other kind is of that kind, save silence. A second of music by itself, in a
    longer stretch, is none: there, one sound goes over into another."""
    smooth = list(kinds)
    for i in range(len(kinds)):
        before = smooth[i - 1] if i else None
        after = kinds[i + 1] if i + 1 < len(kinds) else None
        if before == after and before is not None and "silence" not in (before, kinds[i]):
            smooth[i] = before
        elif kinds[i] == "music" and len(kinds) > 1 and "music" not in (before, after):
            beside: list[EventKind] = [kind for kind in (before, after) if kind is not None and kind != "silence"]
            smooth[i] = beside[0] if beside else "noise"
    return smooth
