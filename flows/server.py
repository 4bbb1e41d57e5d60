"""A Prefect server as a child process, for this machine only, that never outlives the process that wants it."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from speechpipe.errors import DependencyError

HOST = "127.0.0.1"
SECONDS_TO_START = 120
SECONDS_TO_END = 15
PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


@contextmanager
def server(port: int, log: Path) -> Iterator[Callable[[], None]]:
    """Start the server with the environment as it stands; gives the function that waits until it is healthy.

    That function raises ``DependencyError`` where the server ended or was not healthy in time; it names the log.
    """
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    with log.open("ab") as output:
        # A session of its own: Ctrl-C reaches this process first, which then ends the server last.
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            preexec_fn=_die_with_parent,
        )  # fmt: skip
    leaving = threading.Event()
    try:
        yield partial(_wait_until_healthy, f"http://{HOST}:{port}/api/health", child, leaving, log)
    finally:
        leaving.set()
        _end(child)


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


def _wait_until_healthy(url: str, child: subprocess.Popen[bytes], leaving: threading.Event, log: Path) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and child.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 (our own address)
                if answer.status == 200:
                    threading.Thread(target=_watch, args=(child, leaving, log), daemon=True).start()
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise DependencyError("The Prefect server did not start.", cure=f"Its log says why: {log}")


def _watch(child: subprocess.Popen[bytes], leaving: threading.Event, log: Path) -> None:
    """Prefect's runner never ends while its server is gone; so end the process for it."""
    child.wait()
    if not leaving.is_set():
        print(f"The Prefect server ended by itself. Its log says why: {log}", file=sys.stderr, flush=True)
        os._exit(DependencyError.exit_code)


def _end(child: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, sign)
            child.wait(SECONDS_TO_END)
            return
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return


def _die_with_parent() -> None:
    """On Linux: be ended by the kernel when the process that started this one is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)
