"""Which channels become which lanes: decided from the decoded sound itself.

``auto`` and ``mix`` first store every channel, then look at up to 400 seconds spread over the recording. Channels that
carry the same sound are averaged (an inverted one turned round first), dead ones left out, and different people on
different channels stay apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechpipe.audio.pcm import RATE, Lane, LaneWriter, Pcm
from speechpipe.errors import UnreadableMedia, UsageError

PROBES = 400
_MAX_CHANNELS = 64
_BLOCK = 30 * RATE
_DEAD_PEAK = 10 ** (-60 / 20)  # no sound at all
_DEAD_BELOW = 10 ** (-40 / 20)  # below the loudest channel: crosstalk or the tape's hiss
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


def store(
    blocks: Iterator[NDArray[np.float32]], folder: Path, wanted: str | int, name: str
) -> tuple[tuple[Lane, ...], str, tuple[str, ...]]:
    """Write ``blocks`` (channels, samples) as lanes; returns the lanes, the policy taken and warnings.

    Raises:
        UsageError: ``wanted`` is a channel that the recording does not have.
        UnreadableMedia: more channels than can be kept apart.
    """
    first = next(blocks, np.zeros((1, 0), np.float32))
    count = first.shape[0]
    blocks = chain((first,), blocks)
    if count > _MAX_CHANNELS:
        raise UnreadableMedia(f"{name} has {count} channels; at most {_MAX_CHANNELS} can be read.")
    if isinstance(wanted, int):
        if wanted >= count:
            has = "1 channel" if count == 1 else f"{count} channels"
            raise UsageError(
                f"{name} has {has}; there is no channel {wanted + 1}.", cure="Give a lower number, or auto."
            )
        _write((block[wanted : wanted + 1] for block in _even(blocks, count)), folder, ["lane-0.s16"])
        return (Lane(wanted, "lane-0.s16"),), "channel", ()
    names = [f"{'lane' if count == 1 or wanted == 'split' else 'channel'}-{i}.s16" for i in range(count)]
    _write(_even(blocks, count), folder, names)
    if count == 1:
        return (Lane(None, names[0]),), "mono", ()
    if wanted == "split":
        return tuple(Lane(i, file) for i, file in enumerate(names)), "split", ()
    return _group(folder, names, one=wanted == "mix")


def _group(folder: Path, names: list[str], one: bool) -> tuple[tuple[Lane, ...], str, tuple[str, ...]]:
    with ExitStack() as stack:
        pcms = [stack.enter_context(Pcm(folder / name)) for name in names]
        live = alive(pcms)
        groups = grouped(pcms, live, one)
        lanes = []
        for number, group in enumerate(groups):
            file = f"lane-{number}.s16"
            _write(_averaged(pcms, group), folder, [file])
            lanes.append(Lane(min(group) if len(group) == 1 or len(groups) > 1 else None, file))
    for name in names:
        (folder / name).unlink(missing_ok=True)
    warnings = []
    if dead := [str(i + 1) for i in range(len(names)) if i not in live]:
        warnings.append(f"Nothing is recorded on channel {', '.join(dead)}")
    inverted = [str(i + 1) for group in groups for i, sign in group.items() if sign < 0]
    if inverted:
        warnings.append(f"Inverted polarity corrected on channel {', '.join(inverted)}")
    return tuple(lanes), _policy(groups, bool(inverted)), tuple(warnings)


def _policy(groups: list[dict[int, int]], inverted: bool) -> str:
    if len(groups) > 1:
        return "split" if all(len(group) == 1 for group in groups) else "groups"
    if len(groups[0]) == 1:
        return "live"
    return "polarity" if inverted else "mix"


def alive(pcms: list[Pcm]) -> list[int]:
    """Channels that carry sound, by their peaks over the whole recording; all of them where none does."""
    peaks = [max((float(np.abs(b - b.mean()).max()) for b in pcm.blocks(_BLOCK)), default=0.0) for pcm in pcms]
    floor = max(_DEAD_PEAK, max(peaks) * _DEAD_BELOW)
    return [i for i, peak in enumerate(peaks) if peak >= floor] or list(range(len(pcms)))


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


def _averaged(pcms: list[Pcm], group: dict[int, int]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, pcms[0].samples, _BLOCK):
        total = sum((sign * pcms[i].at(start, _BLOCK) for i, sign in group.items()), start=np.float32(0))
        yield np.atleast_2d(total / np.float32(len(group)))


def _even(blocks: Iterable[NDArray[np.float32]], count: int) -> Iterator[NDArray[np.float32]]:
    """Blocks with ``count`` channels, where a recording changes their number: a single one stands for all."""
    for block in blocks:
        if block.shape[0] == count:
            yield block
        elif count == 1 or block.shape[0] == 1:
            yield np.repeat(block.mean(axis=0, keepdims=True), count, axis=0)
        else:
            padded = np.zeros((count, block.shape[1]), np.float32)
            padded[: block.shape[0]] = block[:count]
            yield padded


def _write(blocks: Iterable[NDArray[np.float32]], folder: Path, names: list[str]) -> None:
    with LaneWriter(folder, names) as writer:
        for block in blocks:
            writer.write(block)
