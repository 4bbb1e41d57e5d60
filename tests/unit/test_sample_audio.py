"""The sample archive is whole, small, and its references fit the sound they speak of."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

MEDIA = ("slate.wav", "reel-12.flac", "interview.wav", "film.mp4", "innspilling.wav", "no-speech.mp3")
SPEECH = MEDIA[:-1]


def reference(folder: Path, name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / f"{name}.reference.json").read_text(encoding="utf-8"))
    return loaded


def sound(path: Path) -> np.ndarray:
    """Channels × samples at 16 kHz."""
    parts = []
    with av.open(str(path)) as media:
        stream = media.streams.audio[0]
        resampler = av.AudioResampler("fltp", stream.layout, 16_000)
        for frame in media.decode(stream):
            parts += [piece.to_ndarray() for piece in resampler.resample(frame)]
        parts += [piece.to_ndarray() for piece in resampler.resample(None)]
    return np.concatenate(parts, axis=1)


def loudness(channel: np.ndarray, start_ms: int, end_ms: int) -> float:
    return float(np.sqrt(np.mean(channel[max(0, start_ms) * 16 : end_ms * 16] ** 2)))


@pytest.fixture(scope="module")
def samples(root: Path) -> Path:
    return root / "sample_audio"


def test_the_folder_holds_what_its_readme_names_and_nothing_else(samples: Path) -> None:
    named = set(re.findall(r"^\| `([^`]+)` \|", (samples / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert named == {*MEDIA, "broken.wav"}
    extra = {"README.md", "build.py", "voices.py"} | {f"{name}.reference.json" for name in MEDIA}
    assert {path.name for path in samples.iterdir() if path.is_file()} == named | extra


def test_it_is_under_ten_megabytes(samples: Path) -> None:
    assert sum(path.stat().st_size for path in samples.iterdir() if path.is_file()) < 10_000_000


def test_its_licence_is_stated(samples: Path) -> None:
    assert "CC0 1.0" in (samples / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MEDIA)
def test_a_reference_is_about_its_file_and_its_text_is_its_words(samples: Path, name: str) -> None:
    known = reference(samples, name)
    assert known["media"] == name
    assert known["text"] == " ".join(word["text"] for word in known["words"])
    assert "not made by a recogniser" in known["source"]


@pytest.mark.parametrize("name", SPEECH)
def test_words_follow_one_another_within_the_recording(samples: Path, name: str) -> None:
    words = reference(samples, name)["words"]
    duration_ms = sound(samples / name).shape[1] / 16
    assert len(words) >= 14
    last_end = 0
    for word in words:
        assert last_end <= word["start_ms"] < word["end_ms"] <= duration_ms
        last_end = word["end_ms"]


@pytest.mark.parametrize("name", SPEECH)
def test_every_word_is_heard_where_the_reference_has_it(samples: Path, name: str) -> None:
    channels = sound(samples / name)
    for word in reference(samples, name)["words"]:
        assert loudness(channels[word["channel"] or 0], word["start_ms"], word["end_ms"]) > 0.01, word


@pytest.mark.parametrize("name", ("slate.wav", "film.mp4", "interview.wav"))
def test_between_announcements_there_is_only_hiss(samples: Path, name: str) -> None:
    channels = sound(samples / name)
    words = reference(samples, name)["words"]
    pauses = [(a, b) for a, b in pairwise(words) if b["start_ms"] - a["end_ms"] > 400]
    assert pauses
    for before, after in pauses:
        for channel in channels:
            assert loudness(channel, before["end_ms"] + 30, after["start_ms"] - 30) < 0.004, (before, after)


def test_each_speaker_of_the_interview_has_a_channel_alone(samples: Path) -> None:
    channels = sound(samples / "interview.wav")
    words = reference(samples, "interview.wav")["words"]
    assert {word["channel"] for word in words} == {0, 1} == set(range(len(channels)))
    for word in words:
        assert loudness(channels[1 - word["channel"]], word["start_ms"], word["end_ms"]) < 0.004, word


@pytest.mark.parametrize("name", sorted(set(SPEECH) - {"interview.wav"}))
def test_words_of_a_single_channel_name_none(samples: Path, name: str) -> None:
    assert {word["channel"] for word in reference(samples, name)["words"]} == {None}


def test_the_reel_lasts_some_minutes_with_long_stretches_without_speech(samples: Path) -> None:
    channel = sound(samples / "reel-12.flac")[0]
    assert 120 <= len(channel) / 16_000 <= 180
    words = reference(samples, "reel-12.flac")["words"]
    gaps = [b["start_ms"] - a["end_ms"] for a, b in pairwise(words)]
    assert sum(gap > 9_000 for gap in gaps) >= 4
    assert max_run_of_zeros(channel) >= 10 * 16_000


def test_nobody_speaks_where_no_speech_is_promised(samples: Path) -> None:
    known = reference(samples, "no-speech.mp3")
    assert (known["language"], known["text"], known["words"]) == (None, "", [])
    assert loudness(sound(samples / "no-speech.mp3")[0], 2_000, 20_000) > 0.01


def test_the_film_has_a_moving_picture(samples: Path) -> None:
    with av.open(str(samples / "film.mp4")) as media:
        assert [stream.type for stream in media.streams] == ["video", "audio"]
        frames = [frame.to_ndarray(format="gray") for frame in media.decode(video=0)]
    assert len(frames) > 50
    assert np.abs(frames[0].astype(int) - frames[40].astype(int)).max() > 100


def test_a_second_language_is_there(samples: Path) -> None:
    known = reference(samples, "innspilling.wav")
    assert known["language"] == "nb"
    assert "bånd" in known["text"]


def test_the_broken_file_is_no_sound(samples: Path) -> None:
    with pytest.raises(av.error.InvalidDataError):
        av.open(str(samples / "broken.wav"))


@pytest.mark.parametrize("name", SPEECH)
def test_every_word_is_one_that_the_embedded_models_know(samples: Path, root: Path, name: str) -> None:
    """The samples show the way of a recording, not what a large model can read: they keep to the domain."""
    scope: dict[str, Any] = {"__name__": "domain"}
    exec(compile((root / "models/recipes/domain.py").read_text(encoding="utf-8"), "domain.py", "exec"), scope)
    known = reference(samples, name)
    vocabulary = set(scope["vocabulary"]("no" if known["language"] == "nb" else "en"))
    assert {word["text"] for word in known["words"]} <= vocabulary


def test_the_voices_are_held_out_of_training(samples: Path, root: Path) -> None:
    recipe = (root / "models/recipes/synth.py").read_text(encoding="utf-8")
    trained = set(re.search(r"ESPEAK_VARIANTS = \((.*?)\)\.split", recipe, re.DOTALL)[1].replace('"', " ").split())  # type: ignore[index]
    used = set(re.findall(r'"espeak:[a-z0-9-]+\+(\w+)"', (samples / "build.py").read_text(encoding="utf-8")))
    assert used == {"Michael", "robert", "steph3", "michel"}
    assert not used & trained
    assert re.search(r'FLITE_VOICES = \["slt", "awb", "kal16"\]', recipe)


def max_run_of_zeros(channel: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[1], np.abs(channel) > 1e-6, [1]]).astype(int)))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0
