"""The login of the page: made once, kept in a file that its owner alone can read, and told to nobody else."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from speechpipe.errors import UsageError
from speechpipe.files import write_atomically

USER = "archive"
#: What is read out or typed without doubt: no 0 and o, no 1 and l and i.
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
GROUPS, GROUP = 5, 4


def kept(path: Path, *, anew: bool = False) -> str:
    """The login in ``path`` as ``user:password``; made where there is none, and where it is wanted ``anew``.

    Raises:
        UsageError: as ``read``.
        OutputError: the file cannot be written.
    """
    if anew or not path.exists():
        write_atomically(path, f"{made()}\n".encode(), private=True)
    return read(path)


def made() -> str:
    groups = ("".join(secrets.choice(LETTERS) for _ in range(GROUP)) for _ in range(GROUPS))
    return f"{USER}:{'-'.join(groups)}"


def read(path: Path) -> str:
    """What a file holds as ``user:password``.

    Raises:
        UsageError: it cannot be read, others can read it, or it holds no ``user:password``.
    """
    try:
        # Not blocking: a pipe would be waited for without end.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise UsageError(f"{path} is no plain file.", cure="Give a file that holds user:password.")
            if mode & 0o077:
                raise UsageError(
                    f"The login in {path} is no secret: other users of this machine may read or change the file.",
                    cure=f"Run: chmod 600 {path} and, as others may know it by now, choose a new one.",
                )
            login = file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read {path}: {error}.", cure="Give a file that holds user:password.") from error
    user, _, password = login.partition(":")
    if not user or not password or not login.isprintable():
        raise UsageError(f"{path} holds no user:password.", cure="Write one line into it: user:password")
    return login
