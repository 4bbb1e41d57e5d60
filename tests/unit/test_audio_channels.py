"""Which channels become which lanes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speechpipe.audio import RATE, Decoded, Pcm, decode, write_array
from speechpipe.audio.channels import parse
from speechpipe.errors import UsageError


@pytest.fixture(scope="module", name="talk")
def longer_talk(talk: np.ndarray) -> np.ndarray:
    """20 s of speech."""
    return np.resize(talk, 20 * RATE)


def hiss(samples: int, dbfs: float, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(samples) * 10 ** (dbfs / 20)


def auto(folder: Path, *channels: np.ndarray) -> Decoded:
    return write_array(np.stack(channels, axis=1), RATE, folder)


def sound(folder: Path, decoded: Decoded, lane: int = 0) -> np.ndarray:
    return Pcm(folder / decoded.lanes[lane].file).read(0, decoded.duration_ms)


def test_the_same_on_both_channels_is_one_lane(tmp_path: Path, talk: np.ndarray) -> None:
    decoded = auto(tmp_path, talk + hiss(len(talk), -60, 1), 0.6 * talk + hiss(len(talk), -60, 2))
    assert (decoded.policy, [lane.channel for lane in decoded.lanes]) == ("mix", [None])
    np.testing.assert_allclose(sound(tmp_path, decoded), 0.8 * talk, atol=0.01)
    assert [path.name for path in tmp_path.iterdir()] == ["lane-0.s16"]


def test_a_quiet_copy_is_still_a_copy(tmp_path: Path, talk: np.ndarray) -> None:
    assert auto(tmp_path, talk, 0.05 * talk).policy == "mix"


@pytest.mark.parametrize("channels", ["auto", "mix"])
def test_inverted_channels_do_not_cancel(tmp_path: Path, talk: np.ndarray, channels: str) -> None:
    decoded = write_array(np.stack([talk, -talk], axis=1), RATE, tmp_path, channels)
    assert decoded.policy == "polarity"
    assert decoded.warnings == ("Inverted polarity corrected on channel 2",)
    np.testing.assert_allclose(sound(tmp_path, decoded), talk, atol=1e-3)


@pytest.mark.parametrize("dbfs", [-200, -70])
def test_a_dead_channel_is_left_out(tmp_path: Path, talk: np.ndarray, dbfs: float) -> None:
    decoded = auto(tmp_path, hiss(len(talk), dbfs), talk)
    assert (decoded.policy, [lane.channel for lane in decoded.lanes]) == ("live", [1])
    assert decoded.warnings == ("Nothing is recorded on channel 1",)
    np.testing.assert_allclose(sound(tmp_path, decoded), talk, atol=1e-3)


def test_silence_on_every_channel_is_one_silent_lane(tmp_path: Path) -> None:
    decoded = auto(tmp_path, np.zeros(RATE), np.zeros(RATE))
    assert (decoded.policy, decoded.duration_ms, decoded.warnings) == ("mix", 1_000, ())


@pytest.mark.parametrize("bleed", [0.0, 0.05, 0.2])
def test_people_who_take_turns_on_their_own_channels_stay_apart(tmp_path: Path, talk: np.ndarray, bleed: float) -> None:
    turn = (np.arange(len(talk)) // (4 * RATE)) % 2 == 0
    left, right = talk * turn, np.roll(talk, 3 * RATE) * ~turn
    decoded = auto(
        tmp_path, left + bleed * right + hiss(len(talk), -55, 1), right + bleed * left + hiss(len(talk), -55, 2)
    )
    assert (decoded.policy, [lane.channel for lane in decoded.lanes]) == ("split", [0, 1])
    assert np.corrcoef(sound(tmp_path, decoded, 1), right)[0, 1] > 0.95


def test_one_speaker_a_channel_in_a_whole_recording(tmp_path: Path, root: Path) -> None:
    decoded = decode(root / "sample_audio" / "interview.wav", tmp_path, "auto")
    assert (decoded.policy, [lane.channel for lane in decoded.lanes]) == ("split", [0, 1])


def test_one_speaker_a_channel_in_a_real_recording(tmp_path: Path, speech: Path) -> None:
    decoded = decode(speech / "faster_whisper" / "stereo_diarization.wav", tmp_path, "auto")
    assert (decoded.policy, [lane.channel for lane in decoded.lanes]) == ("split", [0, 1])


@pytest.mark.parametrize("name", ["danspeech_da/u0042008.flac", "google_speech/multi.flac", "misc_speech/lullaby.mp3"])
def test_stereo_recordings_of_one_scene_are_mixed(tmp_path: Path, speech: Path, name: str) -> None:
    assert decode(speech / name, tmp_path, "auto").policy == "mix"


def test_two_microphones_in_a_room_hear_the_same(tmp_path: Path, talk: np.ndarray) -> None:
    """Each 5 ms later and 6 dB weaker on the far side, people taking turns: splitting would double every word."""
    turn = (np.arange(len(talk)) // (4 * RATE)) % 2 == 0
    near, far = talk * turn, np.roll(talk, 3 * RATE) * ~turn
    late = RATE // 200
    assert auto(tmp_path, near + 0.5 * np.roll(far, late), far + 0.5 * np.roll(near, late)).policy == "mix"


def test_four_tracks_are_grouped_by_what_they_carry(tmp_path: Path, talk: np.ndarray) -> None:
    other = np.roll(talk, 7 * RATE)[::-1]
    decoded = auto(tmp_path, talk, 0.7 * talk, other, np.zeros(len(talk)))
    assert (decoded.policy, [lane.channel for lane in decoded.lanes]) == ("groups", [0, 2])
    assert decoded.warnings == ("Nothing is recorded on channel 4",)
    np.testing.assert_allclose(sound(tmp_path, decoded, 1), other, atol=1e-3)


def test_a_channel_by_number_counts_from_one(tmp_path: Path, talk: np.ndarray) -> None:
    decoded = write_array(np.stack([np.zeros(len(talk)), talk], axis=1), RATE, tmp_path, "2")
    assert (decoded.policy, [lane.channel for lane in decoded.lanes]) == ("channel", [1])
    np.testing.assert_allclose(sound(tmp_path, decoded), talk, atol=1e-3)


def test_a_channel_that_is_not_there_is_a_usage_error_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has 2 channels; there is no channel 3"):
        write_array(np.zeros((100, 2)), RATE, tmp_path / "out", "3")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("word", ["", "0", "-1", "1.5", "left", "²", "split mix"])
def test_other_words_are_usage_errors(word: str) -> None:
    with pytest.raises(UsageError, match="not possible"):
        parse(word)


@pytest.mark.parametrize(
    ("word", "means"), [("auto", "auto"), (" Mix ", "mix"), ("SPLIT", "split"), ("1", 0), ("12", 11)]
)
def test_words_and_numbers(word: str, means: str | int) -> None:
    assert parse(word) == means


def test_sixty_four_channels_are_read_and_more_refused(tmp_path: Path) -> None:
    assert len(write_array(np.zeros((500, 64)), RATE, tmp_path, "split").lanes) == 64
    with pytest.raises(UsageError, match="shape"):
        write_array(np.zeros((500, 65)), RATE, tmp_path, "split")
