"""Speech activity while lanes are written: what it is afterwards, and found once."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from speechpipe.audio import RATE, Pcm
from speechpipe.audio.pcm import LaneWriter
from speechpipe.chunking import BLOCK_SAMPLES, Activity, speech_probabilities
from speechpipe.errors import UnreadableMedia
from speechpipe.pipeline.chunk.voice_activity import Hearing, growing


def ignored(done_ms: int, total_ms: int) -> None:
    pass


def wait_until(condition) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + 240
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The thread and the length of all that is listened to."""
    found: list[tuple[str, int]] = []
    hear = Activity.hear

    def counted(activity: Activity, block: np.ndarray) -> None:
        hear(activity, block)
        found.append((threading.current_thread().name, len(block)))

    monkeypatch.setattr(Activity, "hear", counted)
    return found


def test_lanes_are_listened_to_while_they_grow_and_no_sample_twice(
    tmp_path: Path, talk: np.ndarray, heard: list[tuple[str, int]]
) -> None:
    lanes = np.stack([talk, np.roll(talk, 3 * RATE)])
    told: list[int] = []
    with Hearing(tmp_path, lambda found: told.append(len(found))) as hearing:
        report = hearing.reporting(ignored)
        with LaneWriter(tmp_path / "stream-1", ["lane-0.s16", "lane-1.s16"]) as writer:
            for start in range(0, len(talk), RATE):
                writer.write(lanes[:, start : start + RATE])
            report(0, 0)
            wait_until(lambda: len(heard) == 2 * (len(talk) // BLOCK_SAMPLES))
            assert not (tmp_path / "stream-1" / "lane-0.s16").exists()  # all this before it was whole
    ahead = len(heard)
    assert {name for name, _ in heard} == {"hearing"}
    for file in ("stream-1/lane-0.s16", "stream-1/lane-1.s16"):
        with Pcm(tmp_path / file) as pcm:
            found = hearing.probabilities(file, pcm)
            assert {name for name, _ in heard[ahead:]} == {"MainThread"}
            count = len(heard)
            np.testing.assert_array_equal(found, speech_probabilities(pcm))
            del heard[count:]
    assert sum(size for _, size in heard) == 2 * len(talk)
    assert told == []  # of several lanes nobody is told: windows of one alone are planned ahead


def test_of_a_single_lane_every_block_is_told_once(tmp_path: Path, talk: np.ndarray) -> None:
    told: list[np.ndarray] = []
    with Hearing(tmp_path, told.append) as hearing, LaneWriter(tmp_path, ["lane-0.s16"]) as writer:
        writer.write(talk[None, : 5 * RATE])
        hearing.reporting(ignored)(0, 0)
        wait_until(lambda: len(told) == 2)
        writer.write(talk[None, 5 * RATE :])
    with Pcm(tmp_path / "lane-0.s16") as pcm:
        found = hearing.probabilities("lane-0.s16", pcm)
    np.testing.assert_array_equal(np.concatenate(told), found)


def test_what_a_killed_run_left_is_not_heard(tmp_path: Path, talk: np.ndarray) -> None:
    for name in ("lane-0.s16", "lane-1.s16.part"):
        (tmp_path / name).write_bytes(b"\1\2" * 4 * BLOCK_SAMPLES)
    (tmp_path / "plan.json").write_text("{}")
    with Hearing(tmp_path) as hearing:
        assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]
        with LaneWriter(tmp_path, ["lane-0.s16"]) as writer:
            writer.write(talk[None])
    with Pcm(tmp_path / "lane-0.s16") as pcm:
        np.testing.assert_array_equal(hearing.probabilities("lane-0.s16", pcm), speech_probabilities(pcm))


def test_an_error_while_it_listens_ends_the_listening_and_another_passes_through(
    tmp_path: Path, talk: np.ndarray
) -> None:
    def fail(found: np.ndarray) -> None:
        raise MemoryError

    with pytest.raises(UnreadableMedia, match="broken"), Hearing(tmp_path, fail) as hearing:
        with LaneWriter(tmp_path, ["lane-0.s16"]) as writer:
            writer.write(talk[None])
            hearing.reporting(ignored)(0, 0)
            wait_until(lambda: not hearing._thread.is_alive())
        raise UnreadableMedia("It is broken.")
    assert "hearing" not in [thread.name for thread in threading.enumerate()]


def test_a_lane_is_found_under_either_name(tmp_path: Path) -> None:
    (tmp_path / "a.s16.part").write_bytes(bytes(8))
    with growing(tmp_path / "a.s16") as pcm:
        assert pcm.samples == 4
    (tmp_path / "a.s16.part").rename(tmp_path / "a.s16")
    with growing(tmp_path / "a.s16") as pcm:
        assert pcm.samples == 4
    with pytest.raises(FileNotFoundError):
        growing(tmp_path / "b.s16")
