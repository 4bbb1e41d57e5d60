"""The store of fetched models: one folder a model, there whole or not at all.

Org/name, Org/name@revision      a model's folder with its lock record, put there by one rename
.partial/NAME                    what was fetched of a model that is not whole yet
.locks/NAME                      held by the process that fetches, imports or removes that model
.accepted.json                   the licences that were accepted, by whom and when
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from speechpipe import locks
from speechpipe.errors import AlreadyInWork, BrokenModel, EngineError, OutputError, UnknownModel
from speechpipe.files import explained, model_not_read, sha256_file, sync_folder
from speechpipe.registry.storing.folders import repair
from speechpipe.registry.storing.locks import LOCK, Lock, LockedFile, read_lock, safe_name, write_lock

#: Space that is left free for others.
_RESERVE = 64 << 20


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that ``prune`` may remove."""

    path: Path
    what: str
    size: int


class Store:
    """The models below ``root``. Several processes may use one store at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, name: str) -> Path:
        """Where the model of this name lies or would lie. Raises ``UnknownModel`` for what cannot be a name."""
        try:
            model, _, revision = safe_name(name).partition("@")
        except ValueError as error:
            raise UnknownModel(f"{error}.".capitalize()) from error
        return self.root / (f"{model}@{_quoted(revision)}" if revision else model)

    def lock(self, name: str) -> Lock | None:
        """The lock record of a model that is here; None for one that is not. Raises ``BrokenModel``."""
        return read_lock(self.folder(name))

    def installed(self) -> list[Lock]:
        """All models here whose record can be read, by name."""
        locks = []
        for path in (*self.root.glob(f"*/{LOCK}"), *self.root.glob(f"*/*/{LOCK}")):
            with suppress(EngineError):
                if (lock := read_lock(path.parent)) and self.folder(lock.name) == path.parent:
                    locks.append(lock)
        return sorted(locks, key=lambda lock: lock.name)

    @contextmanager
    def held(self, name: str, *, wait: Callable[[], None] | None = None) -> Iterator[None]:
        """Hold the model against other processes; ``wait`` is called once where one must be waited for.

        Raises:
            AlreadyInWork: another process holds it and ``wait`` is None. OutputError: the store cannot be written.
        """
        path = self.root / ".locks" / _quoted(safe_name(name))
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        busy = f"The model {name} is being changed by another process."
        with locks.held(path, busy, wait_s=None if wait else 0, told=wait):
            self._restore(name)
            yield

    def partial(self, name: str) -> Path:
        """The folder for a model that is being put together; made where it is not there yet."""
        path = self.partial_path(name)
        with explained(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def partial_path(self, name: str) -> Path:
        """Where ``partial`` is or would be."""
        return self.root / ".partial" / _quoted(safe_name(name))

    def require_space(self, size: int, name: str) -> None:
        """Raises ``OutputError`` where ``size`` bytes have no room."""
        with explained(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.root).free
        if size + _RESERVE > free:
            raise OutputError(
                f"The model {name} needs {megabytes(size)} below {self.root}, where {megabytes(free)} are free.",
                cure="Free some space, or set models_folder to a folder on a larger disk.",
            )

    def take(self, folder: Path, lock: Lock) -> None:
        """Put a finished folder in its place, by one rename; the one there before goes. Call while ``held``."""
        target, old = self.folder(lock.name), self._old(lock.name)
        with explained(target):
            stamped = {name: file.found(_flushed(folder / name)) for name, file in lock.files.items()}
            write_lock(folder, lock.model_copy(update={"files": stamped}))
            target.parent.mkdir(parents=True, exist_ok=True)
            old.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                target.rename(old)
            folder.rename(target)
            sync_folder(target.parent)
            shutil.rmtree(old, ignore_errors=True)

    def remove(self, name: str) -> None:
        """Remove a model, at once for those who look. Raises ``UnknownModel``, ``AlreadyInWork``, ``OutputError``."""
        target = self.folder(name)
        with self.held(name), explained(target):
            if not target.is_dir():
                raise UnknownModel(f"There is no model {name} in {self.root}.")
            gone = self.partial(name) / f"removed-{os.getpid()}"
            target.rename(gone)
            shutil.rmtree(gone.parent, ignore_errors=True)

    def verify(self, name: str) -> Lock:
        """Digest every file of a model, and remember when that was.

        Raises:
            UnknownModel: it is not here. BrokenModel: names the file that is missing or altered.
        """
        lock, folder = self.lock(name), self.folder(name)
        if lock is None:
            raise UnknownModel(f"There is no model {name} in {self.root}.", cure="See: speechpipe models verify")
        fresh = {file: verified(folder / file, facts, repair(lock)) for file, facts in lock.files.items()}
        lock = lock.model_copy(update={"files": fresh})
        with suppress(OutputError):  # a store that is shared read-only is verified all the same
            write_lock(folder, lock)
        return lock

    def leftovers(self, unused_days: int | None = None) -> list[Leftover]:
        """Half-fetched models that no process works on, and models not used for so many days."""
        found = []
        for path in sorted((self.root / ".partial").glob("[!.]*")):
            found.append(Leftover(path, "half fetched", _size(path)))
        for lock in self.installed() if unused_days is not None else ():
            folder = self.folder(lock.name)
            days = (time.time() - _used(folder)) / 86_400
            if days >= (unused_days or 0):
                found.append(Leftover(folder, f"not used for {int(days)} days", _size(folder)))
        return found

    def leftover(self, name: str) -> Leftover:
        """A model in the store, to be pruned by its name. Raises ``UnknownModel``."""
        folder = self.folder(name)
        if not folder.is_dir():
            raise UnknownModel(f"There is no model {name} in {self.root}.", cure="See: speechpipe models verify")
        return Leftover(folder, "named", _size(folder))

    def prune(self, leftover: Leftover) -> bool:
        """Remove it; False where another process works on it."""
        name = self._name_of(leftover.path)
        try:
            if leftover.path.parent.name == ".partial":
                with self.held(name):
                    shutil.rmtree(leftover.path, ignore_errors=True)
            else:
                self.remove(name)
        except AlreadyInWork:
            return False
        return True

    def _name_of(self, path: Path) -> str:
        relative = path.relative_to(self.root)
        return unquote(relative.name if relative.parts[0] == ".partial" else relative.as_posix())

    def _old(self, name: str) -> Path:
        return self.root / ".partial" / ".old" / _quoted(name)

    def _restore(self, name: str) -> None:
        """After a process that died between the two renames of ``take``."""
        old, target = self._old(name), self.folder(name)
        if old.is_dir():
            if target.exists():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.rename(target)


def verified(path: Path, facts: LockedFile, cure: str) -> LockedFile:
    """``facts`` with the time of this look. Raises ``BrokenModel`` where it is not the one recorded."""
    try:
        state = path.stat()
        if state.st_size != facts.size:
            kind = "cut short" if state.st_size < facts.size else "altered"
            raise BrokenModel(
                f"The file {path} of the model is {kind}: {state.st_size} bytes instead of {facts.size}.", cure=cure
            )
        if sha256_file(path) != facts.sha256:
            raise BrokenModel(
                f"The file {path} of the model is altered: its SHA-256 is not the recorded one.", cure=cure
            )
    except FileNotFoundError as error:
        raise BrokenModel(f"The file {path} of the model is missing.", cure=cure) from error
    except OSError as error:
        raise model_not_read(path, error) from error
    return facts.found(state)


def mark_used(folder: Path) -> None:
    """Remember that the model was used now; for nothing but ``prune --unused``."""
    with suppress(OSError):
        (folder / ".used").touch()


def megabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 999_950_000 else f"{size / 1e6:.1f} MB"


def _used(folder: Path) -> float:
    marker = folder / ".used"
    return (marker if marker.exists() else folder / LOCK).stat().st_mtime


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _quoted(name: str) -> str:
    return quote(name, safe="@")


def _flushed(path: Path) -> os.stat_result:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)
