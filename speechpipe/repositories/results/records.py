"""What lies beside the files of one version: the manifest, written last; before it a pending record, written before
any file is replaced; and the receipt of a failure. Both tell whose a file is: ours where one knows its digest."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from speechpipe.files import read_bytes, sha256_file
from speechpipe.repositories.contract import Receipt
from speechpipe.repositories.results import receipts

MANIFEST = ".speechpipe.json"
PENDING = ".speechpipe.pending.json"
FAILURE = ".speechpipe.failed.json"

Digests = dict[str, set[str]]


@dataclass(frozen=True, slots=True)
class Pending:
    """Digests that each file may have, and by name the files that were whole before the first was replaced.

    ``version`` is None in the records of an older speechpipe.
    """

    files: Digests
    staged: Mapping[str, str] = field(default_factory=dict)
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Records:
    """Of the files in ``folder`` that begin with ``stem`` and a dot."""

    folder: Path
    stem: str

    def path(self, ending: str) -> Path:
        return self.folder / (self.stem + ending)

    def manifest(self) -> Receipt | None:
        receipt = receipts.read(self.path(MANIFEST))
        return receipt if receipt is not None and self._are_own(receipt.files) else None

    def pending(self) -> Pending | None:
        try:
            record = json.loads(read_bytes(self.path(PENDING)))
            files = {str(name): set(map(str, known)) for name, known in record["files"].items()}
            staged = {str(name): str(path) for name, path in record.get("staged", {}).items()}
            version = record.get("version")
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        told = Pending(files, staged, version if isinstance(version, int) else None)
        return told if self._are_own({*files, *staged}) else None

    def known(self) -> Digests:
        """The digests that the two have of each file."""
        manifest, pending = self.manifest(), self.pending()
        known: Digests = {name: {digest} for name, digest in (manifest.files if manifest else {}).items()}
        for name, digests in (pending.files if pending else {}).items():
            known.setdefault(name, set()).update(digests)
        return known

    def version(self) -> int | None:
        """Which version of its recording this says it is; None where nothing says so."""
        manifest, pending = self.manifest(), self.pending()
        return manifest.version if manifest else pending.version if pending else None

    def _are_own(self, names: Iterable[str]) -> bool:
        """Records lie where anyone may write: one that names files elsewhere is not believed."""
        return all(name.startswith(f"{self.stem}.") and not {"/", "\0"} & set(name) for name in names)


def that_may_know(folder: Path, name: str) -> Iterator[Records]:
    """The records of all whose result a file of this name may be."""
    stem = name
    while (stem := stem.rpartition(".")[0]).strip("."):
        yield Records(folder, stem)


def is_one_of(path: Path, digests: set[str]) -> bool:
    """Whether nothing stands at ``path``, or a plain file with one of these digests."""
    if not os.path.lexists(path):
        return True
    return not path.is_symlink() and digest(path) in digests


def digest(path: Path) -> str | None:
    try:
        return sha256_file(path)
    except OSError:
        return None
