"""Copies of results that were made elsewhere, as by an export or a conversion: where they went, so that they are found
when the recording is withdrawn or its rights close.

A record lies beside the results, one line a copy, written before the copy. Records lie where others may write, so they
are not believed: a file is of the recording where it tells the SHA-256 of the recording's content, as each format does.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from speechpipe.errors import OutputError
from speechpipe.files import explained, read_bytes, remove_empty, sha256_bytes, sync_folder, write_atomically

ENDING = ".speechpipe.copies.jsonl"
#: A transcript of 100 hours is some 200 MB.
_LARGEST = 1 << 30

Digests = Mapping[Path, Collection[str]]


@dataclass(frozen=True, slots=True)
class Erased:
    """What became of files: ``erased``; ``kept``: changed by a person, where they lie now; ``gone``: no longer where
    they were put; ``left``: where a copy was put lies what nothing tells to be of this recording."""

    erased: tuple[Path, ...] = ()
    kept: tuple[Path, ...] = ()
    gone: tuple[Path, ...] = ()
    left: tuple[Path, ...] = ()

    def __add__(self, other: Erased) -> Erased:
        return Erased(
            self.erased + other.erased, self.kept + other.kept, self.gone + other.gone, self.left + other.left
        )


@dataclass(frozen=True, slots=True)
class Aside:
    """The folder, below ``top``, to which a person's changes of one recording are brought."""

    folder: Path
    top: Path

    def files(self) -> tuple[Path, ...]:
        # What a kill left half written is none of theirs.
        return tuple(path for path in self._all() if not path.name.startswith("."))

    def erase(self) -> Erased:
        """Raises ``OutputError``."""
        done = Erased()
        for path in self._all():
            done += clear(path, (), None)
        remove_empty(self.folder, self.top)
        return done

    def _all(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path.is_file()) if self.folder.is_dir() else []


def record(path: Path, copies: Mapping[Path, bytes], *, private: bool = False) -> None:
    """Write down where copies go and what they hold; to be called before they are written.

    Raises:
        OutputError: it cannot be written.
    """
    lines = [
        json.dumps({"file": str(copy.parent.resolve() / copy.name), "sha256": sha256_bytes(content)}).encode() + b"\n"
        for copy, content in copies.items()
    ]
    _append(path, b"".join(lines), private)


def carry(old: Path, new: Path, *, private: bool = False) -> None:
    """The record of copies goes with the results. Raises ``OutputError``."""
    if (lines := _content(old)) is not None:
        _append(new, lines, private)
        with explained(old):
            old.unlink()


def _append(path: Path, lines: bytes, private: bool) -> None:
    with explained(path):
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600 if private else 0o666), "wb") as file:
            file.write(b"\n" + lines)  # a line that a kill tore is ended, so that it spoils no other
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)


def recorded(path: Path) -> dict[Path, set[str]]:
    """Each copy with the digests that it was given; nothing where there is no record."""
    known: dict[Path, set[str]] = {}
    try:
        lines = read_bytes(path).splitlines()
    except OSError:
        return known
    for line in lines:
        try:
            entry = json.loads(line)
            copy, digest = Path(entry["file"]), str(entry["sha256"])
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        if copy.is_absolute() and "\0" not in str(copy):
            known.setdefault(copy, set()).add(digest)
    return known


def erase(copies: Digests, contents: Collection[str], aside: Path | None) -> Erased:
    """Remove the copies that are as we wrote them; bring those that a person changed to the folder ``aside``, or remove
    them too where that is None. ``contents``: the digests that tell a file to be of the recording.

    Raises:
        OutputError: one cannot be removed.
    """
    done = Erased()
    for path, digests in copies.items():
        content = _content(path)
        if not os.path.lexists(path):
            done += Erased(gone=(path,))
        elif content is None or not any(digest.encode() in content for digest in contents if digest):
            done += Erased(left=(path,))
        else:
            done += clear(path, digests, aside)
    return done


def clear(path: Path, digests: Collection[str], aside: Path | None) -> Erased:
    """Remove one file, or bring it aside where it is not as we left it. A link goes; what it leads to stays.

    Raises:
        OutputError: it cannot be removed, or it is neither a file nor a link.
    """
    content = _content(path)
    if content is None and not path.is_symlink():
        raise OutputError(f"{path} is no file that can be read.", cure="Take it away, then run again.")
    kept = None
    with explained(path):
        if aside is not None and content is not None and sha256_bytes(content) not in digests:
            kept = _keep(path, content, aside)
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    return Erased(kept=(kept,)) if kept else Erased(erased=(path,))


def _keep(path: Path, content: bytes, aside: Path) -> Path:
    for folder in reversed([folder for folder in (aside, *aside.parents) if not folder.exists()]):
        folder.mkdir(0o700, exist_ok=True)
    for kept in _names(aside / path.name):
        if not os.path.lexists(kept):
            write_atomically(kept, content, private=True)
            return kept
        if _content(kept) == content:  # by a call that was killed
            return kept
    raise AssertionError("names do not end")


def _names(path: Path) -> Iterator[Path]:
    yield path
    number = 2
    while True:
        yield path.with_name(f"{number}-{path.name}")
        number += 1


def _content(path: Path) -> bytes | None:
    """What a plain file holds; None of anything else, and of what cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    except OSError:
        return None
    finally:
        os.close(descriptor)
