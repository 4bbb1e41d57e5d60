"""Days from which something is open, as tables write them: a year, a month or a day, in the order of ISO 8601."""

from __future__ import annotations

import calendar
import re
from datetime import date

_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?(?:T00:00(?::00)?Z?)?")


def first_day(told: str) -> date:
    """Raises ValueError: it is no date."""
    year, month, day = _parts(told)
    return date(year, month or 1, day or 1)


def last_day(told: str) -> date:
    """Raises ValueError: it is no date."""
    year, month, day = _parts(told)
    month = month or 12
    return date(year, month, day or calendar.monthrange(year, month)[1])


def _parts(told: str) -> tuple[int, int, int]:
    found = _DATE.fullmatch(told.strip())
    try:
        year, month, day = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
        date(year, month or 1, day or 1)
    except ValueError as error:
        raise ValueError("which is no date such as 2090-12-31") from error
    return year, month, day
