"""Ctrl-C, SIGTERM or a word from the caller stops a run within one batch; the same call goes on where it stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from speechpipe import Settings, transcribe
from speechpipe.errors import Interrupted
from speechpipe.workspace import Journal


def asked(root: Path, folder: Path) -> list[str]:
    recordings = [str(root / "sample_audio" / name) for name in ("innspilling.wav", "slate.wav")]
    options = ["--model", "whisper-tiny-archive", "--language", "en", "--format", "txt"]
    return [*recordings, *options, "--output", str(folder / "out"), "--workspace", str(folder / "work")]


def ignoring_ctrl_c() -> None:
    """In a child before it is what it is to be: so the background of a shell, nohup and cron start their programs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.parametrize(("sign", "before"), [(signal.SIGINT, ignoring_ctrl_c), (signal.SIGTERM, None)])
def test_a_signal_stops_the_command_and_it_goes_on_later(
    sign: signal.Signals, before: Callable[[], None] | None, root: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "speechpipe", "transcribe", *asked(root, tmp_path)]
    run = subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True, env=environment(), preexec_fn=before)
    deadline = time.monotonic() + 120
    while not (kept := journals(tmp_path, "transcribe")) and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert kept
    run.send_signal(sign)
    _, said = run.communicate(timeout=120)
    assert run.returncode == 130
    assert "Stopped. Run the same command again to go on where it stopped." in said
    assert "Traceback" not in said and not list((tmp_path / "out").glob("*.txt"))
    before = journals(tmp_path, "transcribe")
    assert len(before) <= len(kept) + 1

    again = subprocess.run(command, cwd=root, stderr=subprocess.PIPE, text=True, env=environment(), check=False)
    assert again.returncode == 0, again.stderr
    after = journals(tmp_path, "transcribe")
    assert after[: len(before)] == before and len(after) > len(before)
    assert len(list((tmp_path / "out").glob("*.txt"))) == 2


#: Each is imported in turn on the way to the first batch; signal before anything can be done about it.
MODULES = ("signal", "click", "speechpipe.console.terminal", "numpy", "ctranslate2")
AT_IMPORT = """
import os, signal, sys
del sys.modules["signal"]

def strike(event, arguments):
    if event == "import" and arguments[0] == os.environ["STRIKES_AT"]:
        import _signal
        _signal.raise_signal(2)

sys.addaudithook(strike)
"""
AT_EXIT = """
import atexit, signal
atexit.register(signal.raise_signal, signal.SIGINT)
"""


def struck(program: str, module: str, root: Path, folder: Path, before: Callable[[], None] | None = None) -> str:
    """What is said when Ctrl-C strikes, with the program started as ``speechpipe``; it ends with 130."""
    (folder / "path").mkdir()
    (folder / "path" / "sitecustomize.py").write_text(program)
    env = environment() | {"PYTHONPATH": str(folder / "path"), "STRIKES_AT": module}
    command = [sys.executable, "-c", "from speechpipe.__main__ import main; main()", "transcribe", *asked(root, folder)]
    run = subprocess.run(
        [*command, "--quiet"], cwd=root, env=env, capture_output=True, text=True, preexec_fn=before, timeout=240
    )
    assert run.returncode == 130, run.stderr
    return run.stderr


@pytest.mark.parametrize("module", MODULES)
def test_ctrl_c_while_it_starts_is_one_line(module: str, root: Path, tmp_path: Path) -> None:
    said = struck(AT_IMPORT, module, root, tmp_path).split("\n")
    assert [line for line in said if line] in (
        ["speechpipe: Stopped."],
        ["speechpipe: Stopped. Run the same command again to go on where it stopped."],
    )


def test_ctrl_c_when_all_is_done_is_one_line(root: Path, tmp_path: Path) -> None:
    assert struck(AT_EXIT, "", root, tmp_path) == "\nspeechpipe: Stopped.\n"
    assert len(list((tmp_path / "out").glob("*.txt"))) == 2


def test_a_progress_that_raises_stops_a_run_in_python(root: Path, tmp_path: Path) -> None:
    batches = Settings.load(model="whisper-tiny-archive", language="en", workspace=tmp_path, decoding={"batch_size": 1})
    stopped_at: list[int] = []

    def stop(stage: str, done_ms: int, total_ms: int) -> None:
        if stage == "transcribe" and done_ms > 0:
            stopped_at.append(done_ms)
            raise Interrupted("The window was closed.")

    with pytest.raises(Interrupted, match="The window was closed"):
        transcribe(root / "sample_audio" / "slate.wav", settings=batches, progress=stop)
    assert len(stopped_at) == 1
    assert len(journals(tmp_path, "transcribe")) == 1

    seen: list[int] = []
    transcript = transcribe(
        root / "sample_audio" / "slate.wav",
        settings=batches,
        progress=lambda stage, done, total: seen.append(done) if stage == "transcribe" else None,
    )
    assert transcript.text.split()[:2] == ["tape", "four"]
    assert seen[0] == stopped_at[0]  # it goes on where it stopped


def environment() -> dict[str, str]:
    import os

    return os.environ | {"SPEECHPIPE_DECODING__BATCH_SIZE": "1"}


def journals(folder: Path, stage: str) -> list[object]:
    """The journalled batches of the first recording in work."""
    found = sorted(folder.rglob(f"{stage}-*.jsonl"), key=lambda path: path.stat().st_mtime)
    return [line for path in found for line in Journal(path).path.read_text().splitlines()]
