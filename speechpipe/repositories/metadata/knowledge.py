"""What is known of each recording of a folder, by its row or for want of one, and what follows for its results."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePosixPath

from speechpipe.repositories.contract import Item, Part, Receipt
from speechpipe.repositories.locations import short
from speechpipe.repositories.metadata.reading import Table
from speechpipe.repositories.rights import is_known, standing, strictest
from speechpipe.transcript_data import Rights


@dataclass(frozen=True)
class Knowledge:
    """``is_there``: whether a file lies at this place. ``closed``: the receipt of results at this place that are not
    open, since rights outlive the row, or the cell, that told of them."""

    table: Table
    unknown: str
    is_there: Callable[[str], bool]
    closed: Callable[[str], Receipt | None]
    #: By rows that fit no file: the recordings that they may mean.
    suspected: dict[str, Item] = field(default_factory=dict)

    def row(self, location: str) -> str:
        """The row of a file, whose letters the disk may compose otherwise; none where the row has a file of its own."""
        if location in self.table.items or location in self.table.copies:
            return location
        row = self.table.spellings.get(unicodedata.normalize("NFC", location))
        return row if row is not None and not self.is_there(row) else location

    def item(self, location: str) -> Item:
        """The recording at ``location``; not open where what told of its rights is gone, or where a row that fits no
        file may mean it."""
        row = self.row(location)
        known = self.table.items.get(row) or self.table.copies.get(row)
        if known is None:
            return self._without_row(location)
        item = self._placed(known, location)
        return item if is_known(item.rights) else self._as_before(item)

    def of_results(self, location: str, receipts: Iterable[Receipt]) -> Item:
        """What is known of the recording whose results stand at ``location``, also if it has another place by now."""
        location = self._long.get(location, location)
        named = {name for receipt in receipts for name in _names(receipt)}
        others = [item for name in named for item in self.table.by_identifier.get(name, ())]
        return strictest([self.item(location), *(self._placed(item, location) for item in others)])

    def has_row(self, location: str) -> bool:
        row = self.row(self._long.get(location, location))
        return row in self.table.items or row in self.table.copies

    def _placed(self, known: Item, location: str) -> Item:
        part = replace(known.parts[0], location=location)
        return replace(known, parts=(part,), standing=standing(known.rights, self.unknown))

    def _without_row(self, location: str) -> Item:
        item = self._placed(Item(location, (Part(location),)), location)
        if not self.table.items:
            return item
        rows = [row for row in self.table.loosely.like(location) if not self.is_there(row)]
        if rows:
            meant = [self.table.items.get(row) or self.table.copies[row] for row in rows]
            rights = strictest([self._placed(one, location) for one in meant]).rights
            item = replace(item, rights=rights, standing=standing(rights, self.unknown))
            item = replace(item, standing="restricted") if item.standing == "open" else item
            self.suspected.update(dict.fromkeys(rows, item))
            return item
        return self._as_before(item)

    def _as_before(self, item: Item) -> Item:
        """``item``, of whose rights nothing is told, by those that it had."""
        before = self.closed(item.location)
        if before is None or before.rights_known is False:
            return item
        if before.status == "skipped":
            return replace(item, rights=Rights(may_transcribe=False), standing="forbidden")
        return replace(item, rights=Rights(may_publish=False), standing="restricted")

    @cached_property
    def _long(self) -> dict[str, str]:
        """Places of results whose recording has a longer name."""
        rows = map(PurePosixPath, (*self.table.items, *self.table.copies))
        return {
            (row.parent / short(row.name)).as_posix(): row.as_posix() for row in rows if short(row.name) != row.name
        }


def _names(receipt: Receipt) -> tuple[str, ...]:
    """The identifier, and that of the whole where it is a numbered part of one."""
    whole, _, number = receipt.identifier.rpartition("/")
    return (receipt.identifier, whole) if number.isdecimal() else (receipt.identifier,)
