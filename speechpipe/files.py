"""Writing so that a power cut leaves the old file or the new one, never half of one; what failing to read one means."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO

from speechpipe.errors import BrokenModel, EngineError, MediaError, MediaNotFound, MediaUnavailable, OutputError

BLOCK = 1 << 20
#: The results of a short recording, in bytes.
LEAST_ROOM = 64 << 10
#: What says that there is no such file; all else says that it cannot be had now.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
_NOT_ALLOWED = (errno.EACCES, errno.EPERM)


def write_atomically(path: Path, content: bytes, *, private: bool = False) -> None:
    """Replace ``path`` by ``content``: temporary file beside it, fsync, rename, fsync of the folder.

    ``private``: its owner alone may read it.

    Raises:
        OutputError: the folder cannot be written to, or the disk is full.
    """
    with explained(path):
        if path.exists() and not path.is_file():  # which a rename would take away, /dev/null for all
            raise OutputError(f"Cannot write {path}: it is no file.", cure="Name a file.")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o600 if private else 0o644 & ~_umask())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def claimed(path: Path) -> Path:
    """``path``, or where that is taken the first of STEM-2, STEM-3 … that is free; an empty file now, so that nobody
    else takes it.

    Raises:
        OutputError: the folder cannot be written to.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            free = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
            with suppress(FileExistsError):
                free.open("xb").close()
                return free
    raise AssertionError("numbers do not end")


def check_room(folder: Path, spare: int = 0) -> None:
    """Write as much as a short recording leaves, without a trace.

    Raises:
        OutputError: the folder cannot be written to, or no more than ``spare`` bytes of the disk are free.
    """
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, prefix=".", suffix=".part") as file:
            file.write(bytes(LEAST_ROOM))
            file.flush()
            os.fsync(file.fileno())
            free = shutil.disk_usage(folder).free
    if free < spare:
        cure = "Free some space, then run again."
        raise OutputError(f"Of the {spare >> 20} MB that are needed in {folder}, {free >> 20} are free.", cure=cure)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_empty(folder: Path, top: Path) -> None:
    """Remove ``folder`` and those above it, below ``top``, as far as nothing is in them."""
    while folder != top and folder.is_relative_to(top):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def opened(path: Path) -> BinaryIO:
    """A file for reading, however its path came here: opening a pipe would wait for ever, a device may do anything.

    Raises:
        OSError: it cannot be opened, or it is no file.
    """
    _refuse_other(path, path.stat())
    file = io.open(path, "rb", opener=_without_waiting)  # noqa: SIM115, UP020
    try:
        _refuse_other(path, os.fstat(file.fileno()))  # it may have been another a moment ago
    except OSError:
        file.close()
        raise
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def read_bytes(path: Path) -> bytes:
    """What a file holds; raises as ``opened``."""
    with opened(path) as file:
        return file.read()


def _refuse_other(path: Path, state: os.stat_result) -> None:
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.ENXIO, "it is a pipe, a socket or a device, not a file", str(path))


def sha256_file(path: Path) -> str:
    digest = hashlib.sha256()
    with opened(path) as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def not_read(path: Path, error: OSError) -> MediaError:
    """The error of a recording that the system does not give: not there, or there and not to be had now."""
    if error.errno in _ABSENT:
        return MediaNotFound(f"There is no file {path}.")
    if error.errno in _NOT_ALLOWED:
        return MediaUnavailable(f"You may not read {path}.", cure="Allow it; then it is tried again.")
    return MediaUnavailable(f"{path} is there, but cannot be read: {error.strerror or error}.")


def model_not_read(path: Path, error: OSError) -> EngineError:
    """As ``not_read``, of a model's file; one that is not there, or no file, is the model's fault."""
    if error.errno in (None, errno.EISDIR, errno.EINVAL, errno.ENXIO, *_ABSENT):
        return BrokenModel(f"The model's file {path} cannot be read: {error.strerror or error}.")
    return EngineError(
        f"The model's file {path} is there, but cannot be read: {error.strerror}.",
        cure="Try again later; where it stays so, look at the disk, the network and the rights of the file.",
    )


def sha256_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` of a write into an ``OutputError`` that an archivist understands."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(f"No space is left for {path}.", cure="Free some space, then run again.") from error
        raise OutputError(f"Cannot write {path}: {error.strerror or error}.") from error


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
