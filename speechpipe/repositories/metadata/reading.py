"""What an archive knows of its recordings, from a table beside them: CSV with a row a file, JSON with items of parts.

Columns of the CSV, in any order, all but ``path`` optional: path, identifier, title, language, channels, role,
sha256 (or sha512, sha1, md5), and what ``columns.py`` knows of rights. Rows of one identifier are the parts of one
item, in the order of rows. JSON: ``{"items": [{"identifier", "title", "language", "channels", "rights": {…},
"parts": [{"path", "role", "sha256"}]}]}``. Other columns are passed over, but for those that seem to tell of rights.
"""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Any

from speechpipe.errors import RepositoryError
from speechpipe.files import read_bytes
from speechpipe.repositories.contract import Item, Part
from speechpipe.repositories.metadata.columns import column, rights, tells_of_rights
from speechpipe.repositories.metadata.fixity import ALGORITHMS, normal
from speechpipe.repositories.metadata.spelling import Rows
from speechpipe.transcript_data import Rights

_TEXTS = ("title", "language", "channels")
_ROLES = ("preservation", "access")
#: More than any archive's table of one collection.
_LARGEST = 256 << 20


@dataclass(frozen=True)
class Table:
    """Items by the location of their part, each with one part; by the location of an access copy, what it is of."""

    items: Mapping[str, Item] = field(default_factory=dict)
    copies: Mapping[str, Item] = field(default_factory=dict)

    @cached_property
    def spellings(self) -> Mapping[str, str]:
        """Composed (NFC) spelling → the one that the table has; a disk may have yet another (NFD)."""
        return {unicodedata.normalize("NFC", location): location for location in (*self.items, *self.copies)}

    @cached_property
    def loosely(self) -> Rows:
        """Its rows by what they may mean."""
        return Rows((*self.items, *self.copies))

    @cached_property
    def by_identifier(self) -> Mapping[str, tuple[Item, ...]]:
        """Items by identifier, their own or that of their whole."""
        found: dict[str, tuple[Item, ...]] = {}
        for item in (*self.items.values(), *self.copies.values()):
            for name in {item.identifier, item.whole or item.identifier}:
                found[name] = (*found.get(name, ()), item)
        return found

    def row(self, location: str) -> Item | None:
        """What is said of the recording at ``location``, however its letters are composed."""
        for spelled in (location, self.spellings.get(unicodedata.normalize("NFC", location), "")):
            if known := self.items.get(spelled) or self.copies.get(spelled):
                return known
        return None


def read(path: Path) -> Table:
    """The table in ``path``.

    Raises:
        RepositoryError: it cannot be read, or a row cannot be trusted: rights hang on it, so that nothing is guessed.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("it is too large")
        content = read_bytes(path).decode("utf-8-sig")
        whole = _from_json(content) if path.suffix.lower() == ".json" else _from_csv(content)
        return _table(whole)
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        what = (isinstance(error, OSError) and error.strerror) or error
        raise RepositoryError(
            f"The table {path} cannot be used: {what}.", cure="Correct it; nothing is transcribed before."
        ) from error


def _table(whole: Iterable[Item]) -> Table:
    """Errors tell no paths: the names of files may tell what the recordings are about."""
    items: dict[str, Item] = {}
    copies: dict[str, Item] = {}
    seen: dict[str, int] = {}
    for number, item in enumerate(whole, 1):
        if item.identifier in seen:
            raise ValueError(f"item {number} has the identifier of item {seen[item.identifier]}")
        seen[item.identifier] = number
        masters = any(part.role == "preservation" for part in item.parts)
        kept = [part for part in item.parts if not (masters and part.role == "access")]
        for part in item.parts:
            location = PurePosixPath(part.location).as_posix()
            if other := items.get(location) or copies.get(location):
                of = seen[other.whole or other.identifier]
                raise ValueError(f"a path stands twice, in item {of} and item {number}")
            if part not in kept:
                copies[location] = replace(item, parts=(kept[0],))
                continue
            items[location] = replace(item, parts=(part,))
            if len(kept) > 1:
                numbered = f"{item.identifier}/{kept.index(part) + 1}"
                items[location] = replace(items[location], identifier=numbered, whole=item.identifier)
    return Table(items, copies)


def _from_csv(content: str) -> list[Item]:
    header = re.split("[\r\n]", content, maxsplit=1)[0]
    delimiter = max(",;\t", key=header.count)
    # Not by splitlines, which also ends lines where a title has a separator of Unicode.
    rows = csv.reader(StringIO(content, newline=""), delimiter=delimiter, strict=True)
    columns = [column(name) for name in next(rows, [])]
    if "path" not in columns or len(set(columns)) != len(columns):
        raise ValueError("its first line must name the columns, each once, and one of them 'path'")
    parts: dict[str, Item] = {}
    lines: dict[str, int] = {}
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(columns):
            raise ValueError(f"line {rows.line_num} has {len(row)} cells, not {len(columns)}")
        cells = {name: cell.strip() for name, cell in zip(columns, row, strict=True) if cell.strip()}
        about = {name: cell for name, cell in cells.items() if not tells_of_rights(name)}
        allowed = {name: cells.get(name) for name in columns if tells_of_rights(name)}
        try:
            item = _item({**about, "rights": allowed, "parts": [about]})
            item = _joined(parts[item.identifier], item) if item.identifier in parts else item
            if (
                first := lines.setdefault(PurePosixPath(item.parts[-1].location).as_posix(), rows.line_num)
            ) != rows.line_num:
                raise ValueError(f"its path stands in line {first} too")
        except ValueError as error:
            raise ValueError(f"line {rows.line_num}: {error}") from error
        parts[item.identifier] = item
    return list(parts.values())


def _joined(first: Item, second: Item) -> Item:
    """Another part of the item; what its row says must not contradict the first one."""
    for name in (*_TEXTS, "rights"):
        if getattr(second, name) not in (getattr(first, name), None, Rights()):
            raise ValueError(f"the rows of one identifier differ in {name}")
    return replace(first, parts=first.parts + second.parts)


def _from_json(content: str) -> list[Item]:
    data = json.loads(content, object_pairs_hook=_object)
    listed = data.pop("items", None) if isinstance(data, dict) else data
    _refuse_rights(data if isinstance(data, dict) else {}, "beside the items, not in one")
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise ValueError("it must be an object with a list of 'items'")
    found = []
    for number, entry in enumerate(listed, 1):
        try:
            found.append(_item(entry))
        except ValueError as error:
            raise ValueError(f"item {number}: {error}") from error
    return found


def _item(data: Mapping[str, Any]) -> Item:
    listed = data.get("parts")
    if not isinstance(listed, list) or not listed or not all(isinstance(part, dict) for part in listed):
        raise ValueError("it has no parts")
    parts = tuple(_part(part) for part in listed)
    told = data.get("rights") or {}
    own = {name: cell for name, cell in data.items() if name != "rights" and tells_of_rights(name)}
    if not isinstance(told, dict) or told.keys() & own.keys():
        raise ValueError("its rights are not an object, or told twice")
    for part in listed:
        _refuse_rights(part, "in a part; rights are those of the whole item")
    allowed = rights({**told, **own}, date.today())
    about: dict[str, Any] = {name: _text(name, data.get(name)) for name in _TEXTS}
    identifier = _text("identifier", data.get("identifier")) or parts[0].location
    return Item(identifier=identifier, parts=parts, rights=allowed, **about)


def _part(data: Mapping[str, Any]) -> Part:
    location, role = _text("path", data.get("path")), data.get("role") or None
    if location is None:
        raise ValueError("a part has no path")
    if role not in (None, *_ROLES):
        raise ValueError(f"the role {role!r} is none of: {', '.join(_ROLES)}")
    given = [(algorithm, str(data[algorithm])) for algorithm in ALGORITHMS if data.get(algorithm)]
    return Part(
        location.removeprefix("./"),
        role,
        normal(given[0][1], given[0][0]) if given else None,
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Names as columns have them; what is told twice is told by neither."""
    found = {column(name): value for name, value in pairs}
    if len(found) != len(pairs):
        raise ValueError(f"a name stands twice among {', '.join(name for name, _ in pairs)}")
    return found


def _refuse_rights(data: Mapping[str, Any], where: str) -> None:
    if told := sorted(filter(tells_of_rights, data)):
        raise ValueError(f"{told[0]!r} stands {where}")


def _text(name: str, value: object) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{name} is not a text")
    return str(value)
