"""What is judged of the channels by probes, and what turns out wrong while the recording is decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speechpipe.audio import RATE, Channel, Decoded, Pcm, write_array
from speechpipe.audio.channels import Layout
from speechpipe.audio.watch import Watch


@pytest.fixture(scope="module", name="talk")
def longer_talk(talk: np.ndarray) -> np.ndarray:
    """40 s of speech."""
    return np.resize(talk, 40 * RATE)


def layout(policy: str, *groups: dict[int, int], channels: int = 2, dc: float = 0.0) -> Layout:
    return Layout(groups, policy, tuple(Channel(-3.0, -20.0, dc, 0.0) for _ in range(channels)))


def warnings(how: Layout, *channels: np.ndarray, block: int = 7_000) -> tuple[str, ...]:
    watch, sound = Watch(how), np.stack(channels).astype(np.float32)
    for start in range(0, sound.shape[1], block):
        watch.see(sound[:, start : start + block])
    return watch.warnings()


def test_all_is_well_where_the_judgement_holds(talk: np.ndarray) -> None:
    assert warnings(layout("mix", {0: 1, 1: 1}), talk, 0.5 * talk) == ()
    assert warnings(layout("polarity", {0: 1, 1: -1}), talk, -talk) == ()
    assert warnings(layout("live", {0: 1}), talk, 0 * talk) == ()


@pytest.mark.parametrize("block", [100, 7_000, 10**7])
def test_a_channel_left_out_that_speaks_later(talk: np.ndarray, block: int) -> None:
    late = np.where(np.arange(len(talk)) > 30 * RATE, talk, 0)
    found = warnings(layout("live", {0: 1}), talk, late, block=block)
    assert len(found) == 1
    assert found[0].startswith("Channel 2 was left out, but carries sound at 0:00:")


def test_channels_that_cancel_from_some_time_on(talk: np.ndarray) -> None:
    sound = np.tile(talk, 3)
    turned = np.where(np.arange(len(sound)) > 60 * RATE, -sound, sound)
    assert warnings(layout("mix", {0: 1, 1: 1}), sound, turned) == (
        "Channels 1 and 2 were averaged, but cancel each other at 0:01:00–0:02:00",
    )


def test_channels_that_part(talk: np.ndarray) -> None:
    sound = np.tile(talk, 3)
    other = np.where(np.arange(len(sound)) > 60 * RATE, np.roll(sound, 4 * RATE), sound)
    (found,) = warnings(layout("mix", {0: 1, 1: 1}), sound, other)
    assert found == "Channels 1 and 2 were averaged, but carry different sound at 0:01:00–0:02:00"


def test_an_offset_is_no_sound(talk: np.ndarray) -> None:
    constant = np.full(len(talk), 0.3)
    assert warnings(layout("live", {0: 1}, dc=0.3), talk + 0.3, constant) == ()


def test_a_steady_channel_that_begins_to_speak(talk: np.ndarray) -> None:
    how = Layout(({0: 1},), "live", (Channel(-3.0, -20.0, 0.0, 0.0),) * 2, steady=(1,))
    tone = 0.1 * np.sin(np.arange(len(talk)))
    assert warnings(how, talk, tone) == ()
    (found,) = warnings(how, talk, tone + np.where(np.arange(len(talk)) > 20 * RATE, talk, 0))
    assert found.startswith("Channel 2 was left out, but carries sound")


def test_nothing_is_watched_where_nothing_was_decided() -> None:
    assert Watch(layout("split", {0: 1}, {1: 1})).idle
    assert Watch(layout("channel", {0: 1})).idle
    assert not Watch(layout("live", {0: 1})).idle


def test_only_the_first_stretches_are_named(talk: np.ndarray) -> None:
    sound = np.tile(talk[: 30 * RATE], 14)
    late = sound * (np.arange(len(sound)) // (30 * RATE) % 2)
    (found,) = warnings(layout("live", {0: 1}), sound, late)
    assert found.count("–") == 5
    assert found.endswith("and 2 more stretches")


# What probes decide.


def auto(folder: Path, *channels: np.ndarray) -> Decoded:
    return write_array(np.stack(channels, axis=1), RATE, folder)


def hum(samples: int, hertz: float = 50.0) -> np.ndarray:
    return 0.2 * np.sin(2 * np.pi * hertz * np.arange(samples) / RATE)


def timecode(samples: int) -> np.ndarray:
    """Linear timecode at 25 frames of 80 bits: a square wave that turns at each bit, and in the middle of each 1."""
    bits = np.random.default_rng(3).integers(0, 2, samples * 2_000 // RATE + 1)
    turns = np.repeat(np.stack([np.ones_like(bits), bits], axis=1).ravel(), RATE // 4_000)[:samples]
    starts = np.zeros(samples)
    starts[:: RATE // 4_000] = turns[:: RATE // 4_000]
    return 0.4 * np.cumprod(np.where(starts == 1, -1, 1))


@pytest.mark.parametrize("make", [hum, timecode, lambda n: hum(n, 1_000.0)], ids=["hum", "timecode", "line-up tone"])
def test_a_channel_of_hum_tone_or_timecode_is_skipped(tmp_path: Path, talk: np.ndarray, make: object) -> None:
    decoded = auto(tmp_path, make(len(talk)), talk)  # type: ignore[operator]
    assert (decoded.policy, [lane.channel for lane in decoded.lanes]) == ("live", [1])
    assert decoded.warnings == ("Nothing but a steady sound (hum, tone or timecode) is on channel 1",)
    kept = Pcm(tmp_path / decoded.lanes[0].file).read(0, decoded.duration_ms)
    np.testing.assert_allclose(kept, talk, atol=1e-3)


def test_speech_in_noise_is_not_steady(tmp_path: Path, talk: np.ndarray) -> None:
    noise = np.random.default_rng(4).standard_normal(len(talk)) * 0.02
    decoded = auto(tmp_path, np.roll(talk, 9 * RATE) * 0.3 + noise, talk)
    assert [lane.channel for lane in decoded.lanes] == [0, 1]


def test_steady_sound_alone_is_kept(tmp_path: Path, talk: np.ndarray) -> None:
    assert auto(tmp_path, hum(len(talk)), hum(len(talk))).lanes != ()


def test_a_very_quiet_recording_is_raised_and_says_so(tmp_path: Path, talk: np.ndarray) -> None:
    quiet = 0.02 * talk
    decoded = auto(tmp_path, quiet)
    assert decoded.gain == pytest.approx(10 ** ((-6 - decoded.channels[0].peak_dbfs) / 20), rel=1e-3)  # type: ignore[operator]
    assert "very low" in decoded.warnings[0]
    kept = Pcm(tmp_path / "lane-0.s16").read(0, decoded.duration_ms)
    np.testing.assert_allclose(kept, quiet * decoded.gain, atol=1e-3)


def test_silence_is_not_raised(tmp_path: Path) -> None:
    hiss = np.random.default_rng(5).standard_normal(10 * RATE) * 1e-4
    assert auto(tmp_path, hiss).gain == 1.0


def test_an_offset_is_taken_off(tmp_path: Path, talk: np.ndarray) -> None:
    decoded = auto(tmp_path, 0.5 * talk + 0.2)
    assert decoded.channels[0].dc == pytest.approx(0.2, abs=2e-3)
    assert abs(Pcm(tmp_path / "lane-0.s16").read(0, decoded.duration_ms).mean()) < 1e-3


def test_clipping_is_told(tmp_path: Path, talk: np.ndarray) -> None:
    decoded = auto(tmp_path, np.clip(8 * talk, -1, 1))
    assert decoded.channels[0].clipped > 0.01
    assert decoded.warnings == ("The sound is clipped on channel 1",)
    assert auto(tmp_path / "b", talk).channels[0].clipped == 0
