"""What the machine refuses while a recording is read, told apart from what the file lacks; for the reader's process.

The libraries in between make a disk's error the end of the file, and a lack of memory a damaged piece of it.
"""

from __future__ import annotations

import errno
import io
import mmap
import resource
from pathlib import Path
from typing import Any, BinaryIO

from speechpipe.errors import MediaUnavailable
from speechpipe.files import not_read

#: What one decoder may allocate. FFmpeg's own buffers for the largest frames known stay far below.
MEMORY = 1 << 30
#: What was refused of the one file that is read at a time.
_refused: list[OSError] = []


class _Watched(io.FileIO):
    def readinto(self, buffer: Any, /) -> int | None:
        try:
            return super().readinto(buffer)
        except OSError as error:
            _refused.append(error)
            raise


def open_media(path: Path) -> BinaryIO:
    """``path`` for reading; what the disk refuses of it is remembered until ``begin``. Raises ``OSError``."""
    return io.BufferedReader(_Watched(path))


def begin() -> None:
    """Another file is read from now on."""
    _refused.clear()


def check(path: Path) -> None:
    """Raises ``MediaUnavailable`` where something of ``path`` was refused: what came behind it is not the recording."""
    if _refused:
        raise not_read(path, _refused[0])


def check_memory(path: Path) -> None:
    """To be asked where an allocation failed. Raises ``MediaUnavailable`` where the machine has less than a reader may
    take; else it is the file that asks for more."""
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        mmap.mmap(-1, MEMORY).close()  # shared, so that it does not count as the reader's own data
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
    else:
        if not 0 <= soft < MEMORY:
            return
    raise MediaUnavailable(f"Reading {path} needs more memory than the machine has left.")


def limit() -> None:
    """No file may be written, and memory is bounded: by the limit that is there, where it is lower."""
    for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_DATA, MEMORY)):
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
