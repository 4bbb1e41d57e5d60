"""National models from a hub into the store and on to a machine without a network, by the real command line.

The hub is the stand-in of ``tests/hub.py``, with the layouts of NbAiLab, KBLab and TalTech; the models in them are the
embedded ones.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from speechpipe import installed
from speechpipe.registry.storing.store import Store
from tests import hub as stand_in
from tests.hub import TOKEN, Hub, national_models

NB = "NbAiLab/nb-whisper-tiny"
KB = "KBLab/kb-whisper-tiny"
ET = "TalTechNLP/whisper-large-v3-turbo-et-verbatim"
CTC = "NbAiLab/nb-wav2vec2-300m-bokmaal"
SLATE = "sample_audio/slate.wav"
FETCH = [sys.executable, "-m", "speechpipe.cli", "models", "fetch", NB]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with stand_in.running() as hub:
        national_models(hub, installed.models_folder())
        yield hub


@pytest.fixture
def environment(tmp_path: Path, hub: Hub) -> dict[str, str]:
    own = {
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN_PATH": "/nonexistent/token",
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "SPEECHPIPE_WORKSPACE": str(tmp_path / "work"),
        "OMP_NUM_THREADS": "1",
    }
    return {**os.environ, **own}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data" / "speechpipe" / "models")


def offline(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Another machine: its own store, no hub, and a Python that opens no socket."""
    there = tmp_path / "offline"
    there.mkdir(exist_ok=True)
    guard = "import socket\n\ndef refused(*_, **__):\n    raise RuntimeError('a socket was opened')\n\n"
    guard += "socket.socket.connect = refused\nsocket.create_connection = refused\nsocket.getaddrinfo = refused\n"
    (there / "sitecustomize.py").write_text(guard)
    own = {
        "XDG_DATA_HOME": str(there),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "SPEECHPIPE_OFFLINE": "true",
        "PYTHONPATH": str(there),
    }
    return {**environment, **own}


def run(environment: dict[str, str], *arguments: object, code: int = 0) -> tuple[str, str]:
    """Stdout and stderr of a command, which must end with ``code``."""
    done = subprocess.run(
        [sys.executable, "-m", "speechpipe.cli", *map(str, arguments)],
        capture_output=True, text=True, env=environment, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def transcript(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "slate.wav.json").read_text())
    return content


def text(folder: Path) -> str:
    return (folder / "slate.wav.txt").read_text()


@pytest.fixture
def slate(root: Path) -> Path:
    return root / SLATE


def test_ready_models_go_from_the_hub_to_a_machine_without_a_network(
    environment: dict[str, str], tmp_path: Path, slate: Path, hub: Hub
) -> None:
    run(environment, "models", "fetch", NB, ET)
    said, _ = run(environment, "models", "verify")
    assert re.findall(r"^(\S+): whole", said, re.MULTILINE) == [NB, ET]
    run(environment, "models", "export", tmp_path / "models.tar")
    there = offline(environment, tmp_path)
    run(there, "models", "import", tmp_path / "models.tar")
    asked = len(hub.asked)
    for name in (NB, ET):
        out = tmp_path / name.replace("/", "-")
        run(there, "transcribe", slate, "--model", name, "--output", out)
        steps = transcript(out)["steps"]
        assert isinstance(steps, list)
        (step,) = [step for step in steps if step.get("model") == name]
        assert step["model_revision"] == hub.repositories[name].revisions["main"]
        assert step["model_licence"] in ("Apache-2.0", "MIT")
        assert len(text(out).split()) > 5
    assert len(hub.asked) == asked


@pytest.mark.extra
def test_models_that_must_be_converted_go_the_same_way(
    environment: dict[str, str], tmp_path: Path, slate: Path, hub: Hub
) -> None:
    strict = f"{KB}@strict"
    said, progress = run(environment, "models", "fetch", KB, "--revision", "strict")
    assert "converted to int8" in said
    assert "converting it to CTranslate2" in progress
    run(environment, "models", "fetch", CTC)
    run(environment, "models", "export", strict, CTC, tmp_path / "models.tar")
    there = offline(environment, tmp_path)
    run(there, "models", "import", tmp_path / "models.tar")
    run(there, "models", "verify")
    out, embedded = tmp_path / "strict", tmp_path / "embedded"
    run(there, "transcribe", slate, "--model", strict, "--aligner", CTC, "--language", "en", "--output", out)
    steps = transcript(out)["steps"]
    assert isinstance(steps, list)
    assert {step.get("model"): step.get("model_revision") for step in steps if step.get("model")} == {
        strict: hub.repositories[KB].revisions["strict"],
        CTC: hub.repositories[CTC].revisions["main"],
    }
    run(there, "transcribe", slate, "--model", "whisper-tiny-archive", "--language", "en", "--output", embedded)
    # The registry knows of the embedded one that it suits shorter windows; the first words are the same.
    assert text(out).split()[:4] == text(embedded).split()[:4]


def test_a_model_that_is_named_is_fetched_with_its_size_said(
    environment: dict[str, str], tmp_path: Path, slate: Path, store: Store
) -> None:
    _, progress = run(environment, "transcribe", slate, "--model", NB, "--language", "nb", "--output", tmp_path / "out")
    assert f"{NB}: fetching 17.4 MB" in progress
    assert f"{NB}: 100 % of 17.4 MB" in progress
    assert [lock.name for lock in store.installed()] == [NB]
    # Then it is what auto takes for its language, and nothing is fetched.
    _, progress = run(environment, "transcribe", slate, "--language", "nb", "--output", tmp_path / "auto")
    assert "fetching" not in progress
    steps = transcript(tmp_path / "auto")["steps"]
    assert isinstance(steps, list)
    assert NB in [step.get("model") for step in steps]


def test_offline_nothing_is_fetched_and_the_way_is_told(
    environment: dict[str, str], tmp_path: Path, slate: Path, hub: Hub
) -> None:
    _, error = run(environment, "transcribe", slate, "--model", NB, "--offline", code=2)
    assert f"speechpipe models fetch {NB}" in error
    there = offline(environment, tmp_path)
    _, error = run(there, "models", "fetch", NB, code=2)
    assert "the network is forbidden" in error
    _, error = run(there, "transcribe", slate, "--language", "sv", code=2)
    assert "No model for the language sv is in the store. Fetch it with: speechpipe models fetch KBLab/" in error
    assert hub.asked == []


def test_a_restricted_licence_is_asked_for_before_anything_is_fetched(
    environment: dict[str, str], tmp_path: Path, slate: Path, hub: Hub, store: Store
) -> None:
    name = "Flurin17/whisper-large-v3-turbo-swiss-german"
    files = hub.repositories[NB].commits[hub.repositories[NB].revisions["main"]]
    hub.add(name, dict(files), licence="cc-by-nc-4.0")
    asked = ("transcribe", slate, "--model", name, "--language", "de", "--output", tmp_path / "out")
    _, error = run(environment, *asked, code=2)
    assert "CC-BY-NC-4.0" in error
    assert "forbids commercial use" in error
    assert f"speechpipe models accept {name}" in error
    assert hub.asked == []
    said, _ = run(environment, "models", "accept", name, "--yes")
    assert "forbids commercial use" in said
    run(environment, *asked)
    steps = transcript(tmp_path / "out")["steps"]
    assert isinstance(steps, list)
    (licence,) = [step["model_licence"] for step in steps if step.get("model") == name]
    assert re.fullmatch(r"CC-BY-NC-4\.0 \(accepted \d{4}-\d\d-\d\d\)", licence)


def test_a_licence_is_accepted_for_one_call(
    environment: dict[str, str], tmp_path: Path, slate: Path, hub: Hub, store: Store
) -> None:
    files = hub.repositories[NB].commits[hub.repositories[NB].revisions["main"]]
    hub.add("Somebody/model", dict(files), licence=None)
    asked = ("transcribe", slate, "--model", "Somebody/model", "--language", "en", "--output", tmp_path / "out")
    _, error = run(environment, *asked, code=2)
    assert "ask for leave first" in error and "models accept Somebody/model" in error
    run(environment, *asked, "--accept-licence", "Somebody/model")


@pytest.mark.parametrize("answer", ["n", "y"])
def test_a_licence_is_asked_for_in_words(answer: str, environment: dict[str, str], store: Store) -> None:
    name = "Flurin17/whisper-large-v3-turbo-swiss-german"
    done = subprocess.run(
        [sys.executable, "-m", "speechpipe.cli", "models", "accept", name],
        input=answer + "\n", capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert "Do you accept it" in done.stderr
    assert done.returncode == (0 if answer == "y" else 2)
    assert (store.root / ".accepted.json").exists() == (answer == "y")


def test_an_open_licence_needs_no_acceptance(environment: dict[str, str]) -> None:
    said, _ = run(environment, "models", "accept", NB)
    assert "nothing to accept" in said


def test_errors_are_one_line_with_the_cure(environment: dict[str, str], hub: Hub, tmp_path: Path, store: Store) -> None:
    hub.repositories[ET].gated = True
    closed = {**environment, "HF_ENDPOINT": "http://127.0.0.1:9"}
    (tmp_path / "broken.tar").write_bytes(b"broken")
    cases = [
        (environment, ("models", "fetch", "NbAiLab/nb-whisper-tinny"), 2, "nb-whisper-tiny"),
        (environment, ("models", "fetch", f"{NB}@nightly"), 2, "no revision nightly"),
        (environment, ("models", "fetch", ET), 6, "HF_TOKEN"),
        (closed, ("models", "fetch", NB), 6, "cannot be reached"),
        ({**environment, "HF_HUB_OFFLINE": "1"}, ("models", "fetch", NB), 6, "Unset HF_HUB_OFFLINE"),
        (environment, ("models", "import", tmp_path / "broken.tar"), 6, "bundle"),
        (environment, ("models", "export", NB, tmp_path / "x.tar"), 2, "no model"),
        (environment, ("models", "verify", NB), 2, "no model"),
    ]
    for where, arguments, code, said in cases:
        _, error = run(where, *arguments, code=code)
        lines = [line for line in error.splitlines() if line.startswith("speechpipe:")]
        assert len(lines) == 1, error
        assert said in lines[0]
    assert store.installed() == []
    run({**environment, "HF_TOKEN": TOKEN}, "models", "fetch", ET)


def test_an_altered_model_is_named_and_stops_before_work(
    environment: dict[str, str], tmp_path: Path, slate: Path, store: Store
) -> None:
    run(environment, "models", "fetch", NB, "--quiet")
    weights = store.folder(NB) / "model.bin"
    weights.write_bytes(weights.read_bytes()[:-1])
    _, error = run(environment, "transcribe", slate, "--model", NB, "--output", tmp_path / "out", code=6)
    assert re.search(rf"model\.bin .*altered.*speechpipe models fetch {NB}", error)
    assert not (tmp_path / "out").exists()
    out, error = run(environment, "models", "verify", "--json", code=6)
    assert json.loads(out)["whole"] is False
    run(environment, "models", "fetch", NB)
    out, _ = run(environment, "models", "verify", "--json")
    assert json.loads(out)["whole"] is True


def test_ctrl_c_keeps_what_came(environment: dict[str, str], hub: Hub, store: Store) -> None:
    hub.slowness = 0.02
    process = subprocess.Popen(
        [sys.executable, "-m", "speechpipe.cli", "models", "fetch", NB],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 240
    while not [part for part in store.root.rglob("model.bin.part") if part.stat().st_size]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    hub.slowness = 1  # it is not at its end before the signal comes
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in error
    hub.slowness = 0
    said, _ = run(environment, "models", "prune", "--dry-run")
    assert "half fetched" in said
    run(environment, "models", "fetch", NB)
    said, _ = run(environment, "models", "prune")
    assert "nothing to remove" in said


def test_prune_asks(environment: dict[str, str], store: Store) -> None:
    run(environment, "models", "fetch", NB, "--quiet")
    command = [sys.executable, "-m", "speechpipe.cli", "models", "prune", NB]
    for answer, left in (("n", [NB]), ("y", [])):
        subprocess.run(command, input=answer + "\n", capture_output=True, text=True, env=environment, check=True)
        assert [lock.name for lock in store.installed()] == left


def test_on_a_terminal_there_is_a_bar_with_the_time_left(environment: dict[str, str], hub: Hub) -> None:
    hub.slowness = 0.002
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "speechpipe.cli", "models", "fetch", NB],
        env=environment,
        stderr=theirs,
        stdout=subprocess.PIPE,
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            block = os.read(ours, 4096)
        except OSError:
            break
        if not block:
            break
        seen += block
    assert process.wait() == 0
    os.close(ours)
    assert re.search(rb"nb-whisper-tiny: fetching\s+\d+ % \|.*of 17\.4M", seen)
    assert b"left" in seen


def test_the_guard_of_these_tests_works(environment: dict[str, str], tmp_path: Path) -> None:
    there = offline(environment, tmp_path)
    program = "import socket; socket.create_connection(('127.0.0.1', 9))"
    done = subprocess.run([sys.executable, "-c", program], env=there, capture_output=True, text=True, check=False)
    assert "a socket was opened" in done.stderr
    assert socket.socket.connect.__name__ == "connect"
