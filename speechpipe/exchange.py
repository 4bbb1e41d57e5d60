"""One file in another's place in one step, with what stood there in hand: nothing is replaced unseen."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
from contextlib import suppress
from pathlib import Path

#: What is taken away before another comes, where the system cannot exchange two names in one step.
ASIDE = ".aside"

_HERE = -100  # AT_FDCWD
_NEW_NAME_ONLY, _EXCHANGE = 1, 2
_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)


def put(new: Path, path: Path) -> bool:
    """Put ``new`` at ``path`` and what stood there at ``new``; False where nothing stood there, so that ``new`` is no
    more. Both lie on one file system.

    Raises:
        OSError: it cannot be done; a kill, or this, may leave what stood there at ``new`` with the ending ``ASIDE``.
    """
    while True:
        try:
            _rename(new, path, _EXCHANGE)
            return True
        except FileNotFoundError:
            if not os.path.lexists(new):
                raise
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            return _put_in_steps(new, path)
        if place(new, path):
            return False


def place(new: Path, path: Path) -> bool:
    """Put ``new`` at ``path`` where nothing stands there; False where something does."""
    try:
        _rename(new, path, _NEW_NAME_ONLY)
        return True
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    try:
        path.hardlink_to(new)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        # A file system with neither: a moment is left in which another file would be lost.
        if os.path.lexists(path):
            return False
        new.replace(path)
        return True
    new.unlink()
    return True


def is_open_for_writing(path: Path) -> bool:
    """Whether a process has the file open and may still write; False also where the system does not tell."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # Who opens it meanwhile would have us told by SIGIO, which ends a process.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _put_in_steps(new: Path, path: Path) -> bool:
    aside = new.with_name(new.name + ASIDE)
    try:
        while True:
            with suppress(FileNotFoundError):
                path.replace(aside)
            if place(new, path):
                break
    except BaseException:
        if os.path.lexists(aside):
            place(aside, path)
        raise
    if not os.path.lexists(aside):
        return False
    aside.replace(new)
    return True


def _rename(old: Path, new: Path, how: int) -> None:
    if _LIBC is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if _LIBC.renameat2(_HERE, os.fsencode(old), _HERE, os.fsencode(new), how) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(old), None, str(new))


def _library() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "renameat2"):
        return None
    library.renameat2.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    return library


_LIBC = _library()
