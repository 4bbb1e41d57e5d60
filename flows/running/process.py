"""A run's process: it dies with the server that started it, ends within seconds when cancelled, and takes its turn."""

from __future__ import annotations

import ctypes
import fcntl
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from speechpipe.console.terminal import fault
from speechpipe.errors import SpeechpipeError, one_line

log = logging.getLogger("speechpipe.flows")

#: Set by ``serve`` for the runs that it starts: its process, how many may work at once, and the folders of their locks,
#: of the reports (without it only the web page shows them) and of what is exported.
SERVER_PID = "SPEECHPIPE_SERVER_PID"
AT_ONCE = "SPEECHPIPE_AT_ONCE"
TURNS = "SPEECHPIPE_TURNS"
REPORTS = "SPEECHPIPE_REPORTS"
EXPORTS = "SPEECHPIPE_EXPORTS"
#: A run that was told to end and has not by then is killed: any stop is safe.
SECONDS_TO_END = 4
PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_SECONDS_BETWEEN_LOOKS = 0.5
#: Beginnings of what Prefect writes into the log of a run for those who program flows. A stop that was asked for is no
#: crash.
OF_PREFECT = (
    "Beginning flow run",
    "Beginning subflow run",
    "Created task run",
    "Created subflow",
    "Crash detected! Execution was aborted by a termination signal",
    "Finished in state",
    "Hook ",
    "Running hook",
    "View at ",
)

_mine = threading.Lock()


def is_served() -> bool:
    """Whether this process is a run that ``serve`` started."""
    return os.environ.get(SERVER_PID) == str(os.getppid())


def tame() -> None:
    """For the process of a served run: see the module's first line. Elsewhere nothing."""
    if not is_served() or threading.current_thread() is not threading.main_thread():
        return
    die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the server, with which this ends
    end_soon_after(signal.SIGTERM)


def die_with_parent(sign: int = signal.SIGTERM) -> None:
    """On Linux: be ended by the kernel when the process that started this one is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, sign)


def end_soon_after(sign: int, seconds: float = SECONDS_TO_END) -> None:
    """Kill this process some seconds after ``sign``, although a model is computing and Python waits for it.

    Python's own handlers wait until the computing returns; the descriptor that the interpreter writes to does not.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def watch() -> None:
        while received := os.read(reader, 64):
            if before >= 0:
                os.write(before, received)
            if sign in received:
                time.sleep(seconds)
                os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def turn(waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """One of the places that the machine has for work, waited for; ``waiting`` is called once where none is free.

    A place is a lock on a file: it comes free when its process dies, however it dies. Elsewhere than in a served run
    there is nobody to wait for; and a run within a run works in the place of the outer one.
    """
    folder = os.environ.get(TURNS)
    if folder is None or not _mine.acquire(blocking=False):
        yield
        return
    places = [Path(folder) / f"{number}.lock" for number in range(int(os.environ.get(AT_ONCE, "1")))]
    descriptor = None
    try:
        while (descriptor := _first_free(places)) is None:
            waiting()
            waiting = _nothing
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
        _mine.release()


def hold(path: Path) -> int | None:
    """The lock on this file, as a descriptor that holds it until it is closed; None where another process has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _first_free(places: list[Path]) -> int | None:
    return next((held for place in places if (held := hold(place)) is not None), None)


def quieten() -> None:
    """Have the log of a run hold our sentences, and of Prefect's what is neither its own doings nor a traceback."""
    log.setLevel(logging.INFO)
    for runs in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(runs).addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether it has not been told in a sentence already; a traceback becomes one."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, SpeechpipeError) or record.getMessage().startswith(OF_PREFECT):
        return False
    if error is not None:
        foreseen = type(error).__module__.startswith(("prefect", "httpx"))
        told = one_line(str(error)).replace("Value error, ", "") if foreseen else str(fault(error))
        record.msg, record.args, record.exc_info, record.exc_text = f"The run cannot go on: {told}", (), None, None
    return True


def _nothing() -> None:
    return


if is_served():  # before anything is logged of the run
    quieten()
