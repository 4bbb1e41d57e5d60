"""Bundles: models in one file, for a machine that never sees the network.

A bundle is a plain tar: for each model a folder named by its number, its lock record first, then its files. Nothing in
it is believed: names come from the checked lock record, sizes are held to, and every digest is compared before a model
is taken.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from speechpipe.errors import BrokenModel, OutputError, UnknownModel, UsageError
from speechpipe.files import BLOCK, explained, sync_folder
from speechpipe.registry.storing.folders import check
from speechpipe.registry.storing.locks import LOCK, Lock
from speechpipe.registry.storing.store import Store

Progress = Callable[[str, int, int], None]

#: More than any lock record, however many shards a model has.
_MAX_LOCK = 1 << 20


def export(names: Sequence[str], store: Store, target: Path, progress: Progress | None = None) -> list[Lock]:
    """Write the named models, all if none is named, into the new file ``target``; each is verified first.

    Raises:
        UnknownModel: one is not in the store. BrokenModel: a file is missing or altered.
        UsageError: ``target`` is there already. OutputError: it cannot be written.
    """
    names = names or [lock.name for lock in store.installed()]
    if not names:
        raise UnknownModel(f"There is no model in {store.root}.", cure="Fetch one: speechpipe models fetch NAME")
    if target.exists():
        raise UsageError(f"{target} exists.", cure="Name a file that does not exist yet.")
    locks = [store.verify(name) for name in dict.fromkeys(names)]
    total, done = sum(lock.size for lock in locks), 0
    with _new_file(target) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as bundle:
        for number, lock in enumerate(locks):
            record = lock.without_times().model_dump_json(indent=1).encode()
            bundle.addfile(_member(f"{number}/{LOCK}", len(record)), io.BytesIO(record))
            for name, facts in sorted(lock.files.items()):
                with (store.folder(lock.name) / name).open("rb") as source:
                    bundle.addfile(_member(f"{number}/{name}", facts.size), source)
                done += facts.size
                if progress:
                    progress("export", done, total)
    return locks


def import_(source: Path, store: Store, progress: Progress | None = None) -> list[Lock]:
    """Take all models of a bundle into the store, each whole or not at all; one that is here already is replaced.

    Raises:
        BrokenModel: the bundle is cut short, altered, or holds what no bundle holds; the store is as before, but for
            models before the fault. OutputError: no space.
    """
    if not source.is_file():
        raise UsageError(f"There is no file {source}.", cure="Name the file that speechpipe models export wrote.")
    taken: list[Lock] = []
    with _explained(source), tarfile.open(source, mode="r:") as bundle:
        members = iter(bundle)
        while (member := next(members, None)) is not None:
            lock = _read_lock(bundle, member, len(taken), source)
            store.require_space(lock.size, lock.name)
            with store.held(lock.name, wait=lambda: None):
                _take(bundle, members, lock, len(taken), source, store)
            taken.append(lock)
            if progress:
                progress("import", bundle.offset, source.stat().st_size)
    if not taken:
        raise BrokenModel(f"The bundle {source} holds no model.", cure=_AGAIN)
    return taken


def _take(
    bundle: tarfile.TarFile,
    members: Iterator[tarfile.TarInfo],
    lock: Lock,
    number: int,
    source: Path,
    store: Store,
) -> None:
    partial = store.partial(lock.name)
    folder = partial / "imported"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        for name, facts in sorted(lock.files.items()):
            member = next(members, None)
            if member is None:
                raise BrokenModel(f"The bundle {source} is cut short: {name} of {lock.name} is missing.", cure=_AGAIN)
            content = _content(bundle, member, f"{number}/{name}", facts.size, source)
            if _copy(content, folder / name) != facts.sha256:
                raise BrokenModel(f"The bundle {source} is altered: {name} of {lock.name} differs.", cure=_AGAIN)
        checked = check(folder)
        if checked.family != lock.family:
            raise BrokenModel(f"The bundle {source} holds a {checked.family} model as {lock.name}.", cure=_AGAIN)
        store.take(folder, lock)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _read_lock(bundle: tarfile.TarFile, member: tarfile.TarInfo, number: int, source: Path) -> Lock:
    if member.size > _MAX_LOCK:
        raise BrokenModel(f"The file {source} is no bundle of models.", cure=_AGAIN)
    content = _content(bundle, member, f"{number}/{LOCK}", member.size, source)
    try:
        return Lock.model_validate_json(content.read())
    except ValidationError as error:
        raise BrokenModel(f"The bundle {source} has a lock record that is none.", cure=_AGAIN) from error


def _content(bundle: tarfile.TarFile, member: tarfile.TarInfo, name: str, size: int, source: Path) -> IO[bytes]:
    """The content of a member that is the plain file expected here, and nothing else."""
    if member.name != name or not member.isreg() or member.issparse() or member.size != size:
        raise BrokenModel(
            f"The file {source} is no bundle of models: {member.name!r} has no place in one.", cure=_AGAIN
        )
    content = bundle.extractfile(member)
    if content is None:
        raise BrokenModel(f"The file {source} is no bundle of models.", cure=_AGAIN)
    return content


def _copy(content: IO[bytes], target: Path) -> str:
    digest = hashlib.sha256()
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            while block := content.read(BLOCK):
                digest.update(block)
                file.write(block)
    return digest.hexdigest()


def _member(name: str, size: int) -> tarfile.TarInfo:
    """No owner, no time: the same models give the same bundle."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member


@contextmanager
def _new_file(target: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name when it is whole."""
    with explained(target):
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        sync_folder(target.parent)


@contextmanager
def _explained(source: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise BrokenModel(f"The bundle {source} cannot be read: {error}.", cure=_AGAIN) from error
    except OutputError:
        raise
    except OSError as error:
        raise BrokenModel(f"The bundle {source} cannot be read: {error}.", cure=_AGAIN) from error


_AGAIN = "Export it again, and compare the two files' SHA-256."
