"""Nothing phones home: whichever way in, nothing is left in a fresh home and nobody but this machine is called."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.watched import Home, sent_abroad

TRANSCRIBE = ("transcribe", "{slate}", "--model", "whisper-tiny-archive", "--output", "{folder}/out")
PYTHON = """
import sys
from speechpipe import transcribe
assert transcribe(sys.argv[1], model="whisper-tiny-archive", language="en").text
"""
FLOWS = """
import sys
from pathlib import Path
from flows.running.environment import TEMPORARY, set_up
set_up(Path(sys.argv[1]), TEMPORARY)
import flows.recording, onnxruntime
"""
#: What is imported by each, after which nothing could be silenced any more.
WAYS = {
    "transcribe": ("-m", "speechpipe.cli", *TRANSCRIBE),
    "inspect": ("-m", "speechpipe.cli", "inspect", "{slate}", "--listen"),
    "doctor": ("-m", "speechpipe.cli", "doctor"),
    "Python": ("-c", PYTHON, "{slate}"),
    "reader": ("-c", "import speechpipe.audio.reader.worker, onnxruntime"),
    "converter": ("-c", "import speechpipe.registry.fetching.conversion, onnxruntime"),
    "flows": ("-c", FLOWS, "{folder}/prefect"),
    "a library of ours first": ("-c", "import speechpipe, onnxruntime, huggingface_hub"),
}


def run(way: str, home: Home, root: Path, *, under: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    named = {"slate": str(root / "sample_audio" / "slate.wav"), "folder": str(home.folder)}
    arguments = [argument.format(**named) if argument.startswith("{") else argument for argument in WAYS[way]]
    # Work in progress lies in the home unless it is told otherwise, as an operator does.
    environment = home.environment | {"SPEECHPIPE_WORKSPACE": str(home.folder / "work")}
    return subprocess.run(
        [*under, sys.executable, *arguments], cwd=root, env=environment, capture_output=True, text=True, timeout=240
    )


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_left_in_a_fresh_home_and_nobody_called(way: str, root: Path, tmp_path: Path) -> None:
    home = Home(tmp_path)
    done = run(way, home, root)
    assert done.returncode == 0, done.stderr
    assert home.left() == []
    assert home.called() == []


def test_the_watch_sees_what_would_be_left_and_called(tmp_path: Path, root: Path) -> None:
    """onnxruntime as it is without us, and a name that is looked up."""
    home = Home(tmp_path)
    program = "import onnxruntime, socket\ntry: socket.getaddrinfo('nobody.invalid', 80)\nexcept OSError: pass"
    subprocess.run([sys.executable, "-c", program], env=home.environment, cwd=root, check=True)
    assert ".cache/Microsoft/DeveloperTools/.onnxruntime/deviceid" in home.left()
    assert home.called() == ["socket.getaddrinfo 'nobody.invalid'"]


@pytest.mark.extra
@pytest.mark.parametrize("way", ["transcribe", "Python"])
def test_native_code_sends_nothing_abroad(way: str, root: Path, tmp_path: Path) -> None:
    done = run(way, Home(tmp_path), root, under=traced(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "exited with 0" in (tmp_path / "trace").read_text()
    assert sent_abroad(tmp_path / "trace") == []


@pytest.mark.extra
def test_the_trace_sees_what_would_be_sent(tmp_path: Path) -> None:
    """A letter to an address that is set aside for documents."""
    program = "import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 53))"
    subprocess.run([*traced(tmp_path), sys.executable, "-c", program], check=False)
    assert len(sent_abroad(tmp_path / "trace")) == 1


def traced(folder: Path) -> tuple[str, ...]:
    strace = shutil.which("strace")
    assert strace, "strace is not installed; make test-all installs it"
    return (strace, "-f", "-e", "trace=network", "-o", str(folder / "trace"))
