"""What a recording will cost: measured speeds, declared lengths, and what is done where either is not known."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from speechpipe.batch.forecast import LATEST, Forecast, audio_ms
from speechpipe.repositories import FolderRepository, Receipt


def done(audio_s: float, wall_s: float, model: str = "large", finished: str = "2026-01-01T00:00:00Z") -> Receipt:
    sound, wall = round(audio_s * 1000), round(wall_s * 1000)
    return Receipt("a", "done", "a", model=model, audio_ms=sound, wall_ms=wall, finished=finished)


def test_the_speed_is_that_of_all_the_sound_not_the_mean_of_the_recordings() -> None:
    forecast = Forecast.of([done(3600, 900), done(60, 60)])
    assert forecast.speed == pytest.approx(3660 / 960)
    assert forecast.expected_ms(36_600_000) == 9_600_000


def test_each_model_has_its_own_speed() -> None:
    receipts = [done(600, 600), done(600, 60, "tiny")]
    assert Forecast.of(receipts, "large").speed == 1.0
    assert Forecast.of(receipts, "tiny").speed == 10.0
    assert Forecast.of(receipts).speed == pytest.approx(1200 / 660)
    assert Forecast.of(receipts, "another").speed is None


def test_what_tells_nothing_of_speed_is_not_counted() -> None:
    failed = Receipt("a", "failed", "a", model="large", audio_ms=10**7, wall_ms=1)
    short = done(2, 10)
    no_time = done(600, 0)
    unknown = Receipt("a", "done", "a", model="large")
    assert Forecast.of([failed, short, no_time, unknown], "large").speed is None


def test_only_the_latest_recordings_tell() -> None:
    old = [done(600, 6000, finished="2020-01-01T00:00:00Z")] * 50
    new = [done(600, 60, finished="2026-01-01T00:00:00Z")] * LATEST
    assert Forecast.of([*new, *old]).speed == 10.0


def test_without_a_measurement_it_takes_as_long_as_the_sound() -> None:
    assert Forecast().expected_ms(5000) == 5000


def test_a_length_is_read_from_the_container_or_bounded_by_the_size(tmp_path: Path, root: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 8000 * 3))
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    (tmp_path / "stream.mp3").write_bytes((root / "sample_audio" / "no-speech.mp3").read_bytes())
    repository = FolderRepository(tmp_path)
    items = {item.identifier: item for item in repository.discover()}
    assert audio_ms(repository, items["a.wav"]) == 3000
    assert audio_ms(repository, items["broken.wav"]) is None
    assert Forecast(2.0).expected_of(repository, items["a.wav"]) == 1500
    assert Forecast(2.0).expected_of(repository, items["broken.wav"]) == 0
    assert (audio_ms(repository, items["stream.mp3"]) or 0) > 1000
