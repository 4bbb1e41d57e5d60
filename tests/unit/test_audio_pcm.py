"""PCM lanes on disk: reading by position, writing whole or not at all, and what decoding reports."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from speechpipe.audio import RATE, Decoded, Lane, Pcm, write_array
from speechpipe.audio.pcm import LaneWriter, milliseconds
from speechpipe.errors import OutputError, UsageError


def lane(folder: Path, samples: np.ndarray) -> Pcm:
    with LaneWriter(folder, ["lane-0.s16"]) as writer:
        writer.write(np.atleast_2d(samples.astype(np.float32)))
    return Pcm(folder / "lane-0.s16")


def test_reading_by_position_gives_the_same_as_reading_all(tmp_path: Path) -> None:
    ramp = np.arange(-16_000, 16_000) / 32_768
    pcm = lane(tmp_path, ramp)
    assert pcm.samples == 32_000
    assert pcm.duration_ms == 2_000
    whole = pcm.read(0, 2_000)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole, ramp.astype(np.float32))
    np.testing.assert_array_equal(pcm.read(500, 1_250), whole[8_000:20_000])
    np.testing.assert_array_equal(np.concatenate(list(pcm.blocks(777))), whole)


def test_reading_beyond_the_end_is_shorter_never_an_error(tmp_path: Path) -> None:
    pcm = lane(tmp_path, np.zeros(1_600))
    assert len(pcm.read(50, 500)) == 800
    assert len(pcm.read(100, 200)) == 0
    assert len(pcm.read(-20, 20)) == 320 * 2
    assert list(lane(tmp_path, np.zeros(0)).blocks(512)) == []


def test_what_is_read_can_be_written_to(tmp_path: Path) -> None:
    block = lane(tmp_path, np.zeros(512)).read(0, 32)
    block[-64:] = 1
    assert block[-1] == 1


def test_a_closed_lane_says_so(tmp_path: Path) -> None:
    with lane(tmp_path, np.zeros(10)) as pcm:
        pass
    with pytest.raises(ValueError, match="closed"):
        pcm.read(0, 1)


def test_loud_samples_are_clipped_and_no_numbers_are_silence(tmp_path: Path) -> None:
    pcm = lane(tmp_path, np.array([2.0, -2.0, np.nan, np.inf, -np.inf, 1.0, -1.0]))
    raw = np.fromfile(pcm.path, "<i2")
    assert raw.tolist() == [32767, -32768, 0, 0, 0, 32767, -32768]


def test_an_error_while_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "lane-0.s16").write_bytes(b"old!")
    with pytest.raises(RuntimeError, match="stop"), LaneWriter(tmp_path, ["lane-0.s16", "lane-1.s16"]) as writer:
        writer.write(np.zeros((2, 100), np.float32))
        raise RuntimeError("stop")
    assert sorted(os.listdir(tmp_path)) == ["lane-0.s16"]
    assert (tmp_path / "lane-0.s16").read_bytes() == b"old!"


def test_a_folder_that_is_a_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(OutputError, match="taken"):
        write_array(np.zeros(100), RATE, tmp_path / "taken")


def test_a_report_survives_json() -> None:
    report = Decoded((Lane(None, "lane-0.s16"), Lane(1, "lane-1.s16")), 1_234, False, "cut", ("a", "b"), "groups")
    assert Decoded.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    with pytest.raises(TypeError):
        Decoded.from_dict({**report.to_dict(), "other": 1})


@pytest.mark.parametrize(("samples", "expected"), [(0, 0), (7, 0), (8, 1), (16_000, 1_000), (24_008, 1_501)])
def test_milliseconds_are_rounded_once(samples: int, expected: int) -> None:
    assert milliseconds(samples) == expected


def tone(rate: int, seconds: float = 1.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(rate * seconds)) / rate)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_arrays_of_any_rate_keep_duration_place_and_level(tmp_path: Path, rate: int) -> None:
    sound = np.concatenate([np.zeros(rate // 2), tone(rate), np.zeros(rate // 2)])
    decoded = write_array(sound, rate, tmp_path)
    pcm = Pcm(tmp_path / decoded.lanes[0].file)
    assert decoded.lanes == (Lane(None, "lane-0.s16"),)
    assert decoded.policy == "mono"
    assert abs(decoded.duration_ms - 2_000) <= 1
    heard = np.flatnonzero(np.abs(pcm.read(0, 2_000)) > 0.05)
    assert heard[0] == pytest.approx(8_000, abs=16)
    assert heard[-1] == pytest.approx(24_000, abs=32)
    assert np.abs(pcm.read(700, 1_300)).max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("dtype", "peak", "middle"), [("u1", 255, 128), ("i2", 32767, 0), ("u2", 65535, 32768), ("i4", 2**31 - 1, 0)]
)
def test_the_full_range_of_integers_is_full_scale(tmp_path: Path, dtype: str, peak: int, middle: int) -> None:
    array = np.full(1_600, middle, dtype)
    array[800] = peak
    decoded = write_array(array, RATE, tmp_path)
    raw = np.fromfile(tmp_path / decoded.lanes[0].file, "<i2")
    assert raw[800] > 32_500
    assert raw[:700].tolist() == [0] * 700


def test_columns_are_channels(tmp_path: Path) -> None:
    sound = np.stack([tone(RATE), 0.3 * tone(RATE), np.zeros(RATE)], axis=1).astype(np.float32)
    decoded = write_array(sound, RATE, tmp_path, channels="split")
    peaks = [np.abs(Pcm(tmp_path / entry.file).read(0, 1_000)).max() for entry in decoded.lanes]
    assert [entry.channel for entry in decoded.lanes] == [0, 1, 2]
    assert peaks == pytest.approx([0.5, 0.15, 0.0], abs=1e-3)


@pytest.mark.parametrize("shape", [(0,), (0, 2)])
def test_no_samples_are_no_duration(tmp_path: Path, shape: tuple[int, ...]) -> None:
    decoded = write_array(np.zeros(shape), 44_100, tmp_path)
    assert (decoded.duration_ms, len(decoded.lanes)) == (0, 1)
    assert Pcm(tmp_path / decoded.lanes[0].file).samples == 0


def test_an_array_is_not_changed(tmp_path: Path) -> None:
    sound = np.array([np.nan, 5.0, 0.5])
    sound.setflags(write=False)
    write_array(sound, RATE, tmp_path)
    assert sound[1] == 5.0


@pytest.mark.parametrize(
    ("array", "rate", "says"),
    [
        (np.zeros((2, 3, 4)), RATE, "shape"),
        (np.zeros((2, 16_000)), RATE, "shape"),
        (np.zeros(10, complex), RATE, "type"),
        (np.zeros(10, bool), RATE, "type"),
        (np.zeros(10, "i8"), RATE, "type"),
        (np.zeros(10), 0, "rate"),
        (np.zeros(10), 2**31, "rate"),
        (np.zeros(10), 16_000.5, "rate"),
    ],
)
def test_what_is_no_sound_is_refused(tmp_path: Path, array: np.ndarray, rate: int, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        write_array(array, rate, tmp_path)
