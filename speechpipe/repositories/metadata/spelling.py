"""Rows of a table that fit no file, though they would if they were spelled otherwise: in capitals, with other slashes,
by the name alone, with another ending, as a folder or with a star. They never open what they may mean."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from urllib.parse import unquote

_DRIVE = re.compile(r"(?:file:/*)?(?:[a-z]:)?", re.IGNORECASE)
_ENDING = re.compile(r"(?<=.)\.[^.\s]{1,5}$")
#: Nothing that is seen: control and format characters, marks that stand over letters.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Mn"})

Parts = tuple[str, ...]


class Rows:
    """The paths of a table, found by what they may mean."""

    def __init__(self, rows: Iterable[str]) -> None:
        self._by_name: dict[str, list[tuple[str, Parts]]] = {}
        self._patterns: list[tuple[str, str]] = []
        for row in rows:
            if parts := _loosely(row):
                self._by_name.setdefault(parts[-1], []).append((row, parts))
            if {"*", "?"} & set(row):
                self._patterns.append((row, "/".join(_loosely(row, whole=True))))

    def like(self, location: str) -> Iterator[str]:
        """The rows that may mean the file at ``location`` or a folder that it lies in, each perhaps more than once."""
        path = PurePosixPath(location)
        for place in (path, *path.parents):
            parts = _loosely(str(place))
            for row, other in self._by_name.get(parts[-1], ()) if parts else ():
                short, long = sorted((parts, other), key=len)
                if long[len(long) - len(short) :] == short:
                    yield row
        whole = "/".join(_loosely(location, whole=True))
        for row, pattern in self._patterns:
            if fnmatchcase(whole, pattern) or fnmatchcase(whole, f"*/{pattern}"):
                yield row


def _loosely(path: str, *, whole: bool = False) -> Parts:
    """The parts of a path with all that people and programs spell otherwise made alike; ``whole``: with its ending."""
    text = unicodedata.normalize("NFKD", unquote(path)).replace("\\", "/").casefold()
    text = "".join(c for c in text if unicodedata.category(c) not in _UNSEEN)
    text = _DRIVE.sub("", text, count=1)
    parts = [part for each in text.split("/") if (part := " ".join(each.split()).strip("'\"")) not in ("", ".")]
    if parts and not whole:
        parts[-1] = _ENDING.sub("", parts[-1]).strip()
    return tuple(parts)
