"""The files of one recording in a folder: versions of a package, each whole or recoverable, never over a person's work.

A version is its files, then its manifest, written last. Before any file is replaced, the digests of the new ones go
into a pending record. So a file is ours if the manifest or the pending record knows its digest; any other was changed
or placed by a person, and then its whole version is left as it is and the new results become the next version.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from speechpipe.errors import OutputError, RepositoryError
from speechpipe.files import explained, sha256_bytes, sha256_file, sync_folder, write_atomically
from speechpipe.repositories import receipts
from speechpipe.repositories.contract import Deposited, Package, Receipt

MANIFEST = ".speechpipe.json"
PENDING = ".speechpipe.pending.json"
FAILURE = ".speechpipe.failed.json"

#: Versions are looked for up to this many numbers behind the last one found, since a person may delete some.
_GAP = 8

Digests = dict[str, set[str]]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the results of one recording stand: a folder, and the name with which all its files begin."""

    folder: Path
    name: str

    def newest(self) -> Receipt | None:
        """The newest readable receipt. A failure is newer than any success: a deposit removes it."""
        if failure := receipts.read(self._path(FAILURE)):
            return failure
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
            if not suffix.startswith(".") or {"/", "\0"} & set(suffix) or suffix in (MANIFEST, PENDING, FAILURE):
                raise RepositoryError(f"{suffix!r} is not the ending of an output.")
        with explained(self.folder / self.name):
            self.folder.mkdir(parents=True, exist_ok=True)
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
        write_atomically(self._path(FAILURE), receipts.to_json(replace(receipt, files={})))

    def _write(self, version: int, contents: Mapping[str, bytes], receipt: Receipt) -> None:
        known = self._known(version)
        coming = {name: {digest} | known.get(name, set()) for name, digest in receipt.files.items()}
        staged = {self.folder / name: self.folder / f".{name}.part" for name in contents}
        try:
            for path, temporary in staged.items():
                _write_synced(temporary, contents[path.name])
            record = {name: sorted(digests) for name, digests in (known | coming).items()}
            write_atomically(self._path(PENDING, version), receipts.plain_json({"files": record}))
            for path, temporary in staged.items():
                temporary.replace(path)
        finally:
            for temporary in staged.values():
                temporary.unlink(missing_ok=True)
        for name in known.keys() - contents.keys():
            (self.folder / name).unlink(missing_ok=True)
        self._path(FAILURE).unlink(missing_ok=True)
        sync_folder(self.folder)
        write_atomically(self._path(MANIFEST, version), receipts.to_json(receipt))

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
        manifest = self._manifest(version)
        for name, digest in (manifest.files if manifest else {}).items():
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
        last, version = 0, 1
        while version <= last + _GAP:
            if any(os.path.lexists(self._path(ending, version)) for ending in (MANIFEST, PENDING)):
                last = version
            version += 1
        return last

    def _contents(self, version: int, package: Package) -> dict[str, bytes]:
        return {self._stem(version) + suffix: content for suffix, content in package.files.items()}

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


def _write_synced(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
