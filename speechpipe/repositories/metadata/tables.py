"""Which table tells of a collection, and that there was one: without it, what it forbids would be open."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from speechpipe.errors import RepositoryError
from speechpipe.files import read_bytes, write_atomically
from speechpipe.repositories.metadata import reading
from speechpipe.repositories.metadata.reading import Table
from speechpipe.repositories.results.receipts import plain_json
from speechpipe.repositories.rights import is_known

NAMES = ("metadata.csv", "metadata.json")
RECORD = ".speechpipe-table.json"


@dataclass(slots=True)
class Tables:
    """The table ``named`` in the settings, else the one in the ``source``; ``record`` keeps which it was."""

    source: Path
    record: Path
    named: Path | None = None
    _read: tuple[object, Table] | None = field(default=None, init=False)

    def read(self) -> Table:
        """The table as it is now; an empty one where there never was any.

        Raises:
            RepositoryError: it cannot be trusted, or it was there and is away.
        """
        path, kept = self._path(), self._kept()
        if kept is not None and self.named is None and (path is None or path.name != kept):
            raise self._away(kept)
        if path is None:
            return Table()
        try:
            state = path.stat()
            seen = (path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        except OSError:
            seen = None  # reading it tells why
        if self._read is None or seen is None or self._read[0] != seen:
            self._read = (seen, reading.read(path))
        if kept is not None and not _tells_of_rights(self._read[1]):
            raise self._away(kept)
        return self._read[1]

    def remember(self) -> None:
        """Keep which table tells of rights, if one does. Raises OutputError, RepositoryError."""
        path, table = self._path(), self.read()
        name = path and (path.name if self.named is None else str(path))
        if name != self._kept() and _tells_of_rights(table):
            write_atomically(self.record, plain_json({"table": name}), private=True)

    def _path(self) -> Path | None:
        if self.named is not None:
            return self.named
        try:
            # A link that leads nowhere and a name in capitals count: reading it tells what is wrong.
            found = sorted(path.name for path in self.source.iterdir() if path.name.lower() in NAMES)
        except OSError as error:
            raise RepositoryError(f"Cannot read {self.source}: {error.strerror or error}.") from error
        if len(found) > 1:
            raise RepositoryError(
                f"There are several tables in {self.source}: {', '.join(found)}.",
                cure="Leave the one that holds; nothing is transcribed before.",
            )
        return self.source / found[0] if found else None

    def _kept(self) -> str | None:
        """The table that told of rights before; where the record of it is spoiled, the record's own name."""
        try:
            return str(json.loads(read_bytes(self.record))["table"])
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return self.record.name

    def _away(self, kept: str) -> RepositoryError:
        return RepositoryError(
            f"The table {kept} of {self.source} told of rights, and is away or tells of none.",
            cure=f"Is its disk there, are its columns as they were? Put it back. Only where it holds no longer, remove"
            f" {self.record}.",
        )


def _tells_of_rights(table: Table) -> bool:
    return any(is_known(item.rights) for item in table.items.values())
