"""Tombstones: what was withdrawn, kept so that it is not done again, whatever its file is called by then.

One small file each in a hidden folder at the top of the outputs, named by the digest of the recording's content, or of
its identifier where the content was never seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from speechpipe.files import explained, sha256_bytes, write_atomically
from speechpipe.repositories import receipts
from speechpipe.repositories.contract import Item, Receipt

FOLDER = ".speechpipe-withdrawn"


@dataclass(frozen=True, slots=True)
class Graves:
    outputs: Path

    def all(self) -> Iterator[Receipt]:
        for path in sorted(self._folder.glob("*.json")):
            if (receipt := receipts.read(path)) is not None and receipt.status == "withdrawn":
                yield receipt

    def of(self, item: Item, sha256: str | None = None) -> Receipt | None:
        """By content where that is known, else by the identifier, the whole that it is a part of, or the place."""
        if sha256 is not None and (receipt := self.of_content(sha256)) is not None:
            return receipt
        return next((receipt for receipt in self.all() if covers(receipt, item)), None)

    def of_content(self, sha256: str) -> Receipt | None:
        return receipts.read(self._folder / f"{sha256}.json")

    def put(self, receipt: Receipt) -> None:
        write_atomically(self._path(receipt), receipts.to_json(replace(receipt, status="withdrawn", files={})))
        with explained(self._folder):
            self._folder.chmod(0o700)

    def remove(self, receipt: Receipt) -> None:
        with explained(self._path(receipt)):
            self._path(receipt).unlink(missing_ok=True)

    @property
    def _folder(self) -> Path:
        return self.outputs / FOLDER

    def _path(self, receipt: Receipt) -> Path:
        name = receipt.source_sha256 or f"id-{sha256_bytes(receipt.identifier.encode('utf-8', 'surrogateescape'))}"
        return self._folder / f"{name}.json"


def covers(tombstone: Receipt, item: Item) -> bool:
    """Whether the item is the one that was withdrawn, as far as names tell."""
    return tombstone.identifier in (item.identifier, item.whole) or tombstone.location == item.location
