"""The command line as a person or a script uses it, in processes of its own, with the embedded models."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from speechpipe.cli import COMMANDS
from speechpipe.transcript import Transcript

MODEL = "whisper-tiny-archive"
ENDINGS = (".alto.xml", ".json", ".speechpipe.json", ".txt", ".vtt")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "SPEECHPIPE_WORKSPACE": str(tmp_path / "work"), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def slate(root: Path) -> Path:
    return root / "sample_audio" / "slate.wav"


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "speechpipe.cli", *map(str, arguments)]


def run(root: Path, environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, cwd=root, env=environment, timeout=240, check=False
    )


def test_a_recording_becomes_timed_text_and_is_not_done_twice(
    root: Path, environment: dict[str, str], slate: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ("transcribe", slate, "--model", MODEL, "--output", out)
    first = run(root, environment, *arguments)
    assert first.returncode == 0, first.stderr
    assert "demonstration model" in first.stderr.splitlines()[0]
    assert "slate.wav: transcribing 100 %" in first.stderr
    assert f"{slate}: speech" in first.stdout
    assert sorted(path.name for path in out.iterdir()) == [f"slate.wav{ending}" for ending in ENDINGS]
    transcript = Transcript.from_dict(json.loads((out / "slate.wav.json").read_text()))
    assert "tape four" in transcript.text
    assert any("demonstration" in warning for warning in transcript.warnings)

    second = run(root, environment, *arguments, "--json", "--quiet")
    told = json.loads(second.stdout)
    assert second.returncode == 0
    assert second.stderr == ""
    assert told["already"] is True
    assert told["words"] == len(transcript.text.split())
    assert [Path(file).is_file() for file in told["files"]] == [True] * 4
    assert "demonstration" in told["warning"]

    again = run(root, environment, *arguments, "--json", "--quiet", "--again")
    assert json.loads(again.stdout)["already"] is False


def test_options_reach_the_pipeline(root: Path, environment: dict[str, str], slate: Path, tmp_path: Path) -> None:
    asked = ("--engine", "fake", "--aligner", "none", "--language", "NB", "--channels", "1", "--format", "txt,json")
    done = run(root, environment, "transcribe", slate, "--output", tmp_path, "--json", *asked)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert sorted(Path(file).name for file in told["files"]) == ["slate.wav.json", "slate.wav.txt"]
    assert told["languages"] == ["nb"]
    steps = json.loads((tmp_path / "slate.wav.json").read_text())["steps"]
    assert any(step["software"] == "fake" for step in steps)


def test_beside_the_recording_where_no_folder_is_named(
    root: Path, environment: dict[str, str], slate: Path, tmp_path: Path
) -> None:
    (tmp_path / "slate.wav").write_bytes(slate.read_bytes())
    done = run(root, environment, "transcribe", tmp_path / "slate.wav", "--engine", "fake", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "slate.wav.vtt").is_file()


def test_the_workspace_is_where_it_is_asked_for(
    root: Path, environment: dict[str, str], slate: Path, tmp_path: Path
) -> None:
    where = tmp_path / "elsewhere"
    run(root, environment, "transcribe", slate, "--engine", "fake", "--output", tmp_path, "--workspace", where)
    assert where.is_dir()
    assert not (tmp_path / "work").exists()


def test_a_bar_on_a_terminal(root: Path, environment: dict[str, str], slate: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    arguments = command("transcribe", slate, "--engine", "fake", "--output", tmp_path)
    with subprocess.Popen(arguments, cwd=root, env=environment, stderr=theirs, stdout=subprocess.PIPE) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                block = os.read(ours, 4096)
            except OSError:  # the terminal's other end is closed
                break
            if not block:
                break
            shown += block
        assert process.wait(60) == 0
    os.close(ours)
    assert b"slate.wav: transcribing" in shown
    assert b"left" in shown


def test_ctrl_c_stops_with_130_and_the_next_call_completes(
    root: Path, environment: dict[str, str], slate: Path, tmp_path: Path
) -> None:
    arguments = ("transcribe", slate, "--model", MODEL, "--output", tmp_path / "out")
    with subprocess.Popen(
        command(*arguments), cwd=root, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "finding speech" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(60) == 130
    assert "speechpipe: Stopped. Run the same command again to go on where it stopped." in rest
    assert "Traceback" not in rest
    assert not (tmp_path / "out" / "slate.wav.vtt").exists()
    assert run(root, environment, *arguments).returncode == 0
    assert (tmp_path / "out" / "slate.wav.vtt").is_file()


def test_a_reader_that_goes_away_leaves_no_traceback(root: Path, environment: dict[str, str]) -> None:
    with subprocess.Popen(
        command("models", "list", "--json"), cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr.read() == b""


def test_a_name_that_the_terminal_cannot_show(
    root: Path, environment: dict[str, str], slate: Path, tmp_path: Path
) -> None:
    named = tmp_path / "bånd 日本.wav"
    named.write_bytes(slate.read_bytes())
    latin = {**environment, "PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"}
    done = run(root, latin, "transcribe", named, "--engine", "fake")
    assert done.returncode == 0, done.stderr
    assert "b\\xe5nd \\u65e5" in done.stdout


def test_a_name_in_an_old_encoding(root: Path, environment: dict[str, str], slate: Path, tmp_path: Path) -> None:
    named = tmp_path / os.fsdecode("bånd.wav".encode("latin-1"))
    named.write_bytes(slate.read_bytes())
    done = run(root, environment, "transcribe", named, "--engine", "fake", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["recording"] == str(named)
    assert Path(f"{named}.vtt").is_file()


def test_help_names_every_command(root: Path, environment: dict[str, str]) -> None:
    done = run(root, environment, "--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in COMMANDS)
