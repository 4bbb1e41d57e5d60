"""kill -9 at any moment: the next call gives the same words and does at most one batch of windows again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from speechpipe import Settings, Transcriber, transcribe
from speechpipe.workspace import Journal

WORK = """
import sys, time
from speechpipe import Settings, Transcriber, transcribe
def slowly(stage, done, total):
    print(stage, done, total, flush=True)
    time.sleep(0.05)
settings = Settings.load(model="whisper-tiny-archive", language="en", workspace=sys.argv[2],
                         decoding={"batch_size": 2}, chunking={"max_window_ms": 6000})
print(transcribe(sys.argv[1], settings=settings, progress=slowly).text, file=sys.stderr)
"""


def settings(work: Path) -> Settings:
    return Settings.load(
        model="whisper-tiny-archive",
        language="en",
        workspace=work,
        decoding={"batch_size": 2},
        chunking={"max_window_ms": 6000},
    )


@pytest.fixture(scope="module")
def undisturbed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return transcribe(root / "sample_audio" / "reel-12.flac", settings=settings(tmp_path_factory.mktemp("calm"))).text


@pytest.mark.parametrize(("stage", "reports"), [("chunk", 1), ("transcribe", 1), ("transcribe", 3), ("align", 2)])
def test_kill_9_loses_at_most_a_batch(root: Path, tmp_path: Path, undisturbed: str, stage: str, reports: int) -> None:
    recording = root / "sample_audio" / "reel-12.flac"
    run = subprocess.Popen(
        [sys.executable, "-c", WORK, str(recording), str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert run.stdout
    seen = 0
    for line in run.stdout:
        name, done_ms, _ = line.split()
        if stage == "transcribe":  # it begins while the recording is still listened to
            seen = sum(path.read_bytes().count(b"\n") for path in tmp_path.rglob("transcribe-*.jsonl"))
        else:
            seen += name == stage and int(done_ms) > 0  # the first report of a stage is of what was done before
        if seen >= reports:
            break
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    before = {path: len(Journal(path).read()) for path in tmp_path.rglob("*.jsonl")}
    if stage != "chunk":
        assert sum(before.values()) >= reports

    asked: list[str] = []
    transcriber = Transcriber(settings(tmp_path))
    engine = transcriber.engine
    original = engine.transcribe
    engine.transcribe = lambda clips, options: asked.append("batch") or original(clips, options)  # type: ignore[method-assign, func-returns-value]
    transcript = transcribe(recording, settings=transcriber)

    assert transcript.text == undisturbed
    journals = {path: Journal(path).read() for path in tmp_path.rglob("transcribe-*.jsonl")}
    (lines,) = journals.values()
    kept = sum(count for path, count in before.items() if path.name.startswith("transcribe-"))
    assert len(asked) == len(lines) - kept
    numbers = [number for line in lines for number in line["windows"]]
    assert len(numbers) == len(set(numbers))


def test_a_torn_journal_is_mended(root: Path, tmp_path: Path, undisturbed: str) -> None:
    recording = root / "sample_audio" / "reel-12.flac"
    assert transcribe(recording, settings=settings(tmp_path)).text == undisturbed
    (journal,) = tmp_path.rglob("transcribe-*.jsonl")
    content = journal.read_bytes()
    journal.write_bytes(content[: len(content) * 2 // 3])
    for done in tmp_path.rglob("*.done.json"):
        done.unlink()
    assert transcribe(recording, settings=settings(tmp_path)).text == undisturbed
    assert journal.read_bytes() == content


def test_the_lock_is_free_after_the_kill(root: Path, tmp_path: Path) -> None:
    recording = root / "sample_audio" / "slate.wav"
    run = subprocess.Popen(
        [sys.executable, "-c", WORK, str(recording), str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert run.stdout and run.stdout.readline()
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert transcribe(recording, settings=settings(tmp_path)).text
