"""``serve`` as a process of its own, and what a test asks of it. Used by several tests; holds none itself."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from flows.running.server import free_port

SECONDS = 300
BUSY_SECONDS = 180
CLIENT = "tests"
START = """
import sys
from pathlib import Path
from flows import serve
serve.SECONDS_BETWEEN_REFRESHES = 10  # not a minute, for which a test would wait
serve.serve(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), together=int(sys.argv[4]))
"""
FAKE = {"SPEECHPIPE_ENGINE": "fake", "SPEECHPIPE_ALIGNER": "none", "SPEECHPIPE_NIGHT__SETTLE_MINUTES": "0"}


@dataclass
class Served:
    """``root``: the checkout; ``folder`` takes recordings, data and the log; ``more``: of the environment."""

    root: Path
    folder: Path
    together: int = 1
    more: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] = field(init=False)
    token: str = ""

    def __post_init__(self) -> None:
        self.recordings.mkdir(exist_ok=True)

    @property
    def recordings(self) -> Path:
        return self.folder / "recordings"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, wait: bool = True) -> Served:
        self.start_command(START, str(self.data), str(self.recordings), str(self.port), str(self.together))
        if wait:
            eventually(lambda: "are ready" in self.told(), "serve is ready")
        return self

    def start_command(self, program: str, *arguments: str, terminal: int | None = None) -> None:
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "SPEECHPIPE_"))}
        env |= {**FAKE, "HOME": str(self.folder), **self.more}
        with self.log.open("wb") as output:
            # Ctrl-C is ignored at the start, as in the background of a shell; it stops the server all the same.
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, *arguments],
                cwd=self.root,
                env=env,
                stdout=output if terminal is None else terminal,
                stderr=output,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
            )

    def told(self) -> str:
        text = self.log.read_text()
        if self.process.poll() is not None:
            pytest.fail(f"serve ended with {self.process.returncode}: {text}")
        return text

    def stop(self, sign: int = signal.SIGTERM) -> None:
        self.process.send_signal(sign)
        self.process.wait(180)

    @property
    def login(self) -> str:
        """As ``serve`` has made it."""
        return (self.data / "login").read_text().strip()

    def post(self, path: str, body: Any) -> Any:
        return self.ask("POST", path, body)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """What the server answers to one who has logged in."""
        until = time.monotonic() + BUSY_SECONDS
        while True:
            headers = {"content-type": "application/json", "authorization": basic(self.login)}
            if method != "GET":
                self.token = self.token or self.ask("GET", f"/csrf-token?client={CLIENT}")["token"]
                headers |= {"Prefect-Csrf-Client": CLIENT, "Prefect-Csrf-Token": self.token}
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(f"{self.address}/api{path}", data, headers, method=method)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                error.close()
                # Its database is busy: whoever asks has to ask again, as Prefect's own clients do, who also ask for
                # another token after an hour.
                if error.code not in (403, 503) or time.monotonic() > until:
                    raise
                self.token = ""
                time.sleep(1)

    def deployments(self) -> dict[str, Any]:
        return {found["name"]: found for found in self.post("/deployments/filter", {})}

    def run(self, name: str, parameters: dict[str, Any] | None = None) -> str:
        """Begin a run of a deployment; returns its id."""
        deployment = self.deployments()[name]["id"]
        body = {"parameters": parameters or {}, "state": {"type": "SCHEDULED"}}
        return str(self.post(f"/deployments/{deployment}/create_flow_run", body)["id"])

    def runs(self, **which: Any) -> list[dict[str, Any]]:
        """All runs, the newest last; of one kind with ``flow="transcribe-new"``."""
        body: dict[str, Any] = {"sort": "EXPECTED_START_TIME_ASC", "limit": 200, "offset": 0}
        if flow := which.get("flow"):
            body["flows"] = {"name": {"any_": [flow]}}
        found: list[dict[str, Any]] = []
        while page := self.post("/flow_runs/filter", body):
            found += page
            body["offset"] = len(found)
        return found

    def state(self, run: str) -> dict[str, Any]:
        (found,) = self.post("/flow_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
        return dict(found["state"])

    def wait(self, run: str, seconds: float = SECONDS) -> dict[str, Any]:
        """The state in which it ends."""

        def ended() -> dict[str, Any] | None:
            state = self.state(run)
            return state if state["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None

        return dict(eventually(ended, f"run {run} has ended", seconds))

    def outputs(self) -> list[Path]:
        """Whatever was deposited, also apart for what is restricted."""
        return [path for tree in self.data.glob("transcripts*") for path in tree.rglob("*") if path.is_file()]


def ask(address: str, headers: dict[str, str], method: str = "GET") -> Any:
    """What anybody is answered, refusals too; with an empty object where something is sent."""
    data = b"{}" if method == "POST" else None
    request = urllib.request.Request(address, data, {"content-type": "application/json", **headers}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer
    except urllib.error.HTTPError as error:
        error.close()
        return error


def basic(login: str) -> str:
    return f"Basic {b64encode(login.encode()).decode()}"


def eventually(get: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := get():
            return found
        time.sleep(0.5)
    pytest.fail(f"not within {seconds} s: {what}")


def children(parent: int, word: str) -> list[int]:
    """Processes below ``parent`` with ``word`` as an argument."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            below = int(folder.joinpath("stat").read_text().rsplit(")", 1)[1].split()[1])
            arguments = folder.joinpath("cmdline").read_bytes().decode(errors="replace").split("\0")
        except (OSError, IndexError):
            continue
        if below == parent and word in arguments:
            found.append(int(folder.name))
    return found


def commands_of(pid: int) -> list[Path]:
    """Where the kernel shows the command lines of a process and of all below it."""
    below = [Path(line) for line in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [Path(f"/proc/{pid}/cmdline"), *(path for child in below for path in commands_of(int(child.name)))]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "Chromium is not installed; make test-all installs it"
    return found
