"""Locks die with their process, also where the file system has none."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from speechpipe import locks
from speechpipe.errors import AlreadyInWork, OutputError

#: Holds a lock until it is killed; with ``without`` as on a file system without locks.
HOLDER = """
import errno, fcntl, sys
from pathlib import Path
from speechpipe import locks
def none(*arguments):
    raise OSError(errno.ENOLCK, "No locks available")
if sys.argv[2] == "without":
    fcntl.flock = none
with locks.held(Path(sys.argv[1]), "busy", passing=True):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks; folders stand for the machine's own temporary one, which has them always."""
    real = fcntl.flock

    def flock(descriptor: int, what: int) -> None:
        if not os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOLCK, "No locks available")
        real(descriptor, what)

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.fixture(params=["with", "without"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "without":
        request.getfixturevalue("without")
    return str(request.param)


@contextmanager
def holder(path: Path, kind: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(path), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def is_free(path: Path) -> bool:
    try:
        with locks.held(path, "busy"):
            return True
    except AlreadyInWork:
        return False


def test_one_holds_it_and_leaves_nothing(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "lock"
    again = locks.held(path, "It is in work.", passing=True)
    with locks.held(path, "busy", passing=True), pytest.raises(AlreadyInWork, match="It is in work"), again:
        pass
    with locks.held(path, "busy", passing=True):
        pass
    assert list(tmp_path.iterdir()) == []


def test_it_dies_with_its_process(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "lock"
    with holder(path, kind) as process:
        assert not is_free(path)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with locks.held(path, "busy", wait_s=60):
            assert not is_free(path)
    assert is_free(path)


def test_who_waits_is_told_once_and_gets_it(tmp_path: Path, kind: str) -> None:
    path, told = tmp_path / "lock", threading.Event()
    with holder(path, kind) as process:

        def free() -> None:
            told.wait(60)
            process.stdin and process.stdin.close()

        thread = threading.Thread(target=free)
        thread.start()
        with locks.held(path, "busy", wait_s=None, told=told.set):
            assert told.is_set()
        thread.join()


def test_a_lock_file_that_its_holder_took_away_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = tmp_path / "lock", fcntl.flock
    times: list[int] = []

    def flock(descriptor: int, what: int) -> None:
        real(descriptor, what)
        times.append(descriptor)
        if len(times) == 1:  # the holder before takes it away between our open and our lock
            path.unlink()

    monkeypatch.setattr(fcntl, "flock", flock)
    with locks.held(path, "busy"):
        assert len(times) == 2
        assert os.path.lexists(path), "a lock on a file that is gone keeps nobody out"
        assert not is_free(path)


@pytest.mark.usefixtures("without")
def test_of_an_owner_elsewhere_nobody_knows_so_that_a_person_is_told(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.held(path, "busy"):
        owner = json.loads((tmp_path / "lock.owner").read_text())
    for change in ({"machine": "tape-room"}, {"boot": "another"}, {"space": "pid:[1]"}):
        (tmp_path / "lock.owner").write_text(json.dumps(owner | {"process": 2**22 + 1, "began": "1"} | change))
        with pytest.raises(AlreadyInWork, match="busy") as caught, locks.held(path, "busy"):
            pass
        assert str(tmp_path / "lock.owner") in caught.value.advice
        assert (change.get("machine") or owner["machine"]) in caught.value.advice
    (tmp_path / "lock.owner").write_text("")
    assert not is_free(path), "its owner may be about to write its name"


@pytest.mark.usefixtures("without")
def test_a_process_with_the_number_of_a_dead_owner_is_not_taken_for_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.held(path, "busy"):
        owner = json.loads((tmp_path / "lock.owner").read_text())
    (tmp_path / "lock.owner").write_text(json.dumps(owner))
    assert not is_free(path)
    (tmp_path / "lock.owner").write_text(json.dumps(owner | {"began": "1"}))
    with locks.held(path, "busy", wait_s=60):
        assert json.loads((tmp_path / "lock.owner").read_text()) == owner


@pytest.mark.usefixtures("without")
def test_a_lock_taken_meanwhile_is_not_buried_with_the_dead_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, owner = tmp_path / "lock", tmp_path / "lock.owner"
    with locks.held(path, "busy"):
        living = owner.read_text()
    owner.write_text(json.dumps(json.loads(living) | {"process": 2**22 + 1}))
    real = fcntl.flock

    def flock(descriptor: int, what: int) -> None:
        real(descriptor, what)
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # just before we look, another has buried it and holds it
            owner.write_text(living)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert not is_free(path)
    assert owner.read_text() == living


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nowhere"), locks.held(tmp_path / "nowhere" / "lock", "busy"):
        pass


def test_a_link_that_someone_put_for_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError), locks.held(tmp_path / "lock", "busy"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_whether_a_folder_has_locks(tmp_path: Path, kind: str) -> None:
    assert locks.are_kept(tmp_path) == (kind == "with")
    assert list(tmp_path.iterdir()) == []
