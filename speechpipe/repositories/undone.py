"""Receipts of what was not done: skipped, since the rights forbid it, or cancelled by a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from speechpipe.errors import CancelledByPerson
from speechpipe.repositories.contract import Item, Receipt, Stat, Status
from speechpipe.repositories.rights import is_known


def skipped(item: Item, stat: Stat | None, why: str, now: datetime | None = None) -> Receipt:
    """``why`` as a sentence."""
    return _undone(item, "skipped", stat, why, now)


def cancelled(item: Item, stat: Stat | None, now: datetime | None = None) -> Receipt:
    """Of a recording that a person cancelled in a batch."""
    told = CancelledByPerson()
    return _undone(item, "cancelled", stat, told.message, now, error=type(told).__name__, cure=told.advice)


def is_left_behind(receipt: Receipt, item: Item) -> bool:
    """Whether it tells why the item is not done, and stands where the item's rights no longer put it."""
    return receipt.status in ("failed", "skipped", "cancelled") and receipt.restricted != (item.standing != "open")


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _undone(item: Item, status: Status, stat: Stat | None, why: str, now: datetime | None, **more: Any) -> Receipt:
    told = Receipt(item.identifier, status, item.location.rsplit("/", 1)[-1], location=item.location, message=why)
    about: dict[str, Any] = {"source_size": stat.size, "source_mtime_ns": stat.mtime_ns} if stat else {}
    about |= {"rights_known": is_known(item.rights)}
    moment = iso(now or datetime.now(UTC))
    return replace(told, finished=moment, restricted=item.standing != "open", **about, **more)
