"""A run's process: places that come free whatever dies, and an end within seconds although a model computes."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.running import process
from flows.running.process import AT_ONCE, SERVER_PID, TURNS, hold, is_served, quieten, turn
from speechpipe.errors import UnreadableMedia

HOLDER = """
import sys, time
from pathlib import Path
from flows.running.process import turn
with turn(lambda: print("waits", flush=True)):
    print("works", flush=True)
    time.sleep(60)
"""
COMPUTING = """
import hashlib, signal, sys
from flows.running.process import end_soon_after
signal.signal(signal.SIGTERM, lambda *_: print("handled", flush=True))
end_soon_after(signal.SIGTERM, seconds=0.5)
print("computes", flush=True)
hashlib.pbkdf2_hmac("sha256", b"", b"", 1 << 30)
"""


@pytest.fixture
def turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(TURNS, str(tmp_path))
    monkeypatch.setenv(AT_ONCE, "2")
    monkeypatch.setattr(process, "_SECONDS_BETWEEN_LOOKS", 0.05)
    return tmp_path


@pytest.fixture
def started(root: Path) -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for one in processes:
        one.kill()
        one.wait()


def start(program: str, root: Path, started: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    env = os.environ | {"PYTHONPATH": str(root)}
    child = subprocess.Popen([sys.executable, "-c", program], env=env, stdout=subprocess.PIPE, text=True)
    started.append(child)
    return child


def said(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


@pytest.mark.usefixtures("turns")
def test_there_are_so_many_places_and_a_killed_process_gives_its_own_back(
    root: Path, started: list[subprocess.Popen[str]]
) -> None:
    first, second = start(HOLDER, root, started), start(HOLDER, root, started)
    assert said(first) == said(second) == "works"
    third = start(HOLDER, root, started)
    assert said(third) == "waits"
    first.kill()
    assert said(third) == "works"


def test_a_run_within_a_run_works_in_the_place_of_the_outer_one(turns: Path) -> None:
    with turn(), turn(), turn():
        assert [hold(turns / "0.lock"), hold(turns / "2.lock") is not None] == [None, True]
    assert hold(turns / "0.lock") is not None


def test_a_place_is_given_back_by_a_run_that_fails(turns: Path) -> None:
    with pytest.raises(ZeroDivisionError), turn():
        raise ZeroDivisionError
    assert hold(turns / "0.lock") is not None


def test_where_nobody_serves_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TURNS, raising=False)
    with turn(lambda: pytest.fail("waited")):
        pass


def test_a_process_that_computes_ends_soon_after_it_was_told_to(
    root: Path, started: list[subprocess.Popen[str]]
) -> None:
    child = start(COMPUTING, root, started)
    assert said(child) == "computes"
    time.sleep(0.3)
    child.send_signal(signal.SIGTERM)
    assert child.wait(120) == -signal.SIGKILL  # by itself it would compute for ever


def test_a_run_is_served_where_its_parent_is_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVER_PID, str(os.getppid()))
    assert is_served()
    monkeypatch.setenv(SERVER_PID, "1234567890")
    assert not is_served()


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    held = hold(tmp_path / "lock")
    assert held is not None and hold(tmp_path / "lock") is None
    os.close(held)
    again = hold(tmp_path / "lock")
    assert again is not None
    os.close(again)


@pytest.fixture
def run_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What stands in the log of a run, of what Prefect and the flows write."""
    said: list[str] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: said.append(handler.format(record)))
    loggers = [logging.getLogger(name) for name in ("prefect.flow_runs", "prefect.task_runs", "speechpipe.flows")]
    before = [(logger.level, list(logger.filters)) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    quieten()
    yield said
    for logger, (level, filters) in zip(loggers, before, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.filters[:] = filters


def test_the_log_of_a_run_holds_sentences_and_neither_prefects_doings_nor_tracebacks(run_log: list[str]) -> None:
    from prefect.exceptions import ParameterTypeError

    flows, tasks = logging.getLogger("prefect.flow_runs"), logging.getLogger("prefect.task_runs")
    flows.info("Beginning flow run 'new recordings' for flow 'transcribe-new'")
    logging.getLogger("speechpipe.flows").info("Found 8 s of speech in 10 s.")
    tasks.info("Finished in state Completed('Found 8 s of speech in 10 s.')")
    tasks.error("Crash detected! Execution was aborted by a termination signal.")
    flows.info("Flow run was cancelled.")
    asked = ParameterTypeError("Invalid:\n - how.model: Value error, 'x' is none.")
    for error in (UnreadableMedia("a.wav is torn."), asked, ZeroDivisionError()):
        try:
            raise error
        except Exception:
            flows.exception("Engine execution exited with unexpected exception")
    assert "fault of speechpipe (ZeroDivisionError" in run_log.pop() and "Traceback" not in "".join(run_log)
    assert run_log == [
        "Found 8 s of speech in 10 s.",
        "Flow run was cancelled.",
        "The run cannot go on: Invalid: - how.model: 'x' is none.",
    ]
