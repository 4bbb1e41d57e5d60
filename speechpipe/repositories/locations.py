"""Where a recording lies within its repository, as a path and as the name of its results."""

from __future__ import annotations

import hashlib
import os
from pathlib import PurePosixPath

from speechpipe.errors import RepositoryError

#: A file's name has at most 255 bytes nearly everywhere; the endings of results and temporary files need some of them.
_LONGEST_NAME = 200


def checked(location: str) -> PurePosixPath:
    """``location`` as a path that stays below what it is joined to."""
    path = PurePosixPath(location)
    if not path.parts or "\0" in location or path.is_absolute() or ".." in path.parts or path.as_posix() != location:
        raise RepositoryError(
            f"{location!r} is not a path within the repository.", cure="Give a relative path without '..'."
        )
    return path


def short(name: str) -> str:
    """``name``, or for one too long to bear the endings of results: its beginning, a digest of it and its ending."""
    content = os.fsencode(name)
    if len(content) <= _LONGEST_NAME:
        return name
    ending = os.fsencode(PurePosixPath(name).suffix)[:16]
    mark = f"~{hashlib.sha256(content).hexdigest()[:12]}".encode()
    beginning = content[: _LONGEST_NAME - len(mark) - len(ending)]
    return (beginning.decode("utf-8", "ignore").encode() + mark).decode() + os.fsdecode(ending)
