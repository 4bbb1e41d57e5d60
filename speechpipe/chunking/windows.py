"""From speech probabilities to the windows that an engine is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speechpipe.chunking.activity import FRAME_MS
from speechpipe.settings import Chunking

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
    """Milliseconds of sound that a window takes beyond its speech: in a pause, and where there is none."""

    padding: int
    joint: int


def plan_windows(probabilities: NDArray[np.float32], duration_ms: int, settings: Chunking) -> list[Window]:
    """Windows of at most ``settings.max_window_ms``, in order, within 0..``duration_ms``.

    Every frame at or above ``speech_threshold`` lies whole in a window, save clicks: a window whose speech is shorter
    than ``min_speech_ms`` altogether is dropped. Windows are cut in pauses, and do not overlap there; speech that goes
    on longer than a window is cut where speech is least probable in the latter half of what fits, and there the windows
    overlap by ``overlap_ms`` (less beside a short piece), so that a word on the cut lies whole in one of them.

    Args:
        probabilities: (frames,), one each 32 ms, as ``speech_probabilities`` gives them.
    """
    padding = min(settings.padding_ms, settings.max_window_ms // 4)
    margins = _Margins(padding, min(settings.overlap_ms, settings.max_window_ms // 4) // 2)
    regions = _weighed(_find_regions(probabilities, settings), probabilities)
    most = max(1, (settings.max_window_ms - 2 * max(margins)) // FRAME_MS)
    pieces = _weighed([piece for region in regions for piece in _cut(region, probabilities, most)], probabilities)
    windows: list[Window] = []
    for first, last in _grouped(pieces, settings.max_window_ms, margins):
        speech = sum(piece.end - piece.start for piece in pieces[first : last + 1]) * FRAME_MS
        start, end = _span(pieces, first, last, margins)
        before = windows[-1].end_ms if windows else 0
        window = Window(max(0, start), min(duration_ms, end), max(0, before - max(0, start)))
        if speech >= settings.min_speech_ms and window.start_ms < window.end_ms:
            windows.append(window)
    return windows


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


def _weighed(regions: list[_Region], probabilities: NDArray[np.float32]) -> list[_Region]:
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
    max_pause = min(MAX_PAUSE_MS, max_window_ms // 8)
    best: list[tuple[float, int]] = [(0.0, 0)]  # the cost up to a piece, and the first piece of the window before it
    for last in range(len(pieces)):
        options = []
        for first in range(last, -1, -1):
            if first < last and (pieces[first + 1].start - pieces[first].end) * FRAME_MS > max_pause:
                break
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
        return margins.padding
    before, after = pieces[index - 1], pieces[index]
    gap = (after.start - before.end) * FRAME_MS
    if gap == 0:
        return min(margins.joint, (before.end - before.start) * FRAME_MS, (after.end - after.start) * FRAME_MS)
    return min(margins.padding, gap // 2)
