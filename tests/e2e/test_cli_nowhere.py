"""The program where it can say nothing, or stands nowhere: an error in one line, no fault of ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def run(arguments: list[str], folder: Path, root: Path, **how: Any) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(root), "SPEECHPIPE_WORKSPACE": str(folder / "work")}
    command = [sys.executable, "-m", "speechpipe.cli", *arguments]
    return subprocess.run(command, cwd=folder, env=environment | how.pop("env", {}), text=True, check=False, **how)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["--help"], ["models", "list"], ["models", "list", "--json"]])
def test_a_full_disk_behind_stdout_is_an_output_error(
    arguments: list[str], unbuffered: str, tmp_path: Path, root: Path
) -> None:
    with Path("/dev/full").open("w") as full:
        ran = run(arguments, tmp_path, root, stdout=full, stderr=subprocess.PIPE, env={"PYTHONUNBUFFERED": unbuffered})
    assert ran.returncode == 5
    assert ran.stderr == (
        "speechpipe: Cannot write to standard output: No space left on device. Free some space, then run again.\n"
    )
    assert not (tmp_path / "work").exists(), "no traceback is kept"


def test_a_full_disk_behind_stderr_costs_nothing(tmp_path: Path, root: Path) -> None:
    with Path("/dev/full").open("w") as full:
        ran = run(["inspect", "none.wav"], tmp_path, root, stdout=subprocess.PIPE, stderr=full)
    assert (ran.returncode, ran.stdout) == (3, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_cost_nothing(closed: str, tmp_path: Path, root: Path) -> None:
    """As some that start programs in the background leave them."""
    shutil.copyfile(root / "sample_audio" / "slate.wav", tmp_path / "slate.wav")
    command = [sys.executable, "-m", "speechpipe", "transcribe", "slate.wav", "--engine", "fake", "--model", "fake"]
    environment = os.environ | {"PYTHONPATH": str(root), "SPEECHPIPE_WORKSPACE": str(tmp_path / "work")}
    script = f'exec "$@" {closed}'
    ran = subprocess.run(
        ["sh", "-c", script, "sh", *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, "fault" in ran.stderr) == (0, False)
    assert (tmp_path / "slate.wav.speechpipe.json").exists()
    assert (ran.stdout == "") == (">&-" in closed.replace("2>&-", ""))


@pytest.mark.parametrize("arguments", [["doctor"], ["inspect", "a.wav"], ["transcribe", "a.wav"]])
def test_a_working_folder_that_was_removed_is_told(arguments: list[str], tmp_path: Path, root: Path) -> None:
    (tmp_path / "gone").mkdir()
    script = 'cd gone; rmdir ../gone; exec "$@"'
    environment = os.environ | {"PYTHONPATH": str(root)}
    command = ["sh", "-c", script, "sh", sys.executable, "-m", "speechpipe.cli", *arguments]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr == "speechpipe: The folder that you are in was removed. Go to another, then try again.\n"
