"""The files of a package put in place of those from before, so that a person's save meanwhile is found and stays.

All are written first, into a hidden folder beside. Then each is exchanged with what stands at its name, and that is
looked at: if it is not ours, a person has saved it since we looked, and everything goes back to where it was.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from speechpipe import exchange
from speechpipe.errors import OutputError
from speechpipe.files import sync_folder
from speechpipe.repositories.results.records import is_one_of, that_may_know

#: Beside the results while some are written; used by who holds the folder alone.
FOLDER = ".speechpipe-writing"
_MARK = 8
#: Ending of a file that a person saved during a deposit, and then saved once more.
KEPT = ".kept"

#: Whether what lies at a path is what we have written under this name.
IsOurs = Callable[[str, Path], bool]


class Replacement:
    """Files on their way to their names in ``folder``; leaving the ``with`` block takes away what is not there yet."""

    def __init__(self, folder: Path, is_ours: IsOurs, *, private: bool) -> None:
        self.folder, self.private, self._is_ours = folder, private, is_ours
        self.staged: dict[str, Path] = {}
        self._inodes: dict[str, int] = {}
        #: What was begun, and whether it is put in its place or taken away.
        self._begun: list[tuple[str, bool]] = []

    def __enter__(self) -> Replacement:
        beside = self.folder / FOLDER
        with suppress(FileExistsError):
            beside.mkdir(0o700 if self.private else 0o777)
        if beside.is_symlink() or not beside.is_dir():
            raise OutputError(f"{beside} stands in the way.", cure="Remove it, then run again.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.undo()
        for path in self.staged.values():
            path.unlink(missing_ok=True)
        with suppress(OSError):
            (self.folder / FOLDER).rmdir()

    def stage(self, name: str, content: bytes) -> Path:
        """Write what shall stand at ``name`` onto the disk."""
        path = self._path(name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags, 0o600 if self.private else 0o666), "wb") as file:
            self.staged[name], self._inodes[name] = path, os.fstat(file.fileno()).st_ino
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return path

    def write(self, name: str, content: bytes) -> None:
        """Replace a record, which is nobody's but ours."""
        self.stage(name, content).replace(self.folder / name)
        del self.staged[name]
        sync_folder(self.folder)

    def replace(self, names: Iterable[str], stale: Iterable[str]) -> bool:
        """Put what is staged under ``names`` in its place, and take ``stale`` files away; False where a person has
        saved one of them meanwhile, and then all is as it was, with theirs."""
        for name in names:
            self._begun.append((name, True))
            if exchange.put(self.staged[name], self.folder / name) and not self._is_left_alone(name):
                self.undo()
                return False
        for name in stale:
            self.staged[name] = self._path(name)
            self._begun.append((name, False))
            with suppress(FileNotFoundError):
                (self.folder / name).rename(self.staged[name])
                if not self._is_left_alone(name):
                    self.undo()
                    return False
        self._begun.clear()
        return True

    def undo(self) -> None:
        """Everything back to where it was. Where a person has saved yet another time, that is what stays."""
        while self._begun:
            name, was_put = self._begun[-1]
            path, old = self.folder / name, self.staged[name]
            stood = os.path.lexists(old)
            if stood and old.lstat().st_ino != self._inodes.get(name):
                exchange.put(old, path)
            elif not stood and was_put:
                with suppress(FileNotFoundError):
                    path.rename(old)
            if os.path.lexists(old) and not self._is_ours(name, old):
                exchange.put(old, path)
            self._begun.pop()

    def _is_left_alone(self, name: str) -> bool:
        """Whether what stood there is ours, and no program that has it open may still write to it."""
        return not exchange.is_open_for_writing(self.staged[name]) and self._is_ours(name, self.staged[name])

    def _path(self, name: str) -> Path:
        return self.folder / FOLDER / f"{name}.{secrets.token_hex(_MARK // 2)}"


def recover(folder: Path) -> None:
    """Put right what a kill left, of whichever recording; call while the folder is held.

    What was whole before the first file was replaced, and is now not ours, a person saved as we were killed: it goes
    back to its name. All else was ours and on its way.
    """
    try:
        left = sorted((folder / FOLDER).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for path in left:
        mark = path.name.removesuffix(exchange.ASIDE)
        name = mark[: -_MARK - 1]
        known = _known_to_have_been_whole(folder, name, mark)
        if known is None or is_one_of(path, known):
            path.unlink()
        elif is_one_of(folder / name, known):
            path.replace(folder / name)
        else:  # they saved it twice: the later one has the name
            path.replace(folder / f"{mark}{KEPT}")
    with suppress(OSError):
        (folder / FOLDER).rmdir()


def saved_twice(folder: Path, name: str) -> list[Path]:
    """The earlier of what a person saved under this name while a deposit was killed."""
    pattern = re.compile(rf"{re.escape(name)}\.[0-9a-f]{{{_MARK}}}{re.escape(KEPT)}")
    return sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name))


def _known_to_have_been_whole(folder: Path, name: str, mark: str) -> set[str] | None:
    for records in that_may_know(folder, name):
        pending = records.pending()
        if pending is not None and pending.staged.get(name) == mark:
            return records.known().get(name, set())
    return None
