"""Locks between processes that die with the process that holds them, also where the file system has none.

A lock is an ``flock`` on a file. Where the file system has no such locks, as some network disks and FUSE do, it is a
file that only one can create and that names its owner. One whose owner on this machine has died is taken over; of an
owner on another machine nobody here can know, so that a person has to remove the file.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from speechpipe.errors import AlreadyInWork
from speechpipe.files import explained, read_bytes

#: How a file system says that it has no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_BETWEEN_LOOKS_S = 0.02

Release = Callable[[], None]


@contextmanager
def held(
    path: Path,
    busy: str,
    *,
    wait_s: float | None = 0.0,
    told: Callable[[], None] | None = None,
    passing: bool = False,
    named: Path | None = None,
) -> Iterator[None]:
    """Hold the lock ``path``; its folder must be there. Another thread of this process counts as another process.

    ``busy`` is the error's sentence. ``wait_s``: how long to wait, None: without end; ``told`` is called before the
    wait. ``passing``: the file goes with the lock. ``named``: what cannot be written where this cannot.

    Raises:
        AlreadyInWork: another holds it. OutputError: the folder cannot be written to.
    """
    until = None if wait_s is None else time.monotonic() + wait_s
    with explained(named or path):
        while (release := _taken(path, passing)) is None:
            if until is not None and time.monotonic() >= until:
                raise AlreadyInWork(busy, cure=_remedy(path))
            if told is not None:
                told()
                told = None
            time.sleep(_BETWEEN_LOOKS_S)
    try:
        yield
    finally:
        release()


def are_kept(folder: Path) -> bool:
    """Whether the file system of ``folder`` has locks; raises OSError where nothing can be written there."""
    with tempfile.TemporaryFile(dir=folder, prefix=".", suffix=".lock") as file:
        return _flock(file.fileno()) is not None


def _taken(path: Path, passing: bool) -> Release | None:
    """What lets the lock go; None where another has it."""
    while True:
        descriptor = _opened(path)
        try:
            has = _flock(descriptor)
            if has and _is_at(descriptor, path):
                return lambda: _let_go(descriptor, path if passing else None)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if has is None:
            if passing:
                path.unlink(missing_ok=True)
            return _owned(path.with_name(f"{path.name}.owner"))
        if not has:
            return None
        # Its last holder took the file away between our two steps.


def _opened(path: Path) -> int:
    flags = os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(path, os.O_RDWR | flags, 0o666)
    except PermissionError:  # left by another user
        return os.open(path, os.O_RDONLY | flags, 0o666)


def _flock(descriptor: int) -> bool | None:
    """Whether the file is now locked by us; None where the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _let_go(descriptor: int, path: Path | None) -> None:
    try:
        if path is not None:
            with suppress(OSError):
                path.unlink()
    finally:
        os.close(descriptor)


# ---- where the file system has no locks ----


def _owned(path: Path) -> Release | None:
    """The file with our name in it, which only one can create."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        _bury(path)
        return None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(_owner(os.getpid()), file)

    def let_go() -> None:
        with suppress(OSError):
            path.unlink()

    return let_go


def _bury(path: Path) -> None:
    """Take the file away where its owner was a process of this machine that is no more."""
    # Two that find it at once must not take away what a third has made since: one at a time on this machine.
    descriptor = os.open(tempfile.gettempdir(), os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        owner = _read(path)
        here = {name: value for name, value in _owner(os.getpid()).items() if name in _PLACE}
        if owner and here.items() <= owner.items() and _owner(owner.get("process")) != owner:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


#: What of an owner tells the machine, and the space in which its processes have their numbers.
_PLACE = ("machine", "boot", "space")


def _owner(process: object) -> dict[str, object]:
    """Which process of this machine that is; ``began`` tells it from a later one of the same number, None: none."""
    return {
        "machine": socket.gethostname(),
        "boot": _told("/proc/sys/kernel/random/boot_id"),
        "space": _leads_to("/proc/self/ns/pid"),
        "process": process,
        "began": _began(process),
    }


def _began(process: object) -> str | None:
    stat = _told(f"/proc/{process}/stat")
    # The program's name, which may hold anything, stands in brackets before.
    return stat.rpartition(")")[2].split()[19] if stat else None


def _told(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _leads_to(path: str) -> str | None:
    try:
        return str(Path(path).readlink())
    except OSError:
        return None


def _read(path: Path) -> dict[str, object] | None:
    try:
        owner = json.loads(read_bytes(path))
    except (OSError, ValueError):
        return None
    return owner if isinstance(owner, dict) else None


def _remedy(path: Path) -> str | None:
    """What to do about a lock that is held; None: what is always to be done."""
    file = path.with_name(f"{path.name}.owner")
    if not os.path.lexists(file):
        return None
    machine = (_read(file) or {}).get("machine", "its machine")
    return f"Wait until the other run has ended. If nothing of speechpipe runs on {machine} any more, remove {file}."
