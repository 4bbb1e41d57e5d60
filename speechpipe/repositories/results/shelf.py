"""The files of one recording in a folder: versions of a package, each whole or recoverable, never over a person's work.

A version is its files, then its manifest, written last. Before any file is replaced, the digests of the new ones go
into a pending record. So a file is ours if the manifest or the pending record knows its digest; any other was changed
or placed by a person, and then its whole version is left as it is and the new results become the next version.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from speechpipe.errors import NameTaken, OutputError, RepositoryError
from speechpipe.files import explained, read_bytes, sha256_bytes, sync_folder
from speechpipe.repositories.contract import Deposited, Package, Receipt
from speechpipe.repositories.results import copies, receipts
from speechpipe.repositories.results.copies import Erased, clear, erase, recorded
from speechpipe.repositories.results.holding import holding
from speechpipe.repositories.results.records import (
    FAILURE,
    MANIFEST,
    PENDING,
    Digests,
    Records,
    digest,
    is_one_of,
    that_may_know,
)
from speechpipe.repositories.results.replacing import Replacement, recover, saved_twice

COPIES = copies.ENDING
RECORDS = (MANIFEST, PENDING, FAILURE, COPIES)

#: Versions are looked for up to this many numbers behind the last one found, since a person may delete some.
_GAP = 8

#: Endings that results have always had: removed also where the record of them is lost.
_USUAL = (".vtt", ".alto.xml", ".json", ".txt")


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
            recover(self.folder)
            version = 0
            while True:
                version = self._version_for(package, version + 1)
                contents = self._contents(version, package)
                digests = {name: sha256_bytes(content) for name, content in contents.items()}
                receipt = replace(package.receipt, version=version, files=digests)
                if self._stands(version, receipt) or self._write(version, contents, receipt):
                    break
            self.drop_failure()
            self._path(PENDING, version).unlink(missing_ok=True)
        return Deposited(receipt, tuple(self.folder / name for name in contents), frozen=version > 1)

    def put_failure(self, receipt: Receipt) -> None:
        """Raises ``NameTaken`` where another recording's result has the name, ``OutputError``."""
        with self.held(), explained(self.folder / self.name):
            if self._is_anothers(self._path(FAILURE).name):
                raise NameTaken(f"{self._path(FAILURE)} is a result of another recording.")
            self._write_record(self._path(FAILURE), receipts.to_json(replace(receipt, files={})))

    def drop_failure(self) -> None:
        path = self._path(FAILURE)
        if os.path.lexists(path) and not self._is_anothers(path.name):
            with self.held(), explained(self.folder / self.name):
                path.unlink(missing_ok=True)

    def all_files(self) -> tuple[Path, ...]:
        """All that stands here in our name: every version, corrected or not, then the records."""
        files: list[Path] = []
        records: list[Path] = [self._path(FAILURE)]
        for version in self._versions():
            names = self._names(version)
            files += [self.folder / name for name in names]
            files += [self.folder / f".{name}.part" for name in names]
            records += [self._path(ending, version) for ending in (COPIES, PENDING, MANIFEST)]
        here = (path for path in (*files, *records) if os.path.lexists(path))
        return tuple(path for path in here if not self._is_anothers(path.name))

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
            recover(self.folder)
            return self._erase(content, aside)

    def _erase(self, content: str | None, aside: Path | None) -> Erased:
        records = [path for path in self.all_files() if path.name.endswith(RECORDS)]
        done = self._erase_copies(content, aside)
        for version in self._versions():
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
                for theirs in saved_twice(self.folder, name):
                    done += clear(theirs, (), aside)
        for path in records:
            path.unlink(missing_ok=True)
        if records:
            sync_folder(self.folder)
        return done + Erased(erased=tuple(records))

    def erase_copies(self, content: str | None, aside: Path | None) -> Erased:
        """Remove the copies that were made of what stands here, then the record of them; as ``erase``."""
        if not self.folder.is_dir():
            return Erased()
        with self.held():
            return self._erase_copies(content, aside)

    def _erase_copies(self, content: str | None, aside: Path | None) -> Erased:
        done = Erased()
        for version in self._versions():
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
        names = {*self._known(version), *(self._stem(version) + ending for ending in _USUAL)}
        return sorted(name for name in names if not self._is_anothers(name))

    def record_copies(self, version: int, files: Mapping[Path, bytes]) -> None:
        """Keep where copies of a version go. Raises ``OutputError``."""
        copies.record(self._path(COPIES, version), files, private=self.private)

    def contents(self) -> tuple[str, ...]:
        """Digests of the recording, as it was when each version was made and when it failed."""
        told = [*map(self._manifest, self._versions()), self.not_done()]
        return tuple(dict.fromkeys(receipt.source_sha256 for receipt in told if receipt and receipt.source_sha256))

    def corrected(self) -> tuple[Path, ...]:
        """The files of all versions that are not as we left them."""
        changed: list[Path] = []
        for version in self._versions():
            for name, digests in self._known(version).items():
                if not is_one_of(self.folder / name, digests):
                    changed.append(self.folder / name)
        return tuple(changed)

    def _write(self, version: int, contents: Mapping[str, bytes], receipt: Receipt) -> bool:
        """False where a person saved one of the files meanwhile; then the version is as they left it."""
        known = self._known(version)
        coming = {name: {digest} | known.get(name, set()) for name, digest in receipt.files.items()}
        before = read_bytes(self._path(PENDING, version)) if self._records(version).pending() else None

        def is_ours(name: str, path: Path) -> bool:
            return is_one_of(path, (known | coming).get(name, set()))

        with Replacement(self.folder, is_ours, private=self.private) as replacement:
            staged = {name: replacement.stage(name, content).name for name, content in contents.items()}
            digests = {name: sorted(digests) for name, digests in (known | coming).items()}
            record = {"version": version, "files": digests, "staged": staged}
            self._write_record(self._path(PENDING, version), receipts.plain_json(record))
            if not replacement.replace(contents, known.keys() - contents.keys()):
                if before is None:
                    self._path(PENDING, version).unlink(missing_ok=True)
                else:
                    self._write_record(self._path(PENDING, version), before)
                return False
        self.drop_failure()
        sync_folder(self.folder)
        self._write_record(self._path(MANIFEST, version), receipts.to_json(receipt))
        return True

    def _write_record(self, path: Path, content: bytes) -> None:
        with Replacement(self.folder, lambda name, record: True, private=self.private) as replacement:
            replacement.write(path.name, content)

    def _version_for(self, package: Package, least: int) -> int:
        first = max(self._last_version(), least)
        for version in range(first, first + _GAP):
            if self._is_ours(version, package):
                return version
        raise OutputError(
            f"Too many files stand in the way of the results of {self.folder / self.name}.",
            cure="Move them to another folder, then run again.",
        )

    def _is_ours(self, version: int, package: Package) -> bool:
        """Whether nothing would be lost: each file there is as we left it, or as it would be written now."""
        known, contents = self._known(version), self._contents(version, package)
        records = [self._path(ending, version).name for ending in (MANIFEST, PENDING)]
        if self._is_of_another(version) or any(map(self._is_anothers, (*contents, *records))):
            return False
        for name, content in contents.items():
            known.setdefault(name, set()).add(sha256_bytes(content))
        return all(is_one_of(self.folder / name, digests) for name, digests in known.items())

    def _is_of_another(self, version: int) -> bool:
        """Whether a recording is called as this version would be: REEL.v2, and the second version of REEL."""
        told = self._records(version).version()
        return told is not None and told != version

    def _is_anothers(self, name: str) -> bool:
        """Whether a file of this name is the result of a recording that is called otherwise."""
        for records in that_may_know(self.folder, name):
            manifest = records.manifest()
            if manifest is not None and name in manifest.files and records.stem != self._stem(manifest.version):
                return True
        return False

    def _known(self, version: int) -> Digests:
        """The digests that the records have of each file of a version; none where they are another recording's."""
        return {} if self._is_of_another(version) else self._records(version).known()

    def _manifest(self, version: int) -> Receipt | None:
        manifest = self._records(version).manifest()
        return manifest if manifest is not None and manifest.version == version else None

    def _records(self, version: int) -> Records:
        return Records(self.folder, self._stem(version))

    def _finished(self, version: int, manifest: Receipt) -> bool:
        """False where a deposit broke off, so that the files are in part not those of the manifest."""
        return not os.path.lexists(self._path(PENDING, version)) or self._whole(manifest)

    def _stands(self, version: int, receipt: Receipt) -> bool:
        """Whether exactly this was deposited before."""
        return self._manifest(version) == receipt and self._whole(receipt)

    def _whole(self, receipt: Receipt) -> bool:
        return all(sha256 == digest(self.folder / name) for name, sha256 in receipt.files.items())

    def _versions(self) -> list[int]:
        return [version for version in range(1, self._last_version() + 1) if not self._is_of_another(version)]

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


def shelves(tree: Path, other: Path, *, private: bool = False) -> Iterator[Shelf]:
    """Every shelf below ``tree`` that has a record, in no order; those below ``other`` are another's."""
    for folder, folders, names in os.walk(tree):
        folders[:] = [name for name in folders if not name.startswith(".") and Path(folder, name) != other]
        stems = {name.removesuffix(end) for end in (MANIFEST, FAILURE, PENDING) for name in names if name.endswith(end)}
        for name in {_first(Path(folder), stem) for stem in stems}:
            yield Shelf(Path(folder), name, private)


def _first(folder: Path, stem: str) -> str:
    """The name of the recording whose records these are: REEL.v2 may be one, or the second version of REEL."""
    first, _, number = stem.rpartition(".v")
    told = Records(folder, stem).version() if first and number.isdecimal() else None
    return first if told is not None and f"{first}.v{told}" == stem else stem
