"""Two languages on one tape, put together from the sample recordings: heard, routed, labelled, resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import jiwer
import pytest
from pydub import AudioSegment

from speechpipe import Settings, Transcriber, Transcript, transcribe
from speechpipe.errors import UnknownLanguage, UnknownModel
from speechpipe.workspace import Journal

WHISPER, WAV2VEC2 = "whisper-tiny-archive", "wav2vec2-tiny-archive"
PIECES = (("en", "slate.wav"), ("nb", "innspilling.wav"), ("en", "slate.wav"), ("nb", "innspilling.wav"))
PAUSE_MS = 900


@pytest.fixture(scope="module")
def tape(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """English, Norwegian, English, Norwegian, with less than a second between them."""
    whole = AudioSegment.empty()
    for _, name in PIECES:
        whole += AudioSegment.from_wav(root / "sample_audio" / name).set_channels(1).set_frame_rate(16_000)
        whole += AudioSegment.silent(PAUSE_MS, frame_rate=16_000)
    path = tmp_path_factory.mktemp("tape") / "two-languages.wav"
    whole.export(path, format="wav")
    return path


@pytest.fixture(scope="module")
def edges(root: Path) -> list[int]:
    """Where each piece begins, and where the last ends."""
    lengths = [len(AudioSegment.from_wav(root / "sample_audio" / name)) + PAUSE_MS for _, name in PIECES]
    return [sum(lengths[:i]) for i in range(len(lengths) + 1)]


def settings(work: Path, **more: object) -> Settings:
    return Settings.load(model=WHISPER, language="auto-segment", workspace=work, decoding={"batch_size": 2}, **more)


def spoken(root: Path, name: str) -> str:
    return str(json.loads((root / "sample_audio" / f"{name}.reference.json").read_text())["text"])


@pytest.fixture(scope="module")
def routed(tape: Path, tmp_path_factory: pytest.TempPathFactory) -> Transcript:
    return transcribe(tape, settings=settings(tmp_path_factory.mktemp("work"), models={"nb": WAV2VEC2}))


@pytest.fixture(scope="module", params=["one model", "two models"])
def heard(request: pytest.FixtureRequest, routed: Transcript, tape: Path, tmp_path_factory: Any) -> Transcript:
    if request.param == "two models":
        return routed
    return transcribe(tape, settings=settings(tmp_path_factory.mktemp("work")))


def test_every_segment_has_the_language_that_is_spoken(heard: Transcript, edges: list[int]) -> None:
    assert heard.languages == ("en", "nb")
    for segment in heard.segments:
        middle = (segment.start_ms + segment.end_ms) // 2
        (truth,) = (PIECES[i][0] for i, (a, b) in enumerate(pairwise(edges)) if a <= middle < b)
        assert segment.language == truth, segment


def test_both_languages_are_recognised_and_timed(heard: Transcript, root: Path) -> None:
    said = " ".join(spoken(root, name) for _, name in PIECES)
    assert jiwer.wer(" ".join(said.split()), " ".join(heard.text.split())) <= 0.3
    assert all(word.timing == "aligned" for word in heard.words)


def test_provenance_has_a_step_for_each_model(heard: Transcript) -> None:
    steps = [step for step in heard.steps if step.what == "transcribe"]
    counted: dict[str, int] = {}
    for step in steps:
        assert step.model_sha256 and step.settings["language"] == "auto-segment"
        assert "Viterbi" in step.settings["language_smoothing"]
        for language, count in step.settings["windows"].items():
            counted[language] = counted.get(language, 0) + count
    assert sorted(counted) == ["en", "nb"] and all(counted.values())
    assert len({step.model for step in steps}) == len(steps)
    assert [step.what for step in heard.steps][-1] == "align"
    assert all(any(step.model in warning for warning in heard.warnings) for step in steps if step.model)


def test_routes_name_both_models(routed: Transcript) -> None:
    assert [(step.model, step.software) for step in routed.steps if step.what == "transcribe"] == [
        (WHISPER, "faster-whisper"),
        (WAV2VEC2, "wav2vec2"),
    ]
    whisper, wav2vec2 = (step.settings for step in routed.steps if step.what == "transcribe")
    assert (whisper["beam_size"], whisper["batch_size"]) == (5, 2)
    assert "beam_size" not in wav2vec2  # it has none
    assert wav2vec2["batch_size"] == 2


def test_languages_that_are_not_allowed_are_not_heard(tape: Path, tmp_path: Path) -> None:
    """A Norwegian half under English only: no phantom, no failure; what does not sound English is marked."""
    english = transcribe(tape, settings=settings(tmp_path, languages=("en",)))
    assert english.languages == ("en",)
    marked = [segment for segment in english.segments if "language_uncertain" in segment.flags]
    assert marked and len(marked) < len(english.segments)
    assert any("windows is uncertain" in warning for warning in english.warnings)


def test_an_engine_that_cannot_tell_languages_still_transcribes(root: Path, tmp_path: Path) -> None:
    alone = settings(tmp_path).with_(model=WAV2VEC2)
    heard = transcribe(root / "sample_audio" / "slate.wav", settings=alone)
    assert heard.outcome == "speech" and heard.languages == ()


def test_the_model_that_can_tell_languages_is_asked_where_the_main_one_cannot(root: Path, tmp_path: Path) -> None:
    routed = settings(tmp_path, models={"nb": WHISPER}).with_(model=WAV2VEC2)
    assert transcribe(root / "sample_audio" / "innspilling.wav", settings=routed).languages == ("nb",)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"models": {"xx": WHISPER}}, UnknownLanguage),
        ({"models": {"nb": "whispr"}}, UnknownModel),
        ({"languages": ("xx",)}, UnknownLanguage),
        ({"languages": ("sv",)}, UnknownModel),
    ],
)
def test_a_route_that_leads_nowhere_is_refused_before_any_work(
    wrong: dict[str, object], error: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(error):
        Transcriber(settings(tmp_path, models_folder=tmp_path / "store", **wrong))
    assert not list(tmp_path.rglob("*.jsonl"))


WORK = """
import sys
from speechpipe import Settings, transcribe
def say(stage, done, total):
    print(stage, done, flush=True)
settings = Settings.load(model="whisper-tiny-archive", language="auto-segment", workspace=sys.argv[2],
                         models={"nb": "wav2vec2-tiny-archive"}, decoding={"batch_size": 2})
transcribe(sys.argv[1], settings=settings, progress=say)
"""


@pytest.mark.parametrize("reports", [2, 13])
def test_killed_while_listening_or_recognising_it_goes_on_to_the_same_words(
    reports: int, routed: Transcript, tape: Path, root: Path, tmp_path: Path
) -> None:
    torn = tmp_path / "torn"
    run = subprocess.Popen(
        [sys.executable, "-c", WORK, str(tape), str(torn)], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert run.stdout
    seen = 0
    for line in run.stdout:
        seen += line.startswith("transcribe") and line != "transcribe 0\n"
        if seen == reports:
            break
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    kept = {path: Journal(path).read() for path in torn.rglob("*.jsonl")}
    assert sum(map(len, kept.values())) >= reports - 1  # where listening ends is reported twice
    again = transcribe(tape, settings=settings(torn, models={"nb": WAV2VEC2}))
    assert again.segments == routed.segments
    for path, lines in kept.items():  # nothing that was done is done twice
        assert Journal(path).read()[: len(lines)] == lines
        numbers = [number for line in Journal(path).read() for number in line["windows"]]
        assert len(numbers) == len(set(numbers))


def test_the_whole_under_one_language_says_how_sure_that_is(root: Path, tape: Path, tmp_path: Path) -> None:
    sure = transcribe(root / "sample_audio" / "innspilling.wav", settings=settings(tmp_path).with_(language=None))
    (step,) = (step for step in sure.steps if step.what == "transcribe")
    assert step.settings["language"] == "nb" and step.settings["language_probability"] > 0.9
    assert step.settings["language_places"] == 5 and step.settings["language_probabilities"]["nb"] > 0.9
    assert not any("uncertain" in warning for warning in sure.warnings)
    torn = transcribe(tape, settings=settings(tmp_path).with_(language=None))
    (step,) = (step for step in torn.steps if step.what == "transcribe")
    assert {code: p > 0.1 for code, p in step.settings["language_probabilities"].items()} == {"nb": True, "en": True}
