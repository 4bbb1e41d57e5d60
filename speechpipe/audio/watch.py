"""Watches, while a recording is decoded, whether what its channels were judged to be holds everywhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from speechpipe.audio.channels import Layout, even
from speechpipe.audio.pcm import RATE

_STEP = RATE // 20  # envelopes of 50 ms
_STRETCH = 30 * 20  # steps judged at a time
_HEARD = 10 ** (-40 / 20)  # an envelope above this is sound
_HEARD_SHARE = 0.1
#: Policies that leave channels out by judging them.
_JUDGED = ("live", "mix", "polarity", "split", "groups")
_CANCELLED = 0.1  # of the channels' mean power is left in their average
_UNRELATED = 0.1  # correlation of envelopes below which channels carry different sound


class Watch:
    """Give it every block (channels, samples) at 16 kHz; ``warnings()`` afterwards.

    Stretches of 30 s are judged by envelopes of 50 ms: a channel left out that carries sound, and channels averaged
    that cancel each other or are unrelated.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout, self._count = layout, len(layout.channels)
        used = {i for group in layout.groups for i in group}
        # A person's explicit choice is not doubted.
        self._out = [i for i in range(self._count) if i not in used] if layout.policy in _JUDGED else []
        self._pairs = [sorted(group.items()) for group in layout.groups if len(group) > 1]
        self._rest = np.zeros((self._count, 0), np.float32)
        self._power: list[NDArray[np.float32]] = []
        self._mixed: list[NDArray[np.float32]] = []
        self._steps = self._judged = 0
        self._found: dict[str, list[tuple[int, int]]] = {}

    @property
    def idle(self) -> bool:
        """Nothing can turn out wrong."""
        return not self._out and not self._pairs

    def see(self, block: NDArray[np.float32]) -> None:
        if self.idle:
            return
        block = np.concatenate([self._rest, even(block, self._count)], axis=1)
        whole = block.shape[1] // _STEP * _STEP
        self._rest = block[:, whole:]
        if not whole:
            return
        offsets = np.array([[channel.offset] for channel in self._layout.channels], np.float32)
        steps = (block[:, :whole] - offsets).reshape(self._count, -1, _STEP)
        self._power.append(np.mean(np.square(steps), axis=2))
        mixed = np.zeros((len(self._pairs), whole // _STEP), np.float32)
        for row, pair in zip(mixed, self._pairs, strict=True):
            mix = sum((sign * steps[i] for i, sign in pair), np.float32(0)) / np.float32(len(pair))
            row[:] = np.mean(np.square(mix), axis=1)
        self._mixed.append(mixed)
        self._steps += whole // _STEP
        if self._steps - self._judged >= _STRETCH:
            self._judge()

    def warnings(self) -> tuple[str, ...]:
        if self._steps > self._judged:
            self._judge()
        return tuple(f"{what} {', '.join(_spans(where))}" for what, where in self._found.items())

    def _judge(self) -> None:
        power, mixed = np.concatenate(self._power, axis=1), np.concatenate(self._mixed, axis=1)
        self._power, self._mixed = [], []
        start, self._judged = self._judged, self._steps
        for what in self._faults(power, mixed):
            spans = self._found.setdefault(what, [])
            if spans and spans[-1][1] == start:
                start_of_span = spans.pop()[0]
                spans.append((start_of_span, self._judged))
            else:
                spans.append((start, self._judged))

    def _faults(self, power: NDArray[np.float32], mixed: NDArray[np.float32]) -> Iterator[str]:
        heard = np.sqrt(power) > _HEARD
        for i in self._out:
            changes = i not in self._layout.steady or _changing(power[i])
            if heard[i].mean() > _HEARD_SHARE and changes:
                yield f"Channel {i + 1} was left out, but carries sound at"
        for pair, mix in zip(self._pairs, mixed, strict=True):
            rows = [i for i, _ in pair]
            active = heard[rows].any(axis=0)
            if active.mean() <= _HEARD_SHARE:
                continue
            names = " and ".join(str(i + 1) for i in rows)
            if mix[active].sum() < _CANCELLED * power[rows][:, active].mean(axis=0).sum():
                yield f"Channels {names} were averaged, but cancel each other at"
            elif all(heard[i].mean() > _HEARD_SHARE for i in rows) and _unrelated(np.sqrt(power[rows])):
                yield f"Channels {names} were averaged, but carry different sound at"


def _unrelated(envelopes: NDArray[np.float32]) -> bool:
    if (envelopes.std(axis=1) < 1e-6).any():
        return False
    return float(np.atleast_2d(np.corrcoef(envelopes))[0, 1:].max()) < _UNRELATED


def _changing(power: NDArray[np.float32]) -> bool:
    """Whether a steady sound is joined by another one: levels of 50 ms more than 6 dB apart."""
    low, high = np.percentile(power, [10, 90])
    return bool(high > 4 * low)


def _spans(spans: list[tuple[int, int]]) -> Iterator[str]:
    for start, end in spans[:5]:
        yield f"{_clock(start)}–{_clock(end)}"
    if len(spans) > 5:
        yield f"and {len(spans) - 5} more stretches"


def _clock(steps: int) -> str:
    seconds = steps * _STEP // RATE
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
