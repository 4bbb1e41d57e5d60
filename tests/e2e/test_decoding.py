"""Every option of decoding gets from the settings to the engine, and changing one decodes anew."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speechpipe import Settings, Transcriber, Transcript, transcribe
from speechpipe.engines.contract import Clip, Options, Result
from speechpipe.errors import Interrupted, UsageError
from speechpipe.pipeline import Run
from speechpipe.pipeline.run import MACHINE
from speechpipe.repositories import FolderRepository

CHANGED: dict[str, Any] = {
    "beam_size": 1,
    "batch_size": 1,
    "prompt": "Reel four.",
    "vocabulary": ("Hitra", "Smøla"),
    "context": True,
    "fallback": "off",
}


class Asked:
    """A transcriber over the demonstration model that keeps what its engine was asked, and does it."""

    def __init__(self, workspace: Path, **decoding: Any) -> None:
        settings = Settings.load(
            model="whisper-tiny-archive", aligner="none", language="en", workspace=workspace, decoding=decoding
        )
        self.transcriber = Transcriber(settings)
        self.clips: list[list[Clip]] = []
        self.options: list[Options] = []
        self._engine = self.transcriber.engine_of(self.transcriber.routes.of("en"))
        self._transcribe = self._engine.transcribe
        self._engine.transcribe = self._keeping  # type: ignore[method-assign]

    def _keeping(self, clips: Sequence[Clip], options: Options) -> list[Result]:
        self.clips.append(list(clips))
        self.options.append(options)
        return self._transcribe(clips, options)

    def run(self, recording: Path, **more: Any) -> Transcript:
        return transcribe(recording, settings=self.transcriber, **more)


@pytest.fixture(scope="module")
def slate(root: Path) -> Path:
    return root / "sample_audio" / "slate.wav"


def test_every_option_is_tried_below() -> None:
    assert list(CHANGED) == [option.name for option in fields(Options)]


@pytest.mark.parametrize("option", CHANGED)
def test_an_option_that_changes_is_asked_for_and_decodes_anew(option: str, slate: Path, tmp_path: Path) -> None:
    first = Asked(tmp_path)
    first.run(slate)
    assert first.options == [Options()]
    again = Asked(tmp_path)
    again.run(slate)
    assert again.options == []
    changed = Asked(tmp_path, **{option: CHANGED[option]})
    transcript = changed.run(slate)
    assert set(changed.options) == {Options(**{option: CHANGED[option]})}
    (step,) = [step for step in transcript.steps if step.what == "transcribe"]
    assert step.settings[option] in (CHANGED[option], list(CHANGED[option]) if option == "vocabulary" else None)


@pytest.mark.parametrize("option", CHANGED)
def test_what_is_done_with_another_text_in_mind_is_not_done(option: str, slate: Path, tmp_path: Path) -> None:
    repository, item = FolderRepository.of_file(slate, tmp_path)
    keys = [
        Run(Transcriber(settings), repository, item).key
        for decoding in ({}, {option: CHANGED[option]})
        for settings in [Settings.load(model="whisper-tiny-archive", workspace=tmp_path, decoding=decoding)]
    ]
    assert (keys[0] == keys[1]) is (option in MACHINE)


def test_with_context_each_window_is_told_what_was_said_before_it(slate: Path, tmp_path: Path) -> None:
    asked = Asked(tmp_path, context=True)
    transcript = asked.run(slate)
    clips = [clip for batch in asked.clips for clip in batch]
    assert [len(batch) for batch in asked.clips] == [1] * len(clips)
    assert len(clips) > 1
    assert clips[0].prompt is None
    said = " ".join(segment.text for segment in transcript.segments)
    for clip in clips[1:]:
        assert clip.prompt
        assert clip.prompt in said


def test_without_context_nothing_is_told(slate: Path, tmp_path: Path) -> None:
    asked = Asked(tmp_path)
    asked.run(slate)
    assert {clip.prompt for batch in asked.clips for clip in batch} == {None}


@pytest.fixture(scope="module")
def garbled(slate: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The slate backwards, which nobody understands, a pause, and the slate."""
    with wave.open(str(slate)) as file:
        settings, pcm = file.getparams(), np.frombuffer(file.readframes(file.getnframes()), np.int16)
    path = tmp_path_factory.mktemp("garbled") / "garbled.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams(settings)
        file.writeframes(np.concatenate([pcm[::-1], np.zeros(48_000, np.int16), pcm]).tobytes())
    return path


@pytest.mark.parametrize(
    ("recording", "decoding"),
    [("slate", {"context": True}), ("slate", {"batch_size": 1}), ("garbled", {"batch_size": 2})],
)
def test_a_run_that_was_stopped_goes_on_with_the_same_words(
    recording: str, decoding: dict[str, Any], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path: Path = request.getfixturevalue(recording)
    whole = Asked(tmp_path / "whole", **decoding)
    expected = whole.run(path)
    flags = {flag for segment in expected.segments for flag in segment.flags}
    assert ("decoded_again" in flags) is (recording == "garbled")

    def stop(stage: str, done_ms: int, total_ms: int) -> None:
        if stage == "transcribe" and done_ms:
            raise Interrupted("stopped")

    first, second = (Asked(tmp_path / "parts", **decoding) for _ in range(2))
    with pytest.raises(Interrupted):
        first.run(path, progress=stop)
    found = second.run(path)
    assert found.segments == expected.segments
    told = [[clip.prompt for clip in batch] for batch in first.clips + second.clips]
    assert told == [[clip.prompt for clip in batch] for batch in whole.clips]
    assert len(first.clips) == 1


def test_an_engine_that_takes_no_names_says_so_before_anything_is_done(tmp_path: Path) -> None:
    settings = Settings.load(
        model="wav2vec2-tiny-archive", language="en", workspace=tmp_path, decoding={"vocabulary": ("Hitra",)}
    )
    with pytest.raises(UsageError, match="wav2vec2 has no option vocabulary"):
        Transcriber(settings)
    assert not list(tmp_path.iterdir())
