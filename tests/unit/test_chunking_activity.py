"""Speech activity: block by block it is what it is in one piece."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from speechpipe.audio import RATE, Pcm, decode, write_array
from speechpipe.chunking import FRAME_SAMPLES, Window, activity, plan_windows, speech_probabilities
from speechpipe.settings.chunking import Chunking
from tests.containers import read_channels


@pytest.fixture(name="talk")
def talk_as_lane(talk: np.ndarray, tmp_path: Path) -> Pcm:
    return Pcm(tmp_path / write_array(talk, RATE, tmp_path).lanes[0].file)


def whole(pcm: Pcm) -> np.ndarray:
    """The model's own call on all of it behind two seconds of silence; a frame more is given, since the call zeroes
    the last 64 samples."""
    from faster_whisper.vad import get_vad_model

    sound = pcm.at(0, pcm.samples)
    padded = np.pad(sound, (64 * 512, -len(sound) % 512 + 512))
    return np.asarray(get_vad_model()(padded)).reshape(-1)[64:-1]


@pytest.mark.parametrize("frames", [1, 7, 64, 100_000])
def test_blocks_make_no_difference(talk: Pcm, monkeypatch: pytest.MonkeyPatch, frames: int) -> None:
    monkeypatch.setattr(activity, "BLOCK_SAMPLES", frames * activity.FRAME_SAMPLES)
    found = speech_probabilities(talk)
    assert (found.dtype, found.shape) == (np.float32, (-(-talk.samples // FRAME_SAMPLES),))
    np.testing.assert_allclose(found, whole(talk), atol=1e-5)


def test_speech_is_told_from_silence(talk: Pcm) -> None:
    found = speech_probabilities(talk)
    assert found.max() > 0.95
    assert (found > 0.5).mean() > 0.5


def test_silence_has_no_speech(tmp_path: Path) -> None:
    write_array(np.zeros(5 * RATE + 1), RATE, tmp_path)
    found = speech_probabilities(Pcm(tmp_path / "lane-0.s16"))
    assert len(found) == 157
    assert found.max() < 0.2


def test_nothing_gives_nothing(tmp_path: Path) -> None:
    write_array(np.zeros(0), RATE, tmp_path)
    found = speech_probabilities(Pcm(tmp_path / "lane-0.s16"))
    assert (found.dtype, found.shape) == (np.float32, (0,))


def test_it_goes_on_where_an_activity_stands_and_tells_of_each_block(talk: Pcm) -> None:
    told: list[np.ndarray] = []
    begun, reports = activity.Activity(told.append), list[tuple[int, int]]()
    begun.hear(talk.at(0, activity.BLOCK_SAMPLES))
    assert (begun.samples, len(begun.probabilities)) == (activity.BLOCK_SAMPLES, 64)
    found = speech_probabilities(talk, lambda done, total: reports.append((done, total)), begun)
    np.testing.assert_array_equal(found, speech_probabilities(talk))
    np.testing.assert_array_equal(np.concatenate(told), found)
    assert (reports[0], reports[-1]) == ((4_096, 11_000), (11_000, 11_000))


@pytest.fixture(scope="module")
def digits(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    """A single word each, cut close: those in which speech is least sure."""
    folder = tmp_path_factory.mktemp("digits")
    found = []
    for file in sorted((speech / "fsdd").rglob("2_george_*.flac")):
        with Pcm(folder / decode(file, folder).lanes[0].file) as pcm:
            found.append(pcm.at(0, pcm.samples))
    assert len(found) == 50
    return found


def windows_of(sound: np.ndarray, folder: Path) -> list[Window]:
    write_array(sound.astype(np.float64), RATE, folder)
    with Pcm(folder / "lane-0.s16") as pcm:
        return plan_windows(speech_probabilities(pcm), pcm.duration_ms, Chunking())


def test_a_recording_of_one_short_word_has_a_window(root: Path, tmp_path: Path) -> None:
    words, lost = 0, []
    for reference in sorted((root / "sample_audio").glob("*.wav.reference.json")):
        sound = read_channels(reference.with_name(reference.name.removesuffix(".reference.json")))
        for word in json.loads(reference.read_text())["words"]:
            if word["end_ms"] - word["start_ms"] >= 100:  # a shorter one is a part of a syllable
                words += 1
                span = slice(word["start_ms"] * 16, word["end_ms"] * 16)
                lost += [] if windows_of(sound[span, word["channel"] or 0], tmp_path) else [word["text"]]
    assert words > 60
    assert lost == []


def test_so_has_one_by_a_person(digits: list[np.ndarray], tmp_path: Path) -> None:
    lost = [number for number, digit in enumerate(digits) if not windows_of(digit, tmp_path)]
    assert lost == []


def test_few_faint_words_between_long_pauses_are_lost(digits: list[np.ndarray], tmp_path: Path) -> None:
    rng, at, pieces, places = np.random.default_rng(1), 0, list[np.ndarray](), list[tuple[int, int]]()
    for digit in digits:
        pause = int(rng.uniform(2.2, 4) * RATE)
        pieces += [np.zeros(pause), digit]
        places.append(((at + pause) // 16, (at + pause + len(digit)) // 16))
        at += pause + len(digit)
    windows = windows_of(np.concatenate(pieces) + 1e-3 * rng.standard_normal(at), tmp_path)
    lost = [span for span in places if not any(w.start_ms < span[1] and w.end_ms > span[0] for w in windows)]
    empty = [w for w in windows if not any(w.start_ms < end and w.end_ms > start for start, end in places)]
    assert len(lost) <= 10  # 8 of the worst speaker and word, where a threshold of a half loses 20
    assert empty == []
