"""The second search on real speech: the same times and confidences as the first, wildcards among the words."""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from speechpipe import Settings, Transcriber, transcribe
from speechpipe.alignment import FALLBACK, METHODS, align, described
from speechpipe.emissions import Emissions
from speechpipe.engines import load_acoustic_model
from speechpipe.engines.contract import ModelFiles
from speechpipe.settings.decoding import Decoding

pytestmark = pytest.mark.extra

ROOT = Path(__file__).resolve().parents[2]
MODEL = ModelFiles("tiny", ROOT / "models" / "wav2vec2-tiny-archive", "wav2vec2-ctc")
SLATE = ROOT / "sample_audio" / "slate.wav"


@pytest.fixture(scope="module")
def heard() -> tuple[str, Emissions, int]:
    """The slate: its text as written down, its emissions, its length in ms."""
    with wave.open(str(SLATE)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32_768
    words = json.loads(SLATE.with_name("slate.wav.reference.json").read_text())["words"]
    emissions = load_acoustic_model(MODEL, Decoding(threads=1)).emissions([pcm])[0]
    assert emissions is not None
    return " ".join(word["text"] for word in words), emissions, len(pcm) // 16


TEXTS = {
    "as said": str,
    "digits are wildcards": lambda text: text.replace("four one seven", "4 1 7").replace("fifty four", "54"),
    "foreign letters are wildcards": lambda text: text.replace("bergen", "Берген").replace("mary", "マリー"),
    "punctuation and capitals": lambda text: text.title().replace(" ", ", ") + ".",
    "other words than were said": lambda text: " ".join(reversed(text.split())),
    "one letter": lambda text: "a",
}


@pytest.mark.parametrize("case", TEXTS)
def test_both_methods_give_the_same_words(heard: tuple[str, Emissions, int], case: str) -> None:
    text, emissions, duration_ms = heard
    ours, theirs = (align(TEXTS[case](text), emissions, duration_ms, method) for method in METHODS)
    assert ours == theirs
    assert {word.timing for word in theirs.words} == {"aligned"}


def test_a_wildcard_for_silence_leaves_the_other_words_alone(heard: tuple[str, Emissions, int]) -> None:
    text, emissions, duration_ms = heard
    # Where in the silence at either end it lies cannot be told, and is not the same.
    ours, theirs = (align(f"1 {text} 2", emissions, duration_ms, method).words for method in METHODS)
    assert ours[1:-1] == theirs[1:-1] == align(text, emissions, duration_ms).words
    for words in (ours, theirs):
        assert (words[0].confidence, words[-1].confidence) == (None, None)


@pytest.mark.parametrize("method", METHODS)
def test_neighbouring_wildcards_part_at_pauses(heard: tuple[str, Emissions, int], method: str) -> None:
    text, emissions, duration_ms = heard
    before, *wild, after = align(text.replace("four one seven", "4 1 7"), emissions, duration_ms, method).words[:5]
    assert ([word.text for word in wild], before.text, after.text) == (["4", "1", "7"], "tape", "side")
    # Where they lie exactly nobody can tell, but none is a frame or two squeezed between the others.
    assert all((word.end_ms or 0) - (word.start_ms or 0) >= 100 for word in wild)
    apart = align(text, emissions, duration_ms).words
    assert (before, after) == (apart[0], apart[4])


def test_too_many_letters_for_the_frames_fall_back_alike(heard: tuple[str, Emissions, int]) -> None:
    text, emissions, duration_ms = heard
    found = [align(" ".join([text] * 20), emissions, duration_ms, method) for method in METHODS]
    assert found[0] == found[1]
    assert found[1].flags == (FALLBACK,)


def test_the_setting_reaches_the_transcript(tmp_path: Path) -> None:
    found = {}
    for method in METHODS:
        settings = Settings.load(
            model="whisper-tiny-archive", language="en", workspace=tmp_path, alignment={"method": method}
        )
        found[method] = transcribe(SLATE, settings=Transcriber(settings))
        (step,) = (step for step in found[method].steps if step.what == "align")
        assert step.settings["method"] == described(method)
    words = [[word for segment in one.segments for word in segment.words] for one in found.values()]
    assert words[0] == words[1] != []
    assert described("torchaudio").startswith("CTC, torchaudio 2.")


def test_without_torchaudio_the_command_that_installs_it_is_named_before_any_work() -> None:
    code = """
import sys
sys.modules["torchaudio"] = None
from speechpipe import Settings, Transcriber
from speechpipe.errors import DependencyError
try:
    Transcriber(Settings.load(model="whisper-tiny-archive", alignment={"method": "torchaudio"}))
except DependencyError as error:
    print(error.advice)
Transcriber(Settings.load(model="whisper-tiny-archive"))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'Install it with: pip install "speechpipe[torchaudio]"'
