"""The engine begins before the decode is over: sooner, and with the very same result."""

from __future__ import annotations

import time
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from speechpipe import Settings, Transcriber
from speechpipe.engines.fake import Fake
from speechpipe.errors import EngineError, Interrupted, RepositoryError
from speechpipe.files import sha256_file
from speechpipe.pipeline import process
from speechpipe.pipeline.assembly import assemble
from speechpipe.pipeline.recording import Recording
from speechpipe.pipeline.run import Run
from speechpipe.pipeline.stages import DECODING, Stages
from speechpipe.repositories import FolderRepository
from speechpipe.workspace import Workspace
from tests.containers import RATE, read_speech

MINUTES = 10


@pytest.fixture(scope="module")
def reel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An announcement again and again, each at another level."""
    slate = read_speech(root / "sample_audio" / "slate.wav")
    one = np.concatenate([slate, np.zeros(3 * RATE)])
    count = MINUTES * 60 * RATE // len(one)
    path = tmp_path_factory.mktemp("reel") / "reel.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        for i in range(count):
            file.writeframes((one * (0.4 + 0.6 * i / count) * 32_767).astype("<i2").tobytes())
    return path


def stages_of(work: Path, reel: Path, ahead: bool = True, **more: object) -> Stages:
    settings = Settings.load(**{"model": "fake", "language": "en", "workspace": work, **more})
    sha256 = sha256_file(reel)
    return Stages(Transcriber(settings), Recording(reel, "reel.wav", sha256), Workspace(work, sha256), ahead)


def journal(stages: Stages) -> list[dict[str, object]]:
    found = stages.workspace.journal("transcribe", stages.transcribe_key).read()
    return [{"windows": dict(line["windows"])} for line in found]


class Watched:
    """Which windows the engine was given, by the stage in which it was."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stage, self.clips = "", list[str]()
        transcribe = Fake.transcribe

        def watched(engine: Fake, clips, options):  # type: ignore[no-untyped-def]
            self.clips += [self.stage] * len(clips)
            return transcribe(engine, clips, options)

        monkeypatch.setattr(Fake, "transcribe", watched)

    def progress(self, stage: str, done_ms: int, total_ms: int) -> None:
        self.stage = stage if stage != "chunk" or done_ms < DECODING * total_ms else "behind the decode"

    def holding_back(self, stage: str, done_ms: int, total_ms: int) -> None:
        """The decode stands still at its half until the engine has had a batch, however busy the machine is."""
        self.progress(stage, done_ms, total_ms)
        if self.stage == "chunk" and done_ms > DECODING * total_ms / 2:
            self.wait()

    def wait(self, clips: int = 8) -> None:
        until = time.monotonic() + 240
        while len(self.clips) < clips and time.monotonic() < until:
            time.sleep(0.01)


def through(stages: Stages, progress=None) -> Stages:  # type: ignore[no-untyped-def]
    stages.chunk(progress)
    stages.transcribe(progress)
    stages.align(progress)
    return stages


def test_the_engine_begins_before_the_decode_is_over_and_the_result_is_the_same(
    reel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(monkeypatch)
    soon = through(stages_of(tmp_path / "soon", reel), watched.holding_back)
    assert watched.clips.count("chunk") >= 8
    assert len(watched.clips) == len(soon.plan.windows) > 30  # each once
    plain = through(stages_of(tmp_path / "plain", reel, ahead=False))
    assert soon.plan == plain.plan
    assert journal(soon) == journal(plain)

    def undated(stages: Stages) -> object:
        found = assemble(stages.results())
        return replace(found, steps=tuple(replace(step, started=None, ended=None) for step in found.steps))

    assert undated(soon) == undated(plain)


@pytest.mark.parametrize(
    "more", [{"language": None}, {"decoding": {"fallback": "full"}, "language": "auto-segment"}, {"streams": "all"}]
)
def test_where_it_is_not_known_what_a_window_is_given_to_it_waits(
    reel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, object]
) -> None:
    watched = Watched(monkeypatch)
    stages = stages_of(tmp_path, reel, **more)
    stages.chunk(watched.progress)
    assert watched.clips == []


def test_a_stopped_run_keeps_what_was_recognised_and_goes_on(
    reel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(monkeypatch)

    def stop(stage: str, done_ms: int, total_ms: int) -> None:
        if done_ms > DECODING * total_ms / 2:
            watched.wait()
            raise Interrupted("Stopped.")

    stages = stages_of(tmp_path, reel)
    with pytest.raises(Interrupted):
        stages.chunk(stop)
    kept = len(watched.clips)
    assert kept >= 8
    again = through(stages_of(tmp_path, reel))
    assert len(watched.clips) == len(again.plan.windows)  # none of them twice


@pytest.mark.filterwarnings("error")  # of a thread that dies
def test_an_engine_that_fails_fails_in_its_own_stage(
    reel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise EngineError("Out of memory.")

    monkeypatch.setattr(Fake, "transcribe", fail)
    stages = stages_of(tmp_path, reel)
    stages.chunk()
    with pytest.raises(EngineError, match=r"Out of memory\."):
        stages.transcribe()


def test_what_was_recognised_of_other_windows_than_the_plan_has_is_dropped(
    reel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import speechpipe.pipeline.stages as module

    make_plan = module.make_plan

    def other(*arguments):  # type: ignore[no-untyped-def]
        plan = make_plan(*arguments)
        first, *rest = plan.windows
        return replace(plan, windows=(replace(first, start_ms=first.start_ms + 32), *rest))

    monkeypatch.setattr(module, "make_plan", other)
    stages = stages_of(tmp_path, reel)
    stages.chunk()
    assert journal(stages) == []


def test_a_recording_that_changed_meanwhile_leaves_no_words(
    reel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "reel.wav"
    path.write_bytes(reel.read_bytes())
    transcriber = Transcriber(Settings.load(model="fake", language="en", workspace=tmp_path / "work"))
    repository, item = FolderRepository.of_file(path, tmp_path / "out")

    def touch(stage: str, done_ms: int, total_ms: int) -> None:
        if done_ms == total_ms:
            path.touch()

    with pytest.raises(RepositoryError, match="changed while it was read"):
        process(transcriber, repository, item, touch)
    assert not list((tmp_path / "work").rglob("transcribe-*"))
    run = Run(transcriber, repository, item)
    assert run.already() is None
