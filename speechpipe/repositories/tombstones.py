"""Tombstones: what was withdrawn, kept so that it is not done again, whatever its file is called by then.

One small file each in a hidden folder at the top of the outputs, named by the digest of the recording's content, or of
its identifier where the content was never seen. Being there before anything is erased, they also say what is still to
be erased where that broke off.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from speechpipe.errors import RepositoryError
from speechpipe.files import explained, sha256_bytes, write_atomically
from speechpipe.repositories.contract import Item, Receipt
from speechpipe.repositories.results import receipts

FOLDER = ".speechpipe-withdrawn"


@dataclass(frozen=True, slots=True)
class Graves:
    outputs: Path

    def all(self) -> Iterator[Receipt]:
        """Raises RepositoryError where one cannot be read: what it forbids must not be done for want of it."""
        try:
            paths = sorted(path for path in self._folder.iterdir() if path.name.endswith(".json"))
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise RepositoryError(f"The tombstones in {self._folder} cannot be read: {error.strerror}.") from error
        for path in paths:
            yield self._read(path)

    def of(self, item: Item | None, sha256: str | None = None) -> Receipt | None:
        """By content where that is known, else by the identifier, the whole that it is a part of, or the place."""
        if sha256 is not None and (receipt := self.of_content(sha256)) is not None:
            return receipt
        return next((receipt for receipt in self.all() if covers(receipt, item)), None) if item else None

    def of_content(self, sha256: str) -> Receipt | None:
        path = self._folder / f"{sha256}.json"
        return self._read(path) if os.path.lexists(path) else None

    def put(self, receipt: Receipt) -> None:
        """Raises OutputError: it cannot be written."""
        content = receipts.to_json(replace(receipt, status="withdrawn", files={}))
        write_atomically(self._path(receipt), content, private=True)

    def remove(self, receipt: Receipt) -> None:
        """Take the tombstone away, with those of the same content under other names; that of the content goes last."""
        same = [g for g in self.all() if g.source_sha256 and g.source_sha256 == receipt.source_sha256]
        for path in sorted(map(self._path, same or [receipt]), key=lambda path: "-" not in path.name):
            with explained(path):
                path.unlink(missing_ok=True)

    def _read(self, path: Path) -> Receipt:
        receipt = receipts.read(path)
        if receipt is None or receipt.status != "withdrawn":
            raise RepositoryError(
                f"The tombstone {path} cannot be read.",
                cure="Run as the user who withdrew it, or remove the file if nothing was withdrawn.",
            )
        return receipt

    @property
    def _folder(self) -> Path:
        return self.outputs / FOLDER

    def _path(self, receipt: Receipt) -> Path:
        """By content; a second recording of that content has its name behind it, so that neither is forgotten."""
        named = sha256_bytes(receipt.identifier.encode("utf-8", "surrogateescape"))
        if receipt.source_sha256 is None:
            return self._folder / f"id-{named}.json"
        path = self._folder / f"{receipt.source_sha256}.json"
        other = receipts.read(path)
        is_another = other is not None and other.identifier != receipt.identifier
        return path.with_name(f"{receipt.source_sha256}-{named[:16]}.json") if is_another else path


def covers(tombstone: Receipt, item: Item) -> bool:
    """Whether the item is the one that was withdrawn, as far as names tell."""
    return tombstone.identifier in (item.identifier, item.whole) or tombstone.location == item.location
