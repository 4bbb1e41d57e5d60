"""A folder of recordings, with the results beside them or in a tree that mirrors it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from speechpipe.errors import MediaNotFound, RepositoryError
from speechpipe.repositories.contract import Deposited, Item, Package, Part, Receipt
from speechpipe.repositories.shelf import Shelf

#: Endings of files that may hold sound, in any case.
MEDIA_ENDINGS = frozenset(
    {".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".bwf", ".caf", ".dts", ".flac", ".gsm", ".m4a"}
    | {".m4b", ".mka", ".mp2", ".mp3", ".mpa", ".oga", ".ogg", ".opus", ".ra", ".rf64", ".snd", ".spx", ".tta", ".voc"}
    | {".w64", ".wav", ".wave", ".wma", ".wv"}
    | {".3g2", ".3gp", ".asf", ".avi", ".dv", ".f4v", ".flv", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg"}
    | {".mpg", ".mts", ".mxf", ".ogv", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv"}
)

#: What file systems and their tools keep for themselves.
_NOT_ARCHIVE = frozenset({"lost+found", "System Volume Information", "$RECYCLE.BIN", "@eaDir", "__MACOSX"})

#: A file's name has at most 255 bytes nearly everywhere; the endings of results and temporary files need some of them.
_LONGEST_NAME = 200


class FolderRepository:
    """Recordings below ``source``; results below ``outputs`` in the same tree, or beside the recordings (None).

    An item's identifier is its path relative to ``source``. Links to folders are not followed, nor links to files
    outside ``source`` unless ``follow_links``.
    """

    def __init__(self, source: Path, outputs: Path | None = None, *, follow_links: bool = False) -> None:
        self.source = source
        self.outputs = source if outputs is None else outputs
        self.follow_links = follow_links

    @classmethod
    def of_file(cls, path: Path, outputs: Path | None = None) -> tuple[FolderRepository, Item]:
        """One file that a person names, of whatever ending; a link to it is followed.

        Raises:
            MediaNotFound: it is not there, or a folder.
        """
        try:
            if not path.exists():
                raise MediaNotFound(f"There is no file {path}.")
            if not path.is_file():
                raise MediaNotFound(f"{path} is not a file.", cure="Give a file.")
        except OSError as error:
            raise MediaNotFound(f"Cannot read {path}: {error.strerror or error}.") from error
        # Of "." and ".." only the folder's links are resolved: the file keeps the name that it was given.
        folder = path.parent.resolve()
        return cls(folder, outputs, follow_links=True), _item(PurePosixPath(path.name))

    def discover(self) -> Iterator[Item]:
        """Every file with the ending of a recording, hidden ones apart, folder by folder in the order of names.

        Raises:
            RepositoryError: the folder cannot be read; or, after all others, which folders below it cannot.
        """
        if not self.source.is_dir():
            raise RepositoryError(f"{self.source} is not a folder.")
        unreadable: list[OSError] = []
        yield from self._below(PurePosixPath(), unreadable)
        if unreadable:
            names = ", ".join(str(error.filename) for error in unreadable[:3])
            raise RepositoryError(f"Of {self.source}, {len(unreadable)} folder(s) cannot be read: {names}.")

    def fetch(self, item: Item) -> Path:
        if not item.parts:
            raise RepositoryError(f"The item {item.identifier!r} has no part.")
        path = self.source / _checked(item.parts[0].location)
        try:
            if not path.is_file():
                raise MediaNotFound(f"There is no file {path}.")
            inside = self.follow_links or path.resolve().is_relative_to(self.source.resolve())
        except OSError as error:
            raise RepositoryError(f"Cannot read {path}: {error.strerror or error}.") from error
        if not inside:
            raise RepositoryError(
                f"{path} is a link that leads out of {self.source}.", cure="Put the file itself there."
            )
        return path

    def existing(self, item: Item) -> Receipt | None:
        return self._shelf(item).newest()

    def paths(self, item: Item, receipt: Receipt) -> tuple[Path, ...]:
        folder = self._shelf(item).folder
        return tuple(folder / name for name in receipt.files)

    def deposit(self, item: Item, package: Package) -> Deposited:
        return self._shelf(item).put(package)

    def record_failure(self, item: Item, receipt: Receipt) -> None:
        self._shelf(item).put_failure(receipt)

    def _shelf(self, item: Item) -> Shelf:
        path = self.outputs / _checked(item.identifier)
        return Shelf(path.parent, _short(path.name))

    def _below(self, folder: PurePosixPath, unreadable: list[OSError]) -> Iterator[Item]:
        try:
            with os.scandir(self.source / folder) as scan:
                entries = sorted(scan, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            unreadable.append(error)
            return
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _NOT_ARCHIVE:
                continue
            if entry.is_dir(follow_symlinks=False):
                if not self._is_outputs(Path(entry.path)):
                    yield from self._below(folder / entry.name, unreadable)
            elif PurePosixPath(entry.name).suffix.lower() in MEDIA_ENDINGS and self._is_inside(entry):
                yield _item(folder / entry.name)

    def _is_inside(self, entry: os.DirEntry[str]) -> bool:
        try:
            if not entry.is_file():
                return False
            return not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(self.source.resolve())
        except OSError:
            return False

    def _is_outputs(self, folder: Path) -> bool:
        return folder.resolve() == self.outputs.resolve()


def _item(path: PurePosixPath) -> Item:
    return Item(path.as_posix(), (Part(path.as_posix()),))


def _checked(location: str) -> PurePosixPath:
    """``location`` as a path that stays below what it is joined to."""
    path = PurePosixPath(location)
    if not path.parts or "\0" in location or path.is_absolute() or ".." in path.parts or path.as_posix() != location:
        raise RepositoryError(
            f"{location!r} is not a path within the repository.", cure="Give a relative path without '..'."
        )
    return path


def _short(name: str) -> str:
    """``name``, or for one too long to bear the endings of results: its beginning, a digest of it and its ending."""
    content = os.fsencode(name)
    if len(content) <= _LONGEST_NAME:
        return name
    ending = os.fsencode(PurePosixPath(name).suffix)[:16]
    mark = f"~{hashlib.sha256(content).hexdigest()[:12]}".encode()
    beginning = content[: _LONGEST_NAME - len(mark) - len(ending)]
    return (beginning.decode("utf-8", "ignore").encode() + mark).decode() + os.fsdecode(ending)
