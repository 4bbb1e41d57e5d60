"""A folder of recordings, with the results beside them or in a tree that mirrors it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from speechpipe.errors import MediaNotFound, RepositoryError, Withdrawn
from speechpipe.files import check_room, not_read, sha256_bytes
from speechpipe.repositories.contract import Closed, Deposited, Fetched, Item, LeftOut, Package, Part, Receipt, Stat
from speechpipe.repositories.locations import checked, short
from speechpipe.repositories.metadata import fixity
from speechpipe.repositories.metadata.knowledge import Knowledge
from speechpipe.repositories.metadata.tables import RECORD, Tables
from speechpipe.repositories.results import moving
from speechpipe.repositories.results.copies import Aside, Erased
from speechpipe.repositories.results.receipts import same_file
from speechpipe.repositories.results.shelf import Shelf, shelves
from speechpipe.repositories.rights import is_known, public_name
from speechpipe.repositories.tombstones import Graves
from speechpipe.repositories.walking import left_out_as, recordings
from speechpipe.settings.repositories import Collection, Night

_COPY, _OF_WHICH = "It is an access copy of", "of which the preservation file is transcribed."

#: Below the restricted results: what a person had changed of recordings that were withdrawn.
KEPT = "kept-corrections"


class FolderRepository:
    """Recordings below ``source``; results below ``outputs`` in the same tree, or beside the recordings (None).

    Without metadata an item's identifier is its path relative to ``source``. Results lie where the recording lies,
    whatever its identifier; those of restricted items below ``restricted``, readable by their owner alone. Links to
    folders are not followed, nor links to files outside ``source`` unless ``follow_links``. ``unknown_rights``:
    ``open``, ``restrict`` or ``skip``.
    """

    def __init__(
        self,
        source: Path,
        outputs: Path | None = None,
        *,
        restricted: Path | None = None,
        metadata: Path | None = None,
        unknown_rights: str = "open",
        follow_links: bool = False,
    ) -> None:
        self.source = source
        self.outputs = source if outputs is None else outputs
        self.restricted = restricted or self.outputs.with_name(f"{self.outputs.resolve().name}-restricted")
        self.unknown_rights = unknown_rights
        self._tables = Tables(source, self.restricted / RECORD, metadata)
        self.follow_links = follow_links
        self.origin: str | None = None
        self._decided = False

    @classmethod
    def of_collection(cls, collection: Collection, night: Night) -> FolderRepository:
        """A collection as the settings describe it, with their policy for rights that are not known."""
        return cls(
            collection.root,
            collection.outputs,
            restricted=collection.restricted,
            metadata=collection.metadata,
            unknown_rights=night.unknown_rights,
        )

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
            raise not_read(path, error) from error
        return cls.around(path, outputs), Item(path.name, (Part(path.name),))

    @classmethod
    def around(cls, path: Path, outputs: Path | None = None) -> FolderRepository:
        """The repository in which a file is done that a person names; it may be gone by now."""
        # Of "." and ".." only the folder's links are resolved: the file keeps the name that it was given.
        folder = path.parent.resolve()
        repository = cls(folder, outputs, follow_links=True)
        repository._decided = True  # who names a file is not asked for its rights
        # Recordings of one name from several folders meet in ``outputs``; beside the recording they cannot.
        if outputs is not None and outputs.resolve() != folder:
            repository.origin = sha256_bytes(os.fsencode(folder))[:16]
        return repository

    def discover(self, left_out: list[LeftOut] | None = None) -> Iterator[Item]:
        """Every file with the ending of a recording or a row of metadata, hidden ones apart, in the order of names.

        Raises:
            RepositoryError: the folder cannot be read, or its metadata cannot be trusted.
        """
        told = [] if left_out is None else left_out
        if not self.source.is_dir():
            raise RepositoryError(f"{self.source} is not a folder.")
        known, listed = self._known, set()
        table = known.table
        for location in recordings(self.source, known, (self.outputs, self.restricted), told):
            row = known.row(location)
            listed.add(row)
            if row in table.copies:
                master = known.item(table.copies[row].location)
                told.append(left_out_as(row, f"{_COPY} {public_name(master)}, {_OF_WHICH}", master))
            else:
                yield known.item(location)
        for row in sorted({*table.items, *table.copies} - listed):
            reason, meant = "It is listed in the metadata, but there is no such file.", known.suspected.get(row)
            if meant is not None:
                reason += f" {public_name(meant)} may be meant, and is not open until the row names it as it is."
            told.append(left_out_as(row, reason, known.item(row)))

    def item(self, name: str) -> Item:
        """The recording with this identifier, location or public name.

        Raises:
            MediaNotFound: there is none.
        """
        for item in self.discover():
            if name in (item.identifier, item.location) or name == public_name(item):
                return item
        raise MediaNotFound(f"There is no recording {name!r} in {self.source.name}.")

    def stat(self, item: Item) -> Stat:
        path = self.source / checked(item.location)
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise MediaNotFound(f"{path} is not a file.")
            inside = self.follow_links or path.resolve().is_relative_to(self.source.resolve())
        except (FileNotFoundError, NotADirectoryError) as error:
            self._check_mounted()
            raise MediaNotFound(f"There is no file {path}.") from error
        except OSError as error:
            raise RepositoryError(f"Cannot read {path}: {error.strerror or error}.") from error
        if not inside:
            raise RepositoryError(
                f"{path} is a link that leads out of {self.source}.", cure="Put the file itself there."
            )
        return Stat(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)

    def locate(self, item: Item) -> Path:
        self.stat(item)
        return self.source / item.location

    def fetch(self, item: Item, known: Receipt | None = None) -> Fetched:
        before = self.stat(item)
        path = self.source / item.location
        if known and known.source_sha256 and same_file(known, before):
            return Fetched(path, known.source_sha256, before, known.source_checksum)
        try:
            return fixity.read_through(path, before, self.checksum(item))
        except OSError as error:
            self._check_mounted()
            raise not_read(path, error) from error

    def checksum(self, item: Item) -> str | None:
        return item.parts[0].checksum or fixity.supplied(self.source / checked(item.location), self.source)

    def is_ready(self, item: Item, marker: str) -> bool:
        path = self.source / checked(item.location)
        return os.path.lexists(path.with_name(path.name + marker if marker.startswith(".") else marker))

    def existing(self, item: Item, *, done: bool = False) -> Receipt | None:
        shelf = self._shelf(item)
        if done:
            return shelf.newest_done()
        if newest := shelf.newest():
            return replace(newest, restricted=shelf.private)
        other = self._other_shelf(item)
        receipt = other.not_done()
        return receipt and self._placed(receipt, other)

    def receipts(self) -> Iterator[Receipt]:
        for restricted in (False, True):
            for shelf in shelves(self._tree(restricted), self._tree(not restricted), private=restricted):
                if (receipt := shelf.newest()) is not None:
                    yield self._placed(receipt, shelf)

    def paths(self, item: Item, receipt: Receipt) -> tuple[Path, ...]:
        folder = self._shelf(item).folder
        return tuple(folder / name for name in receipt.files)

    def held(self, item: Item) -> AbstractContextManager[None]:
        return self._shelf(item).held()

    def deposit(self, item: Item, package: Package) -> Deposited:
        with self.held(item):
            if self.tombstone(item, package.receipt.source_sha256) is not None:
                raise Withdrawn(f"{public_name(item)} was withdrawn.")
            deposited = self._shelf(item).put(package)
        self._other_shelf(item).drop_failure()
        return deposited

    def check_room(self) -> None:
        check_room(self.outputs)
        if self.restricted.is_dir():  # which may be on another disk
            check_room(self.restricted)

    def record_failure(self, item: Item, receipt: Receipt) -> None:
        with self.held(item):
            if self.tombstone(item, receipt.source_sha256) is None:
                self._shelf(item).put_failure(receipt)
        self._other_shelf(item).drop_failure()

    def move(self, receipt: Receipt, item: Item) -> Receipt:
        file = self.stat(item)
        about = {"identifier": item.identifier, "location": item.location, "restricted": item.standing != "open"}
        about |= {"source_name": PurePosixPath(item.location).name, "source_mtime_ns": file.mtime_ns}
        about |= {"rights_known": is_known(item.rights)}
        old, new = self._shelf_of(receipt), self._shelf(item)
        if old.newest() is None:  # closed since it was looked at
            old = self._at(receipt.location or receipt.identifier, True)
        if old == new and (there := new.newest()) is not None:
            return there
        return moving.rename(old, new, about)

    def current(self, item: Item) -> Item:
        if self._decided:
            return item
        now = self._known.item(item.location)
        return replace(item, rights=now.rights, standing=now.standing)

    def remember(self) -> None:
        self._tables.remember()

    def misplaced(self) -> Iterator[tuple[Item, Receipt]]:
        known = self._known
        for shelf in shelves(self.outputs, self.restricted):
            receipts = list(filter(None, (shelf.newest(), shelf.newest_done())))
            location = self._location(receipts[0] if receipts else None, shelf)
            item = known.of_results(location, receipts)
            # What a person had transcribed from elsewhere into this folder is that person's to decide.
            is_anothers = any(receipt.origin for receipt in receipts) and not known.has_row(location)
            if item.standing != "open" and not is_anothers:
                told = Receipt(item.identifier, "done", PurePosixPath(location).name)
                yield item, replace((*receipts, told)[0], location=location, restricted=False)

    def close(self, item: Item, receipt: Receipt) -> Closed:
        about = {"restricted": True, "first_words": None, "rights_known": is_known(item.rights)}
        old, new = (self._at(receipt.location or receipt.identifier, restricted) for restricted in (False, True))
        moved = moving.close(old, new, about, alone=self.outputs != self.source)
        return Closed(item, moved.receipt, tuple(moved.files), tuple(moved.theirs))

    def results(self, receipt: Receipt) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        shelf = self._shelf_of(receipt)
        return shelf.all_files(), shelf.corrected()

    def contents(self, receipt: Receipt) -> tuple[str, ...]:
        return self._shelf_of(receipt).contents()

    def kept(self, receipt: Receipt) -> tuple[Path, ...]:
        return self._aside(receipt).files()

    def erase(self, receipt: Receipt, *, corrections: bool = False) -> Erased:
        aside = self._aside(receipt)
        done = self._shelf_of(receipt).erase(receipt.source_sha256, None if corrections else aside.folder)
        return done + aside.erase() if corrections else done

    def record_copies(self, item: Item, receipt: Receipt, copies: Mapping[Path, bytes]) -> None:
        self._shelf(item).record_copies(receipt.version, copies)

    def erase_copies(self, receipt: Receipt) -> Erased:
        return self._shelf_of(receipt).erase_copies(receipt.source_sha256, self._aside(receipt).folder)

    def tombstones(self) -> Iterator[Receipt]:
        return self._graves.all()

    def tombstone(self, item: Item | None, sha256: str | None = None) -> Receipt | None:
        # A person may have withdrawn the file where it lies, and another now ask for results elsewhere.
        return self._graves.of(item, sha256) or Graves(self.source).of(item, sha256)

    def withdraw(self, receipt: Receipt) -> None:
        self._graves.put(receipt)

    def lift(self, tombstone: Receipt) -> None:
        self._graves.remove(tombstone)

    @property
    def _graves(self) -> Graves:
        return Graves(self.outputs)

    def _shelf(self, item: Item) -> Shelf:
        return self._at(item.location, item.standing != "open")

    def _other_shelf(self, item: Item) -> Shelf:
        """Where it would stand under other rights."""
        return self._at(item.location, item.standing == "open")

    def _shelf_of(self, receipt: Receipt) -> Shelf:
        return self._at(receipt.location or receipt.identifier, receipt.restricted)

    def _at(self, location: str, restricted: bool) -> Shelf:
        path = self._tree(restricted) / checked(location)
        return Shelf(path.parent, short(path.name), private=restricted)

    def _placed(self, receipt: Receipt, shelf: Shelf) -> Receipt:
        """The receipt with the place where it was found: one that tells of another is not believed."""
        return replace(receipt, location=self._location(receipt, shelf), restricted=shelf.private)

    def _location(self, receipt: Receipt | None, shelf: Shelf) -> str:
        folder = PurePosixPath(shelf.folder.relative_to(self._tree(shelf.private)).as_posix())
        told = PurePosixPath((receipt and (receipt.location or receipt.identifier)) or ".")
        is_own = told.parent == folder and short(told.name) == shelf.name
        return (told if is_own else folder / shelf.name).as_posix()

    def _aside(self, receipt: Receipt) -> Aside:
        shelf = self._at(receipt.location or receipt.identifier, True)
        return Aside(self.restricted / KEPT / shelf.folder.relative_to(self.restricted) / shelf.name, self.restricted)

    def _tree(self, restricted: bool) -> Path:
        return self.restricted if restricted else self.outputs

    @property
    def _known(self) -> Knowledge:
        return Knowledge(self._tables.read(), self.unknown_rights, self._is_there, self._closed)

    def _is_there(self, location: str) -> bool:
        """Whether a file lies there; a row may be a path from elsewhere, or that of a folder."""
        try:
            path = self.source / checked(location)
        except RepositoryError:
            return False
        return os.path.lexists(path) and not path.is_dir()

    def _closed(self, location: str) -> Receipt | None:
        try:
            return self._at(location, True).newest()
        except RepositoryError:  # a row may be a path from elsewhere
            return None

    def _check_mounted(self) -> None:
        """Raises RepositoryError where not one file but all of them are gone."""
        try:
            with os.scandir(self.source) as scan:
                gone = next(scan, None) is None
        except OSError:
            gone = True
        if gone:
            raise RepositoryError(f"{self.source} is gone or empty.", cure="Check that it is mounted, then run again.")
