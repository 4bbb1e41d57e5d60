"""Whatever the probabilities and settings: nothing between windows lost or doubled."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from speechpipe.chunking import FRAME_MS, plan_windows
from speechpipe.settings.chunking import Chunking

#: Values on, beside and far from the thresholds, in runs, so that pauses and long speech of every length occur.
LEVELS = st.sampled_from([0.0, 0.01, 0.2, 0.34, 0.35, 0.36, 0.49, 0.5, 0.51, 0.9, 1.0])
RUNS = st.lists(st.tuples(LEVELS, st.sampled_from([1, 1, 2, 3, 4, 5, 6, 7, 20, 63, 64, 200, 1_100])), max_size=30)
SETTINGS = st.builds(
    Chunking,
    max_window_ms=st.sampled_from([1_000, 1_001, 2_500, 6_000, 29_999, 30_000]),
    speech_threshold=st.sampled_from([0.2, 0.5, 0.9]),
    silence_threshold=st.sampled_from([0.1, 0.35, 0.5, 0.95]),
    min_speech_ms=st.sampled_from([0, 32, 100, 1_000]),
    min_pause_ms=st.sampled_from([0, 1, 32, 160, 2_000]),
    padding_ms=st.sampled_from([0, 1, 31, 200, 5_000]),
    overlap_ms=st.sampled_from([0, 1, 64, 1_000, 5_000]),
)


def probabilities(runs: list[tuple[float, int]]) -> np.ndarray:
    return np.concatenate([np.zeros(0), *(np.full(length, level) for level, length in runs)]).astype(np.float32)


@settings(max_examples=300, deadline=None)
@given(runs=RUNS, chunking=SETTINGS, short_ms=st.integers(0, 31))
def test_every_frame_of_speech_lies_in_one_window_or_in_the_overlap_of_two(
    runs: list[tuple[float, int]], chunking: Chunking, short_ms: int
) -> None:
    chunking = chunking.model_copy(update={"min_speech_ms": 0})
    frames = probabilities(runs)
    duration_ms = max(0, len(frames) * FRAME_MS - short_ms)
    windows = plan_windows(frames, duration_ms, chunking)
    inside = np.zeros(len(frames), int)
    for window in windows:
        for frame in range(window.start_ms // FRAME_MS, -(-window.end_ms // FRAME_MS)):
            start, end = frame * FRAME_MS, min((frame + 1) * FRAME_MS, duration_ms)
            inside[frame] += window.start_ms <= start and end <= window.end_ms
    speech = frames >= np.float32(chunking.speech_threshold)
    assert (inside[speech] >= 1).all()
    assert (inside <= 2).all()
    for frame in np.flatnonzero(inside == 2):
        start = int(frame) * FRAME_MS
        assert any(window.start_ms <= start < window.start_ms + window.overlap_ms for window in windows)


@settings(max_examples=300, deadline=None)
@given(runs=RUNS, chunking=SETTINGS, short_ms=st.integers(0, 31))
def test_windows_are_ordered_apart_within_the_recording_and_short_enough(
    runs: list[tuple[float, int]], chunking: Chunking, short_ms: int
) -> None:
    frames = probabilities(runs)
    duration_ms = max(0, len(frames) * FRAME_MS - short_ms)
    windows = plan_windows(frames, duration_ms, chunking)
    assert all(0 <= window.start_ms < window.end_ms <= duration_ms for window in windows)
    assert all(window.end_ms - window.start_ms <= chunking.max_window_ms for window in windows)
    assert all(a.end_ms - b.start_ms <= b.overlap_ms for a, b in pairwise(windows))
    assert all(a.start_ms <= b.start_ms and a.end_ms <= b.end_ms for a, b in pairwise(windows))
    assert all(window.overlap_ms <= min(chunking.overlap_ms, chunking.max_window_ms // 4) for window in windows)
    if not chunking.overlap_ms:
        assert all(a.end_ms <= b.start_ms for a, b in pairwise(windows))


@settings(max_examples=200, deadline=None)
@given(runs=RUNS, chunking=SETTINGS)
def test_windows_overlap_only_where_speech_was_cut(runs: list[tuple[float, int]], chunking: Chunking) -> None:
    frames = probabilities(runs)
    windows = plan_windows(frames, len(frames) * FRAME_MS, chunking)
    low = min(chunking.silence_threshold, chunking.speech_threshold)
    pause = -(-chunking.min_pause_ms // FRAME_MS)
    for before, after in pairwise(windows):
        if after.overlap_ms:
            cut = (after.start_ms + before.end_ms) // 2 // FRAME_MS
            around = frames[max(0, cut - pause - 1) : cut + pause + 1]
            assert (around >= np.float32(low)).any()


@settings(max_examples=200, deadline=None)
@given(runs=RUNS, chunking=SETTINGS)
def test_only_what_is_shorter_than_the_least_speech_is_dropped(
    runs: list[tuple[float, int]], chunking: Chunking
) -> None:
    frames = probabilities(runs)
    duration_ms = len(frames) * FRAME_MS
    kept = plan_windows(frames, duration_ms, chunking)
    everything = plan_windows(frames, duration_ms, chunking.model_copy(update={"min_speech_ms": 0}))
    assert set(kept) <= set(everything)
    speech = frames >= np.float32(chunking.speech_threshold)
    for window in set(everything) - set(kept):
        loud = speech[-(-window.start_ms // FRAME_MS) : window.end_ms // FRAME_MS].sum() * FRAME_MS
        assert loud < chunking.min_speech_ms


@settings(max_examples=100, deadline=None)
@given(pauses=st.lists(st.integers(6, 60), min_size=1, max_size=12), words=st.integers(5, 150))
def test_no_cut_in_speech_where_pauses_suffice(pauses: list[int], words: int) -> None:
    """Stretches that each fit a window: every edge of a window falls in a pause."""
    runs = [(0.01, 10)] + [pair for pause in pauses for pair in ((0.95, words), (0.01, pause))]
    frames = probabilities(runs)
    for window in plan_windows(frames, len(frames) * FRAME_MS, Chunking(max_window_ms=6_000)):
        for edge in (window.start_ms - 1, window.end_ms):
            assert frames[min(edge // FRAME_MS, len(frames) - 1)] < 0.5
