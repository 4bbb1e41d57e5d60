"""``python -m flows.demo``: two runs as a newcomer makes them, and what it says when nothing can be begun."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.demo import closing, main
from flows.seen.rows import Row, columns
from speechpipe.errors import DependencyError
from tests.e2e.watched import Home


@pytest.fixture
def source(tmp_path: Path, root: Path) -> Path:
    folder = tmp_path / "tapes"
    folder.mkdir()
    shutil.copy(root / "sample_audio" / "slate.wav", folder / "slate.wav")
    (folder / "broken.wav").write_text("no sound")
    return folder


def demo(root: Path, home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    # A server that another job has set up must not be used.
    env = home.environment | {
        "SPEECHPIPE_ENGINE": "fake",
        "COLUMNS": "100",
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
    }
    command = [sys.executable, "-m", "flows.demo", "--model", "auto", "--aligner", "none", *arguments]
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=200, check=False)


def test_the_first_run_explains_each_recording_and_the_second_has_nothing_to_do(
    source: Path, tmp_path: Path, root: Path
) -> None:
    arguments = ("--source", str(source), "--output", str(tmp_path / "out"))
    home = Home(tmp_path / "visitor")
    first, second = demo(root, home, *arguments), demo(root, home, *arguments)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    table = first.stdout.split("\n\n")[0].strip().splitlines()
    assert table[0].split() == ["recording", "outcome", "language", "words", "confidence", "time", "first", "words"]
    assert [line.split()[:2] for line in table[2:]] == [["broken.wav", "failed"], ["slate.wav", "speech"]]
    assert all(columns(line) <= 100 for line in table)
    assert "broken.wav: damaged, or no recording" in first.stdout
    named = [Path(line.strip()) for line in first.stdout.split("Files:\n")[1].splitlines()]
    assert [path.name for path in named] == ["slate.wav.vtt", "slate.wav.alto.xml"]
    assert all(path.is_file() for path in named)

    assert "2 recordings: 2 already done." in second.stdout
    assert second.stdout.split("Files:\n")[1] == first.stdout.split("Files:\n")[1]
    assert "Traceback" not in first.stderr + second.stderr
    assert (tmp_path / "out" / ".prefect" / "prefect.db").is_file()
    assert (home.left(), home.called()) == ([], []), "nothing phones home"


@pytest.mark.usefixtures("bare_environment")
def test_what_cannot_be_begun_is_one_line_and_its_exit_code(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = ["--output", str(tmp_path / "out")]
    assert main(["--source", str(source), "--model", "whisper-of-nobody", *output]) == 2
    assert "whisper-of-nobody" in capsys.readouterr().err
    (tmp_path / "file").write_text("in the way")
    assert main(["--source", str(source), "--output", str(tmp_path / "file" / "out")]) == 5
    told = capsys.readouterr().err
    assert told.startswith("Error: Cannot write") and len(told.splitlines()) == 1


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())


def test_the_closing_names_captions_and_full_texts_only() -> None:
    done = Row("a.wav", "speech", files=("out/a.wav.vtt", "out/a.wav.alto.xml", "out/a.wav.json", "out/a.wav.txt"))
    text = closing([done], 100)
    assert "  out/a.wav.vtt\n  out/a.wav.alto.xml" in text and ".json" not in text
    assert "Files:" not in closing([Row("b.wav", "failed", message="damaged.")], 100)


@pytest.mark.usefixtures("bare_environment")
def test_its_server_asks_for_a_login_that_nobody_is_told(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run reads it from the environment; it ends with the server, and another one is made for the next."""
    logins = []

    def no_server(port: int, _: Path) -> Any:
        assert os.environ["PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS"] == f"http://127.0.0.1:{port}"
        assert os.environ["PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED"] == "true"
        assert os.environ["PREFECT_API_AUTH_STRING"] == os.environ["PREFECT_SERVER_API_AUTH_STRING"]
        logins.append(os.environ["PREFECT_API_AUTH_STRING"])
        raise DependencyError("No server here.")

    monkeypatch.setattr("flows.demo.server", no_server)
    for _ in range(2):
        arguments = ["--source", str(source), "--model", "whisper-tiny-archive", "--output", str(tmp_path / "out")]
        assert main(arguments) == DependencyError.exit_code
    told = "".join(capsys.readouterr())
    assert len(set(logins)) == 2 and all(":" in login and login not in told for login in logins)
