"""Results that change their place: under another name, or to the other side when rights change.

First all new names are claimed in a pending record there, then the files go, then the manifest is written; the old
records go last of all. So what a kill leaves is found and brought to its end by the same call again. A person's
corrections keep the digests that tell of them.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from speechpipe.errors import OutputError
from speechpipe.files import explained, opened, sha256_file, sync_folder
from speechpipe.repositories.contract import Receipt
from speechpipe.repositories.results import copies, receipts
from speechpipe.repositories.results.holding import holding
from speechpipe.repositories.results.records import MANIFEST, PENDING
from speechpipe.repositories.results.replacing import recover
from speechpipe.repositories.results.shelf import COPIES, RECORDS, Shelf

#: Endings of all formats, also of those that were made elsewhere and put there.
_RESULT = r"\.(?:words\.)?(?:vtt|srt|txt|tsv|json|html|alto\.xml|mets\.xml)"


@dataclass(slots=True)
class Moved:
    """``receipt``: of the newest version; ``files``: all that came, where they lie now; ``theirs``: of these the ones
    that a person changed or placed."""

    receipt: Receipt | None = None
    files: list[Path] = field(default_factory=list)
    theirs: list[Path] = field(default_factory=list)


def rename(old: Shelf, new: Shelf, about: Mapping[str, Any]) -> Receipt:
    """Every version of ``old``, and why it is not done, to ``new`` under the names there; ``about``: what receipts
    say anew.

    Raises:
        OutputError: files stand in the way, or it cannot be written; nothing of a version moves then.
    """
    with holding(old.folder, new.folder, private=new.private), explained(new.folder / new.name):
        moved = Moved()
        recover(old.folder)
        for version in old._versions():
            _refuse_others(old, version, new)
            _move_version(old, version, new, version, about, moved)
        if failure := old.not_done():
            # The file that it tells of may have changed since: its size and date stay.
            about = {name: told for name, told in about.items() if name != "source_mtime_ns"}
            _move_failure(failure, new, about, moved)
        _drop_records(old)
    if moved.receipt is None:
        raise OutputError(f"There are no results of {old.folder / old.name} to be moved.")
    return moved.receipt


def close(old: Shelf, new: Shelf, about: Mapping[str, Any], *, alone: bool = True) -> Moved:
    """All that stands on ``old``, finished or not, a person's files too, to ``new``. Nothing there stands in the way:
    versions are numbered behind those that are there.

    Args:
        alone: results stand apart from recordings, so that a file that is called like one of them is one.

    Raises:
        OutputError: it cannot be written.
    """
    moved = Moved()
    with holding(old.folder, new.folder, private=new.private), explained(new.folder / new.name):
        recover(old.folder)
        for path in _temporary(old):
            path.unlink(missing_ok=True)
        for path in _others(old) if alone else ():
            place = _free(new.folder / path.name, path)
            _carry(path, place, new)
            moved.files.append(place)
            moved.theirs.append(place)
        for version in old._versions():
            if (number := _number(old, version, new, about)) is not None:
                _move_version(old, version, new, number, about, moved)
        if failure := old.not_done():
            _move_failure(failure, new, about, moved)
        _drop_records(old)
    return moved


def _temporary(shelf: Shelf) -> list[Path]:
    """What a kill left of files that were being written; of a long name they have the beginning."""
    beginnings = tuple(f".{name}." for name in {shelf.name, shelf.name[:40]} if len(name) in (40, len(shelf.name)))
    return [path for path in _beside(shelf) if path.name.startswith(beginnings) and path.name.endswith(".part")]


def _others(shelf: Shelf) -> list[Path]:
    """Files called like results, or like an editor's copy of one, that no record tells of: a person put them there."""
    known = {name for version in shelf._versions() for name in shelf._known(version)}
    own = re.compile(rf"[.#~]*{re.escape(shelf.name)}(\.v[0-9]+)?{_RESULT}([.~#].*)?", re.DOTALL)
    names = [path.name for path in _beside(shelf)]
    shelves = {name.removesuffix(end) for name in names for end in RECORDS if name.endswith(end)}
    version = re.compile(rf"{re.escape(shelf.name)}\.v[0-9]+")
    longer = tuple(f"{n}." for n in shelves if n.startswith(f"{shelf.name}.") and not version.fullmatch(n))
    return [
        shelf.folder / name
        for name in names
        if name not in known and own.fullmatch(name) and not name.lstrip(".#~").startswith(longer)
        if not shelf._is_anothers(name)
    ]


def _beside(shelf: Shelf) -> list[Path]:
    try:
        return sorted(shelf.folder.iterdir())
    except FileNotFoundError:
        return []


def _drop_records(shelf: Shelf) -> None:
    """The first version's go last: later ones are found by it."""
    shelf.drop_failure()
    for version in reversed(shelf._versions()):
        for ending in (COPIES, MANIFEST, PENDING):
            shelf._path(ending, version).unlink(missing_ok=True)
    if shelf.folder.is_dir():
        sync_folder(shelf.folder)


def _move_version(old: Shelf, version: int, new: Shelf, number: int, about: Mapping[str, Any], moved: Moved) -> None:
    """The files of one version, then its manifest, where it was ever finished."""
    known = old._known(version)
    copies.carry(old._path(COPIES, version), new._path(COPIES, number), private=new.private)
    if not known:
        return
    claims = {_name(name, old, version, new, number): sorted(digests) for name, digests in known.items()}
    new._write_record(new._path(PENDING, number), receipts.plain_json({"version": number, "files": claims}))
    for name, digests in known.items():
        path, place = old.folder / name, new.folder / _name(name, old, version, new, number)
        if not os.path.lexists(path):
            continue
        place, theirs = _free(place, path), _digest(path) not in digests
        _carry(path, place, new, shown=old.private and not new.private)
        moved.files.append(place)
        moved.theirs += [place] if theirs else []
    receipt = _receipt(old, version, new, number, about)
    if receipt is None:
        return
    new._write_record(new._path(MANIFEST, number), receipts.to_json(receipt))
    # Beside a person's correction it would say that the move broke off; it stays where a deposit broke off before.
    if not os.path.lexists(old._path(PENDING, version)):
        new._path(PENDING, number).unlink(missing_ok=True)
    moved.receipt = receipt


def _move_failure(failure: Receipt, new: Shelf, about: Mapping[str, Any], moved: Moved) -> None:
    failure = replace(failure, **about)
    new.put_failure(failure)
    moved.receipt = moved.receipt or failure


def _receipt(old: Shelf, version: int, new: Shelf, number: int, about: Mapping[str, Any]) -> Receipt | None:
    """The manifest of a version as it is under its new number; None where it was never finished."""
    manifest = old._manifest(version)
    if manifest is None:
        return None
    files = {_name(name, old, version, new, number): digest for name, digest in manifest.files.items()}
    return replace(manifest, files=files, version=number, **about)


def _refuse_others(old: Shelf, version: int, new: Shelf) -> None:
    if new._is_of_another(version):
        raise OutputError(f"Results of another recording stand where those of {new.folder / new.name} would.")
    for name in old._known(version):
        path, place = old.folder / name, new.folder / _name(name, old, version, new, version)
        if os.path.lexists(place) and os.path.lexists(path) and not _same(path, place):
            raise OutputError(f"{place} stands in the way of results of a recording that was renamed.")


def _number(old: Shelf, version: int, new: Shelf, about: Mapping[str, Any]) -> int | None:
    """Under which number a version goes on that was begun to be moved; else the first that is free behind those there.
    None where there is nothing of it."""
    known, there = old._known(version), new._last_version()
    for number in range(1, there + 1):
        claims = {_name(name, old, version, new, number): digests for name, digests in known.items()}
        receipt = _receipt(old, version, new, number, about)
        pending = new._records(number).pending()
        if known and ((pending and pending.files == claims) or (receipt and receipt == new._manifest(number))):
            return number
    if not any(os.path.lexists(old.folder / name) for name in known):
        return None
    for number in count(max(version, there + 1)):
        if not any(os.path.lexists(new.folder / _name(name, old, version, new, number)) for name in known):
            return number
    raise AssertionError("numbers do not end")


def _name(name: str, old: Shelf, version: int, new: Shelf, number: int) -> str:
    return new._stem(number) + name[len(old._stem(version)) :]


def _free(place: Path, path: Path) -> Path:
    """``place``, or where another file stands there a name beside it."""
    names = (place if number == 1 else place.with_name(f"{place.name}~{number}") for number in count(1))
    return next(one for one in names if not os.path.lexists(one) or _same(path, one))


def _carry(path: Path, place: Path, shelf: Shelf, *, shown: bool = False) -> None:
    """``path`` to ``place``, whole at every moment; where the same stands there already, it is not needed here."""
    if os.path.lexists(place) and _same(path, place):
        path.unlink()
        return
    is_file = path.is_file() and not path.is_symlink()
    if shelf.private and is_file:
        path.chmod(0o600)
    try:
        path.replace(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        if is_file:
            _copy(path, place, 0o600 if shelf.private else 0o666)
            path.unlink()
        else:
            shutil.move(path, place)
    if shown and is_file:
        place.chmod(0o644)


def _copy(path: Path, place: Path, mode: int) -> None:
    """To another disk: under a name for the time being, since a copy may be cut off."""
    temporary = place.with_name(f".{place.name}.part")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with opened(path) as source, os.fdopen(descriptor, "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
        target.flush()
        os.fsync(target.fileno())
    temporary.replace(place)
    sync_folder(place.parent)


def _same(one: Path, other: Path) -> bool:
    digest = _digest(one)
    return digest is not None and not other.is_symlink() and digest == _digest(other)


def _digest(path: Path) -> str | None:
    try:
        return None if path.is_symlink() else sha256_file(path)
    except OSError:
        return None
