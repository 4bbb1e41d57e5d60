"""A Prefect server as a child process, for this machine only, that never outlives the process that wants it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speechpipe.errors import DependencyError

from .process import die_with_parent

HOST = "127.0.0.1"
PROGRAM = f"{__package__}.program"
SECONDS_TO_START = 120
SECONDS_TO_END = 15
#: A server that ends by itself is started again; one that does so more often within this time is not.
MOST_RESTARTS, WITHIN_SECONDS = 3, 600


@contextmanager
def server(port: int, log: Path) -> Iterator[Server]:
    """Start the server with the environment as it stands, and again whenever it ends, until the block is left."""
    held = Server(port, log)
    try:
        yield held
    finally:
        held.end()


class Server:
    """The child process. ``wait_until_healthy`` raises ``DependencyError`` where it ended or was not healthy in time,
    which names the log."""

    def __init__(self, port: int, log: Path) -> None:
        self._port, self._log = port, log
        self._leaving = threading.Event()
        self._child = self._start()

    def wait_until_healthy(self) -> None:
        until = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < until and self._child.poll() is None:
            try:
                with urllib.request.urlopen(f"http://{HOST}:{self._port}/api/health", timeout=5) as answer:
                    if answer.status == 200:
                        threading.Thread(target=self._watch, daemon=True).start()
                        return
            except urllib.error.HTTPError as error:
                error.close()
            except OSError:
                pass
            time.sleep(0.1)
        raise DependencyError("The Prefect server did not start.", cure=f"Its log says why: {self._log}")

    def end(self) -> None:
        self._leaving.set()
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._child.pid, sign)
                self._child.wait(SECONDS_TO_END)
                return
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                return

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", PROGRAM, HOST, str(self._port)]
        with self._log.open("ab") as output:
            # A session of its own: Ctrl-C reaches this process first, which then ends the server last.
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                preexec_fn=die_with_parent,
            )  # fmt: skip

    def _watch(self) -> None:
        """Runs wait for a server that comes back; without one they never end, so then end the process for them."""
        ends: list[float] = []
        while True:
            self._child.wait()
            if self._leaving.is_set():
                return
            ends = [moment for moment in ends if time.monotonic() - moment < WITHIN_SECONDS] + [time.monotonic()]
            if len(ends) > MOST_RESTARTS:
                print(f"The Prefect server keeps ending. Its log says why: {self._log}", file=sys.stderr, flush=True)
                os._exit(DependencyError.exit_code)
            print("The Prefect server ended by itself and is started again.", file=sys.stderr, flush=True)
            self._child = self._start()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
