"""The files of one recording in a folder: versions of a package, each whole or recoverable, never over a person's work.

A version is its files, then its manifest, written last. Before any file is replaced, the digests of the new ones go
into a pending record. So a file is ours if the manifest or the pending record knows its digest; any other was changed
or placed by a person, and then its whole version is left as it is and the new results become the next version.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from speechpipe.errors import OutputError, RepositoryError
from speechpipe.files import explained, sha256_bytes, sha256_file, sync_folder, write_atomically
from speechpipe.repositories import copies, receipts
from speechpipe.repositories.contract import Deposited, Package, Receipt
from speechpipe.repositories.copies import Erased, clear, erase, recorded
from speechpipe.repositories.holding import holding

MANIFEST = ".speechpipe.json"
PENDING = ".speechpipe.pending.json"
FAILURE = ".speechpipe.failed.json"
COPIES = copies.ENDING
RECORDS = (MANIFEST, PENDING, FAILURE, COPIES)

#: Versions are looked for up to this many numbers behind the last one found, since a person may delete some.
_GAP = 8

#: Endings that results have always had: removed also where the record of them is lost.
_USUAL = (".vtt", ".alto.xml", ".json", ".txt")

Digests = dict[str, set[str]]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the results of one recording stand: a folder, and the name with which all its files begin."""

    folder: Path
    name: str
    #: Whether its owner alone may read what stands here.
    private: bool = False

    def held(self) -> AbstractContextManager[None]:
        """The folder against all other writers, see ``holding``."""
        return holding(self.folder, private=self.private)

    def newest(self) -> Receipt | None:
        """The newest readable receipt. A failure is newer than any success: a deposit removes it."""
        return self.not_done() or self.newest_done()

    def not_done(self) -> Receipt | None:
        """Why it is not done, or not done again: it failed, was skipped or cancelled."""
        return receipts.read(self._path(FAILURE))

    def newest_done(self) -> Receipt | None:
        for version in range(self._last_version(), 0, -1):
            manifest = self._manifest(version)
            if manifest is not None and self._finished(version, manifest):
                return manifest
        return None

    def put(self, package: Package) -> Deposited:
        """Write a package as the newest version, or as the next one where that was changed by a person.

        Raises:
            OutputError: it cannot be written. RepositoryError: a file's ending that is not allowed.
        """
        for suffix in package.files:
            if not suffix.startswith(".") or {"/", "\0"} & set(suffix) or suffix in RECORDS:
                raise RepositoryError(f"{suffix!r} is not the ending of an output.")
        with self.held(), explained(self.folder / self.name):
            version = self._version_for(package)
            contents = self._contents(version, package)
            digests = {name: sha256_bytes(content) for name, content in contents.items()}
            receipt = replace(package.receipt, version=version, files=digests)
            if not self._stands(version, receipt):
                self._write(version, contents, receipt)
            self._path(FAILURE).unlink(missing_ok=True)
            self._path(PENDING, version).unlink(missing_ok=True)
        return Deposited(receipt, tuple(self.folder / name for name in contents), frozen=version > 1)

    def put_failure(self, receipt: Receipt) -> None:
        with self.held():
            self._write_record(self._path(FAILURE), receipts.to_json(replace(receipt, files={})))

    def drop_failure(self) -> None:
        if os.path.lexists(self._path(FAILURE)):
            with self.held(), explained(self.folder / self.name):
                self._path(FAILURE).unlink(missing_ok=True)

    def all_files(self) -> tuple[Path, ...]:
        """All that stands here in our name: every version, corrected or not, then the records."""
        files: list[Path] = []
        records: list[Path] = [self._path(FAILURE)]
        for version in range(1, self._last_version() + 1):
            names = self._names(version)
            files += [self.folder / name for name in names]
            files += [self.folder / f".{name}.part" for name in names]
            records += [self._path(ending, version) for ending in (COPIES, PENDING, MANIFEST)]
        return tuple(path for path in (*files, *records) if os.path.lexists(path))

    def erase(self, content: str | None, aside: Path | None) -> Erased:
        """Remove ``all_files``, and the copies that were made of them. What is not as we left it is a person's work and
        goes to the folder ``aside``; where that is None, it is removed too. The records go last, so that what a kill
        leaves is found again. ``content``: the digest of the recording, where the records do not tell.

        Raises:
            OutputError: they cannot be removed.
        """
        if not self.folder.is_dir():
            return Erased()
        with self.held(), explained(self.folder / self.name):
            return self._erase(content, aside)

    def _erase(self, content: str | None, aside: Path | None) -> Erased:
        records = [path for path in self.all_files() if path.name.endswith(RECORDS)]
        done = self.erase_copies(content, aside)
        for version in range(1, self._last_version() + 1):
            known, contents = self._known(version), self._sources(version, content)
            for name in self._names(version):
                path = self.folder / name
                if name in known and os.path.lexists(path):
                    done += clear(path, known[name], aside)
                elif name not in known:
                    done += erase({path: ()}, contents, aside) if os.path.lexists(path) else Erased()
                elif path not in (*done.erased, *done.kept) and name in self._files(version):
                    done += Erased(gone=(path,))
                if os.path.lexists(torn := self.folder / f".{name}.part"):
                    done += clear(torn, (), None)
        for path in records:
            path.unlink(missing_ok=True)
        if records:
            sync_folder(self.folder)
        return done + Erased(erased=tuple(records))

    def erase_copies(self, content: str | None, aside: Path | None) -> Erased:
        """Remove the copies that were made of what stands here, then the record of them; as ``erase``."""
        done = Erased()
        for version in range(1, self._last_version() + 1):
            known, path = self._known(version), self._path(COPIES, version)
            here = self.folder.resolve()
            there = {
                copy: digests | (known.get(copy.name, set()) if copy.parent == here else set())
                for copy, digests in recorded(path).items()
            }
            done += erase(there, self._sources(version, content), aside)
            with explained(path):
                path.unlink(missing_ok=True)
        return done

    def _sources(self, version: int, content: str | None) -> set[str]:
        manifest = self._manifest(version)
        return {digest for digest in (content, manifest and manifest.source_sha256) if digest}

    def _files(self, version: int) -> Mapping[str, str]:
        manifest = self._manifest(version)
        return manifest.files if manifest else {}

    def _names(self, version: int) -> list[str]:
        return sorted({*self._known(version), *(self._stem(version) + ending for ending in _USUAL)})

    def record_copies(self, version: int, files: Mapping[Path, bytes]) -> None:
        """Keep where copies of a version go. Raises ``OutputError``."""
        copies.record(self._path(COPIES, version), files, private=self.private)

    def corrected(self) -> tuple[Path, ...]:
        """The files of all versions that are not as we left them."""
        changed: list[Path] = []
        for version in range(1, self._last_version() + 1):
            for name, digests in self._known(version).items():
                if not _is_one_of(self.folder / name, digests):
                    changed.append(self.folder / name)
        return tuple(changed)

    def _write(self, version: int, contents: Mapping[str, bytes], receipt: Receipt) -> None:
        known = self._known(version)
        coming = {name: {digest} | known.get(name, set()) for name, digest in receipt.files.items()}
        staged = {self.folder / name: self.folder / f".{name}.part" for name in contents}
        try:
            for path, temporary in staged.items():
                _write_synced(temporary, contents[path.name], self._mode)
            record = {name: sorted(digests) for name, digests in (known | coming).items()}
            self._write_record(self._path(PENDING, version), receipts.plain_json({"files": record}))
            for path, temporary in staged.items():
                temporary.replace(path)
        finally:
            for temporary in staged.values():
                temporary.unlink(missing_ok=True)
        for name in known.keys() - contents.keys():
            (self.folder / name).unlink(missing_ok=True)
        self._path(FAILURE).unlink(missing_ok=True)
        sync_folder(self.folder)
        self._write_record(self._path(MANIFEST, version), receipts.to_json(receipt))

    def _write_record(self, path: Path, content: bytes) -> None:
        write_atomically(path, content, private=self.private)

    @property
    def _mode(self) -> int:
        return 0o600 if self.private else 0o666

    def _version_for(self, package: Package) -> int:
        first = max(self._last_version(), 1)
        for version in range(first, first + _GAP):
            if self._is_ours(version, package):
                return version
        raise OutputError(
            f"Too many files stand in the way of the results of {self.folder / self.name}.",
            cure="Move them to another folder, then run again.",
        )

    def _is_ours(self, version: int, package: Package) -> bool:
        """Whether nothing would be lost: each file there is as we left it, or as it would be written now."""
        known = self._known(version)
        for name, content in self._contents(version, package).items():
            known.setdefault(name, set()).add(sha256_bytes(content))
        return all(_is_one_of(self.folder / name, digests) for name, digests in known.items())

    def _known(self, version: int) -> Digests:
        """The digests that the manifest and the pending record have of each file of a version."""
        known: Digests = {}
        for name, digest in self._files(version).items():
            known.setdefault(name, set()).add(digest)
        for name, digests in self._pending(version).items():
            known.setdefault(name, set()).update(digests)
        return known

    def _manifest(self, version: int) -> Receipt | None:
        receipt = receipts.read(self._path(MANIFEST, version))
        return receipt if receipt is not None and self._own_names(version, receipt.files) else None

    def _pending(self, version: int) -> Digests:
        try:
            record = json.loads(self._path(PENDING, version).read_bytes())["files"]
            digests = {str(name): set(map(str, known)) for name, known in record.items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return {}
        return digests if self._own_names(version, digests) else {}

    def _own_names(self, version: int, names: Iterable[str]) -> bool:
        """Records lie where anyone may write: one that names files elsewhere is not believed."""
        return all(name.startswith(f"{self._stem(version)}.") and not {"/", "\0"} & set(name) for name in names)

    def _finished(self, version: int, manifest: Receipt) -> bool:
        """False where a deposit broke off, so that the files are in part not those of the manifest."""
        return not os.path.lexists(self._path(PENDING, version)) or self._whole(manifest)

    def _stands(self, version: int, receipt: Receipt) -> bool:
        """Whether exactly this was deposited before."""
        return self._manifest(version) == receipt and self._whole(receipt)

    def _whole(self, receipt: Receipt) -> bool:
        return all(sha256 == _digest(self.folder / name) for name, sha256 in receipt.files.items())

    def _last_version(self) -> int:
        last, version, beginning = 0, 1, str(self.folder / self.name)
        while version <= last + _GAP:
            stem = beginning if version == 1 else f"{beginning}.v{version}"
            if os.path.lexists(stem + MANIFEST) or os.path.lexists(stem + PENDING):
                last = version
            version += 1
        return last

    def _contents(self, version: int, package: Package) -> dict[str, bytes]:
        stem = self._stem(version)
        contents = {stem + suffix: content for suffix, content in package.files.items()}
        described = package.describe(contents) if package.describe else {}
        return contents | {stem + suffix: content for suffix, content in described.items()}

    def _stem(self, version: int) -> str:
        return self.name if version == 1 else f"{self.name}.v{version}"

    def _path(self, ending: str, version: int = 1) -> Path:
        return self.folder / (self._stem(version) + ending)


def _is_one_of(path: Path, digests: set[str]) -> bool:
    """Whether nothing stands at ``path``, or a plain file with one of these digests."""
    if not os.path.lexists(path):
        return True
    return not path.is_symlink() and _digest(path) in digests


def _digest(path: Path) -> str | None:
    try:
        return sha256_file(path)
    except OSError:
        return None


def shelves(tree: Path, other: Path, *, private: bool = False) -> Iterator[Shelf]:
    """Every shelf below ``tree`` that has a record, in no order; those below ``other`` are another's."""
    for folder, folders, names in os.walk(tree):
        folders[:] = [name for name in folders if not name.startswith(".") and Path(folder, name) != other]
        own = {name.removesuffix(end) for end in (MANIFEST, FAILURE, PENDING) for name in names if name.endswith(end)}
        # A later version's manifest is NAME.v2 + ending: it belongs to NAME where that has records too.
        for name in own:
            first = re.sub(r"\.v[0-9]+$", "", name)
            if first == name or first not in own:
                yield Shelf(Path(folder), name, private)


def _write_synced(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
