"""Which channels become which lanes: decided from what they sound like at places spread over the recording.

Channels that carry the same sound are averaged (an inverted one turned round first), dead ones and those with nothing
but a steady tone left out, and different people on different channels stay apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechpipe.audio.hum import measure_hum
from speechpipe.audio.pcm import RATE, Channel, Lane, Pcm
from speechpipe.errors import UnreadableMedia, UsageError

PROBES = 400
#: Below this peak a recording is raised before it is stored with 16 bits, and before speech is looked for.
LOW_PEAK_DBFS = -30.0
_RAISED_PEAK_DBFS = -6.0
_MOST_GAIN_DB = 40.0
CLIPPED_SHARE = 1e-4
#: A hum is told of from this far below the level of all that is on its channel.
LOUD_HUM_DB = 20.0
_FULL = 0.9995
_MAX_CHANNELS = 64
_STEADY_DB = 1.5
_FEWEST_LEVELS = 8
_BLOCK = 30 * RATE
_DEAD_PEAK_DBFS = -60.0  # no sound at all
_DEAD_BELOW_DB = 40.0  # below the loudest channel: crosstalk or the tape's hiss
_LAGS = RATE // 50  # microphones up to 20 ms of sound apart
_TWIN_LAGS = RATE // 2000  # heads of one machine: 0.5 ms


@dataclass(frozen=True, slots=True)
class Likeness:
    """How two channels relate. ``same``: the mean over active seconds of their cross-correlation, each channel at
    equal mean level, at its best lag, divided by their mean power; -1..1. ``leads``: seconds in which the one, and in
    which the other, is 10 dB above its partner. ``twin``: ``same`` within half a millisecond, with its sign."""

    same: float
    twin: float
    leads: tuple[int, int]
    seconds: int

    @property
    def different(self) -> bool:
        """Whether these are different sounds: unrelated, or little related and taking turns."""
        turns = min(self.leads) >= max(2, 0.03 * self.seconds)
        return self.same < 0.15 or (self.same < 0.5 and turns)

    @property
    def inverted(self) -> bool:
        return self.twin < -0.3


def parse(channels: str) -> str | int:
    """The policy's word, or a channel's index from 0.

    Raises:
        UsageError: neither a known word nor a number from 1.
    """
    word = channels.strip().lower()
    if word in ("auto", "mix", "split"):
        return word
    if word.isascii() and word.isdigit() and int(word[:6]) > 0:
        return int(word[:6]) - 1
    raise UsageError(
        f"Channels {channels!r} is not possible.", cure="Give auto, mix, split or a channel's number from 1."
    )


@dataclass(frozen=True, slots=True)
class Layout:
    """Which channels make which lane. A group maps channels to their signs (-1: inverted against its first one).

    ``gain`` raises a recording of very low level, for recognition only; 1.0 for all others. ``steady`` are channels
    left out for a sound that never changes.
    """

    groups: tuple[Mapping[int, int], ...]
    policy: str
    channels: tuple[Channel, ...] = ()
    gain: float = 1.0
    warnings: tuple[str, ...] = ()
    steady: tuple[int, ...] = ()

    @property
    def lanes(self) -> tuple[Lane, ...]:
        alone = len(self.groups) == 1 and (len(self.groups[0]) > 1 or self.policy == "mono")
        return tuple(Lane(None if alone else min(group), f"lane-{i}.s16") for i, group in enumerate(self.groups))

    def mixed(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """``block`` (channels, samples) as (lanes, samples): each group averaged, without its offset, at its gain."""
        rows = np.zeros((len(self.groups), block.shape[1]), np.float32)
        for row, group in zip(rows, self.groups, strict=True):
            for i, sign in group.items():
                (np.add if sign > 0 else np.subtract)(row, block[i], out=row)
            if offset := sum(sign * self.channels[i].offset for i, sign in group.items()):
                row -= np.float32(offset)
            if (scale := self.gain / len(group)) != 1:
                row *= np.float32(scale)
        return rows


def check(wanted: str | int, count: int, name: str) -> None:
    """Whether a recording of ``count`` channels can be read as ``wanted``.

    Raises:
        UsageError: ``wanted`` is a channel that it does not have. UnreadableMedia: more than can be kept apart.
    """
    if count > _MAX_CHANNELS:
        raise UnreadableMedia(f"{name} has {count} channels; at most {_MAX_CHANNELS} can be read.")
    if isinstance(wanted, int) and wanted >= count:
        has = "1 channel" if count == 1 else f"{count} channels"
        raise UsageError(f"{name} has {has}; there is no channel {wanted + 1}.", cure="Give a lower number, or auto.")


def choose(pcms: list[Pcm], wanted: str | int) -> Layout:
    """The layout for a recording whose channels, at places spread over it, sound like ``pcms``."""
    channels = tuple(measured(pcm) for pcm in pcms)
    groups, policy, warnings, steady = _groups(pcms, channels, wanted)
    used = [channels[i].peak_dbfs for group in groups for i in group]
    return Layout(tuple(groups), policy, channels, _gain(used), (*warnings, *_troubles(channels, groups)), steady)


def _groups(
    pcms: list[Pcm], channels: tuple[Channel, ...], wanted: str | int
) -> tuple[list[dict[int, int]], str, tuple[str, ...], tuple[int, ...]]:
    if isinstance(wanted, int):
        return [{wanted: 1}], "channel", (), ()
    if len(pcms) == 1:
        return [{0: 1}], "mono", (), ()
    if wanted == "split":
        return [{i: 1} for i in range(len(pcms))], "split", (), ()
    live = alive(channels)
    skipped = unchanging(pcms, live) if wanted == "auto" else []
    kept = [i for i in live if i not in skipped]
    groups = grouped(pcms, kept, one=wanted == "mix")
    warnings = []
    if dead := [i for i in range(len(pcms)) if i not in live]:
        warnings.append(f"Nothing is recorded on channel {_numbers(dead)}")
    if skipped:
        warnings.append(f"Nothing but a steady sound (hum, tone or timecode) is on channel {_numbers(skipped)}")
    if inverted := [i for group in groups for i, sign in group.items() if sign < 0]:
        warnings.append(f"Inverted polarity corrected on channel {_numbers(inverted)}")
    return groups, _policy(groups, bool(inverted)), tuple(warnings), tuple(skipped)


def _numbers(channels: list[int]) -> str:
    """Channels as people count them."""
    return ", ".join(str(i + 1) for i in channels)


def _policy(groups: list[dict[int, int]], inverted: bool) -> str:
    if len(groups) > 1:
        return "split" if all(len(group) == 1 for group in groups) else "groups"
    if len(groups[0]) == 1:
        return "live"
    return "polarity" if inverted else "mix"


def _gain(peaks: list[float | None]) -> float:
    loudest = max((peak for peak in peaks if peak is not None), default=None)
    if loudest is None or not _DEAD_PEAK_DBFS <= loudest < LOW_PEAK_DBFS:
        return 1.0
    return float(10 ** (min(_MOST_GAIN_DB, _RAISED_PEAK_DBFS - loudest) / 20))


def _troubles(channels: tuple[Channel, ...], groups: list[dict[int, int]]) -> Iterator[str]:
    used = sorted(i for group in groups for i in group)
    if clipped := [i for i in used if channels[i].clipped > CLIPPED_SHARE]:
        yield f"The sound is clipped on channel {_numbers(clipped)}"
    for i in used:
        hum, level = channels[i].hum_dbfs, channels[i].rms_dbfs
        if hum is not None and level is not None and hum > level - LOUD_HUM_DB:
            yield f"Mains hum of {channels[i].hum_hz} Hz at {hum:.0f} dB of full scale is on channel {i + 1}"
    peaks = [channels[i].peak_dbfs for i in used]
    known = [peak for peak in peaks if peak is not None]
    if known and _gain(peaks) > 1:
        yield f"The level is very low (peaks at {max(known):.0f} dB of full scale); it was raised for recognition"


def measured(pcm: Pcm) -> Channel:
    """Level, offset, clipping and hum of one channel; levels are those of the sound without its offset."""
    if not pcm.samples:
        return Channel(None, None, 0.0, 0.0)
    total = peak_low = peak_high = power = 0.0
    clipped = 0
    for block in pcm.blocks(_BLOCK):
        total += float(block.sum(dtype=np.float64))
        power += float(np.square(block, dtype=np.float64).sum())
        peak_low, peak_high = min(peak_low, float(block.min())), max(peak_high, float(block.max()))
        full = np.abs(block) >= _FULL
        clipped += int((full[1:] & full[:-1]).sum())  # one sample at full scale is no clipping
    dc = total / pcm.samples
    hum = measure_hum(pcm)
    return Channel(
        peak_dbfs=decibels(max(peak_high - dc, dc - peak_low)),
        rms_dbfs=decibels(math.sqrt(max(0.0, power / pcm.samples - dc * dc))),
        dc=dc,
        clipped=clipped / pcm.samples,
        hum_hz=hum.hertz if hum else None,
        hum_dbfs=hum.dbfs if hum else None,
    )


def decibels(level: float) -> float | None:
    """``level`` (1.0: full scale) in dB, to a tenth; None for no sound at all."""
    return round(20 * math.log10(level), 1) if level > 1e-6 else None


def alive(channels: Sequence[Channel]) -> list[int]:
    """Channels that carry sound, by their peaks; all of them where none does."""
    peaks = [-200.0 if channel.peak_dbfs is None else channel.peak_dbfs for channel in channels]
    floor = max(_DEAD_PEAK_DBFS, max(peaks) - _DEAD_BELOW_DB)
    return [i for i, peak in enumerate(peaks) if peak >= floor] or list(range(len(channels)))


def unchanging(pcms: list[Pcm], live: list[int]) -> list[int]:
    """Channels with nothing but a sound that never changes, beside others that do: hum, line-up tone, timecode.

    Speech and music change their level by far more than 1.5 dB from one half second to the next.
    """
    spreads = {i: _unsteadiness(pcms[i]) for i in live}
    found = [i for i, spread in spreads.items() if spread is not None and spread < _STEADY_DB]
    return found if len(found) < len(live) else []


def _unsteadiness(pcm: Pcm) -> float | None:
    """Half the range, in dB, of 80 % of the levels of half seconds; None where there are too few."""
    levels = [
        10 * math.log10(float(np.mean(np.square(half - half.mean(), dtype=np.float64))) + 1e-12)
        for block in pcm.blocks(_BLOCK)
        for half in (block[at : at + RATE // 2] for at in range(0, len(block) - RATE // 2 + 1, RATE // 2))
    ]
    if len(levels) < _FEWEST_LEVELS:
        return None
    low, high = np.percentile(levels, [10, 90])
    return float(high - low) / 2


def grouped(pcms: list[Pcm], live: list[int], one: bool = False) -> list[dict[int, int]]:
    """Channels that belong together, each with its sign (-1: inverted against the group's first channel)."""
    groups: list[dict[int, int]] = []
    for channel in live:
        for group in groups:
            likeness = compare(pcms[min(group)], pcms[channel])
            if one or not likeness.different:
                group[channel] = -1 if likeness.inverted else 1
                break
        else:
            groups.append({channel: 1})
    return groups


def compare(left: Pcm, right: Pcm) -> Likeness:
    """Likeness of two channels over seconds spread evenly over the recording."""
    starts = _spread(left.samples)
    power = np.array([[float(np.mean(x * x)) for x in pair] for pair in _pairs(left, right, starts)])
    if not len(power) or not np.all(power.mean(axis=0) > 0):
        return Likeness(1.0, 1.0, (0, 0), 0)
    scale = np.sqrt(power.mean(axis=0))
    power /= scale**2
    active = power.max(axis=1) > 0.05
    total = np.zeros(2 * _LAGS + 1)
    for (x, y), (p, q) in zip(_pairs(left, right, starts[active]), power[active], strict=True):
        size = 1 << (len(x) + _LAGS).bit_length()
        cross = np.fft.irfft(np.fft.rfft(x / scale[0], size) * np.conj(np.fft.rfft(y / scale[1], size)), size)
        total += np.concatenate([cross[-_LAGS:], cross[: _LAGS + 1]]) / len(x) / ((p + q) / 2)
    seconds = int(active.sum())
    mean = total / seconds
    near = mean[_LAGS - _TWIN_LAGS : _LAGS + _TWIN_LAGS + 1]
    p, q = power[active].T
    return Likeness(
        same=float(np.abs(mean).max()),
        twin=float(near[np.abs(near).argmax()]),
        leads=(int((p > 10 * q).sum()), int((q > 10 * p).sum())),
        seconds=seconds,
    )


def _spread(samples: int) -> NDArray[np.int64]:
    """Starts of the seconds to look at: all of them in a short recording, else evenly spread ones."""
    last = max(0, samples - RATE)
    return np.unique(np.linspace(0, last, min(PROBES, 1 + -(-last // RATE))).astype(np.int64))


def _pairs(left: Pcm, right: Pcm, starts: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.float32], ...]]:
    for start in starts:
        pair = left.at(int(start), RATE), right.at(int(start), RATE)
        if len(pair[0]):
            yield tuple(x - x.mean() for x in pair)


def even(block: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """``block`` with ``count`` channels, where a recording changes their number: a single one stands for all."""
    if block.shape[0] == count:
        return block
    if count == 1 or block.shape[0] == 1:
        return np.repeat(block.mean(axis=0, keepdims=True), count, axis=0)
    padded = np.zeros((count, block.shape[1]), np.float32)
    padded[: min(count, block.shape[0])] = block[:count]
    return padded
