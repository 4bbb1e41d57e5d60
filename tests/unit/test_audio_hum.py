"""Mains hum is measured under speech, and not heard where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speechpipe.audio import Pcm, decode, write_wav
from speechpipe.audio.hum import Hum, measure_hum
from tests.sounds import RATE, hum, levelled, sound_of


def lane(folder: Path, sound: np.ndarray) -> Pcm:
    (folder / "a.s16").write_bytes(np.rint(np.clip(sound, -1, 1) * 32_767).astype("<i2").tobytes())
    return Pcm(folder / "a.s16")


def humming(talk: np.ndarray, mains: float, dbfs: float) -> np.ndarray:
    return talk + levelled(hum(len(talk) / RATE, mains), dbfs)[: len(talk)]


@pytest.mark.parametrize(("mains", "hertz"), [(50, 50), (60, 60), (50.25, 50), (59.8, 60)])
@pytest.mark.parametrize("dbfs", [-20, -35, -45])
def test_its_level_is_found_under_speech(
    tmp_path: Path, talk: np.ndarray, mains: float, hertz: int, dbfs: float
) -> None:
    found = measure_hum(lane(tmp_path, humming(talk, mains, dbfs)))
    assert found is not None
    assert found.hertz == hertz
    assert found.dbfs == pytest.approx(dbfs, abs=2)


@pytest.mark.parametrize("name", ["piano", "band", "line-up tone", "dial tone", "pink noise", "rumble", "motor"])
def test_other_sounds_are_no_hum(tmp_path: Path, name: str) -> None:
    assert measure_hum(lane(tmp_path, sound_of(name, 20, 1))) is None


def test_a_hum_alone(tmp_path: Path) -> None:
    assert measure_hum(lane(tmp_path, levelled(hum(20, 50), -35))) == Hum(50, -35.0)


@pytest.mark.parametrize("seconds", [0, 0.5, 8])
def test_too_little_to_say(tmp_path: Path, seconds: float) -> None:
    assert measure_hum(lane(tmp_path, levelled(hum(seconds, 50), -35) if seconds else np.zeros(0))) is None


def test_nothing_at_all(tmp_path: Path) -> None:
    assert measure_hum(lane(tmp_path, np.zeros(20 * RATE))) is None


def test_a_loud_one_is_told_of_with_its_channel(tmp_path: Path, talk: np.ndarray) -> None:
    talk = np.tile(talk, 2)
    write_wav(np.stack([talk, humming(talk, 50, -30)], axis=1), RATE, tmp_path / "a.wav")
    decoded = decode(tmp_path / "a.wav", tmp_path / "out", "split")
    assert decoded.warnings == ("Mains hum of 50 Hz at -30 dB of full scale is on channel 2",)
    assert decoded.channels[1].hum_hz == 50
    assert decoded.channels[1].hum_dbfs == pytest.approx(-30, abs=0.5)


def test_a_faint_one_is_measured_and_no_warning(tmp_path: Path, talk: np.ndarray) -> None:
    write_wav(humming(talk, 60, -47), RATE, tmp_path / "a.wav")
    decoded = decode(tmp_path / "a.wav", tmp_path / "out", "auto")
    assert (decoded.warnings, decoded.channels[0].hum_hz) == ((), 60)


def test_what_was_measured_survives_the_journal(tmp_path: Path, talk: np.ndarray) -> None:
    write_wav(humming(talk, 50, -30), RATE, tmp_path / "a.wav")
    decoded = decode(tmp_path / "a.wav", tmp_path / "out", "auto")
    assert type(decoded).from_dict(decoded.to_dict()) == decoded
