"""From speech probabilities to the windows that an engine is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speechpipe.chunking.activity import FRAME_MS
from speechpipe.settings.chunking import Chunking

#: A longer pause always ends a window: what sounds in it is nothing for the engine. Short windows: an eighth of them.
MAX_PAUSE_MS = 2_000


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of sound, in milliseconds from the start of the recording; ``end_ms`` is exclusive.

    ``overlap_ms``: so much of its beginning is also the end of the window before, since there was no pause to cut in.
    """

    start_ms: int
    end_ms: int
    overlap_ms: int = 0


@dataclass(frozen=True, slots=True)
class _Region:
    """Speech without a pause in it, in frames, ``end`` exclusive; ``pause`` is the weight of the pause after it, in
    milliseconds: its frames' probabilities of no speech, summed, so that of two pauses the deeper one weighs more."""

    start: int
    end: int
    pause: float = 0.0


class _Margins(NamedTuple):
    """Milliseconds of sound that a window takes beyond its speech: in a pause, where there is none, and at both ends
    of the stretch."""

    padding: int
    joint: int
    before: int
    after: int


def plan_windows(probabilities: NDArray[np.float32], duration_ms: int, settings: Chunking) -> list[Window]:
    """Windows of at most ``settings.max_window_ms``, in order, within 0..``duration_ms``.

    Every frame at or above ``speech_threshold`` lies whole in a window, save clicks: a window whose speech is shorter
    than ``min_speech_ms`` altogether is dropped. Windows are cut in pauses, and do not overlap there; speech that goes
    on longer than a window is cut where speech is least probable in the latter half of what fits, and there the windows
    overlap by ``overlap_ms`` (less beside a short piece), so that a word on the cut lies whole in one of them.

    Args:
        probabilities: (frames,), one each 32 ms, as ``speech_probabilities`` gives them.
    """
    planner = Planner(settings)
    return [*planner.heard(probabilities), *planner.ended(duration_ms)]


class Planner:
    """The windows of ``plan_windows`` while the sound comes in, in pieces of any length.

    A pause that no window spans parts the recording into stretches. A stretch is planned for itself, once speech goes
    on behind it; so nothing that comes later changes it.
    """

    def __init__(self, settings: Chunking) -> None:
        self._settings = settings
        self._padding = min(settings.padding_ms, settings.max_window_ms // 4)
        self._joint = min(settings.overlap_ms, settings.max_window_ms // 4) // 2
        self._pending = np.zeros(0, np.float32)
        self._first = 0  # frame at which ``_pending`` begins
        self._before = self._padding

    def heard(self, probabilities: NDArray[np.float32]) -> list[Window]:
        """The windows that are final once these frames, which follow those before, are known."""
        self._pending = np.concatenate((self._pending, probabilities))
        regions = _find_regions(self._pending, self._settings)
        windows: list[Window] = []
        begin = 0
        for i in range(1, len(regions)):
            pause = (regions[i].start - regions[i - 1].end) * FRAME_MS
            if pause > _max_pause(self._settings.max_window_ms):
                margin = min(self._padding, pause // 2)
                windows += self._planned(regions[begin:i], margin)
                begin, self._before = i, margin
        if begin:
            start = regions[begin].start
            self._pending, self._first = self._pending[start:], self._first + start
        return windows

    def ended(self, duration_ms: int) -> list[Window]:
        """The windows that were not final yet, within 0..``duration_ms``."""
        last = self._planned(_find_regions(self._pending, self._settings), self._padding)
        return [
            Window(window.start_ms, min(duration_ms, window.end_ms), window.overlap_ms)
            for window in last
            if window.start_ms < duration_ms
        ]

    def _planned(self, regions: Sequence[_Region], after: int) -> list[Window]:
        settings, margins = self._settings, _Margins(self._padding, self._joint, self._before, after)
        most = max(1, (settings.max_window_ms - 2 * max(margins)) // FRAME_MS)
        cut = [piece for region in regions for piece in _cut(region, self._pending, most)]
        pieces = _weighed(cut, self._pending)
        windows: list[Window] = []
        for first, last in _grouped(pieces, settings.max_window_ms, margins):
            speech = sum(piece.end - piece.start for piece in pieces[first : last + 1]) * FRAME_MS
            start, end = (edge + self._first * FRAME_MS for edge in _span(pieces, first, last, margins))
            start = max(0, start)
            if speech >= settings.min_speech_ms and start < end:
                windows.append(Window(start, end, max(0, windows[-1].end_ms - start) if windows else 0))
        return windows


def _max_pause(max_window_ms: int) -> int:
    return min(MAX_PAUSE_MS, max_window_ms // 8)


def _find_regions(probabilities: NDArray[np.float32], settings: Chunking) -> list[_Region]:
    """Hysteresis: speech begins at ``speech_threshold`` and ends where it stays below ``silence_threshold`` for
    ``min_pause_ms`` (Silero VAD's ``get_speech_timestamps``)."""
    low = min(settings.silence_threshold, settings.speech_threshold)
    pause = max(1, -(-settings.min_pause_ms // FRAME_MS))
    voiced = np.flatnonzero(probabilities >= low)
    if not len(voiced):
        return []
    breaks = np.flatnonzero(np.diff(voiced) > pause)
    starts = voiced[np.concatenate(([0], breaks + 1))]
    ends = voiced[np.concatenate((breaks, [len(voiced) - 1]))] + 1
    regions = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        loud = np.flatnonzero(probabilities[start:end] >= settings.speech_threshold)
        if len(loud):
            regions.append(_Region(start + int(loud[0]), end))
    return regions


def _weighed(regions: Sequence[_Region], probabilities: NDArray[np.float32]) -> list[_Region]:
    following = [*(region.start for region in regions), len(probabilities)][1:]
    return [
        _Region(region.start, region.end, float(np.sum(1 - probabilities[region.end : after])) * FRAME_MS)
        for region, after in zip(regions, following, strict=True)
    ]


def _cut(region: _Region, probabilities: NDArray[np.float32], most: int) -> list[_Region]:
    """``region`` in pieces of at most ``most`` frames."""
    pieces = []
    start = region.start
    while region.end - start > most:
        half = start + max(1, most // 2)
        latter = probabilities[half : start + most + 1]
        cut = half + int(np.flatnonzero(latter == latter.min())[-1])
        pieces.append(_Region(start, cut))
        start = cut
    return [*pieces, _Region(start, region.end)]


def _grouped(pieces: list[_Region], max_window_ms: int, margins: _Margins) -> list[tuple[int, int]]:
    """First and last piece of each window: the cheapest way to cut, by dynamic programming.

    A window costs 1, a cut costs 200 ms over the weight of the pause it is made in: few windows, cut in long pauses.
    """
    best: list[tuple[float, int]] = [(0.0, 0)]  # the cost up to a piece, and the first piece of the window before it
    for last in range(len(pieces)):
        options = []
        for first in range(last, -1, -1):
            start, end = _span(pieces, first, last, margins)
            if end - start > max_window_ms and first < last:
                break
            cut = 200 / max(pieces[first - 1].pause, FRAME_MS) if first else 0.0
            options.append((best[first][0] + 1 + cut, first))
        best.append(min(options))
    groups = []
    last = len(pieces)
    while last:
        first = best[last][1]
        groups.append((first, last - 1))
        last = first
    return groups[::-1]


def _span(pieces: list[_Region], first: int, last: int, margins: _Margins) -> tuple[int, int]:
    start = pieces[first].start * FRAME_MS - _margin(pieces, first, margins)
    return start, pieces[last].end * FRAME_MS + _margin(pieces, last + 1, margins)


def _margin(pieces: list[_Region], index: int, margins: _Margins) -> int:
    """Milliseconds beyond the edge between piece ``index`` and the one before that a window may take: up to half of the
    pause there; where there is none, half of the overlap, but no more than either piece has."""
    if index in (0, len(pieces)):
        return margins.after if index else margins.before
    before, after = pieces[index - 1], pieces[index]
    gap = (after.start - before.end) * FRAME_MS
    if gap == 0:
        return min(margins.joint, (before.end - before.start) * FRAME_MS, (after.end - after.start) * FRAME_MS)
    return min(margins.padding, gap // 2)
