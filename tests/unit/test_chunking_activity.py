"""Speech activity: block by block it is what it is in one piece."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speechpipe.audio import RATE, Pcm, decode, write_array
from speechpipe.chunking import FRAME_SAMPLES, activity, speech_probabilities


@pytest.fixture
def talk(speech: Path, tmp_path: Path) -> Pcm:
    decoded = decode(speech / "jfk" / "jfk_16k.wav", tmp_path, "auto")
    return Pcm(tmp_path / decoded.lanes[0].file)


def whole(pcm: Pcm) -> np.ndarray:
    """The model's own call on all of it; a frame more is given, since the call zeroes the last 64 samples."""
    from faster_whisper.vad import get_vad_model

    sound = pcm.at(0, pcm.samples)
    return np.asarray(get_vad_model()(np.pad(sound, (0, -len(sound) % 512 + 512)))).reshape(-1)[:-1]


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
