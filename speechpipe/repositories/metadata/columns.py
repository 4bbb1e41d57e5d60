"""What columns of a table tell of rights, under the names that archives give them. A name that seems to tell of rights
and is not known here is an error: what it forbids must not be passed over."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Literal

from speechpipe.repositories.metadata.dates import first_day, last_day
from speechpipe.transcript_data import Rights

_YES, _NO = {"true", "yes", "y", "1", "ja"}, {"false", "no", "n", "0", "nei", "nej"}

Field = Literal["statement", "access", "may_transcribe", "may_publish", "may_train"]
Reading = Callable[[str, date], Any]


def _text(told: str, today: date) -> str:
    return told


def _permission(told: str, today: date) -> bool:
    small = told.lower()
    if small not in _YES | _NO:
        raise ValueError("which is neither yes nor no")
    return small in _YES


def _closing(told: str, today: date) -> bool | None:
    """That something is not closed does not yet say that it may be published."""
    return False if _permission(told, today) else None


def _until(told: str, today: date) -> bool | None:
    return False if today <= last_day(told) else None


def _from(told: str, today: date) -> bool | None:
    return False if today < first_day(told) else None


def _embargo(told: str, today: date) -> bool | None:
    return (_closing if told.lower() in _YES | _NO else _until)(told, today)


#: Column → the right that it tells of, and how its cells are read. An embargo that is over tells nothing.
COLUMNS: Mapping[str, tuple[Field, Reading]] = {
    "statement": ("statement", _text),
    "rights": ("statement", _text),
    "rights_statement": ("statement", _text),
    "licence": ("statement", _text),
    "license": ("statement", _text),
    "access": ("access", _text),
    "access_rights": ("access", _text),
    "may_transcribe": ("may_transcribe", _permission),
    "transcribe": ("may_transcribe", _permission),
    "may_publish": ("may_publish", _permission),
    "publish": ("may_publish", _permission),
    "may_train": ("may_train", _permission),
    "restricted": ("may_publish", _closing),
    "closed": ("may_publish", _closing),
    "confidential": ("may_publish", _closing),
    "embargo": ("may_publish", _embargo),
    "embargo_until": ("may_publish", _until),
    "embargo_end": ("may_publish", _until),
    "closed_until": ("may_publish", _until),
    "restricted_until": ("may_publish", _until),
    "open_from": ("may_publish", _from),
    "public_from": ("may_publish", _from),
    "publish_from": ("may_publish", _from),
    "available_from": ("may_publish", _from),
    "release_date": ("may_publish", _from),
}

#: What words of rights begin with, in English and the languages of the north.
_STEMS = re.compile(
    r"right|embargo|restrict|licen[cs]|copyright|confiden|permi[st]|consent|secre[ct]|sensitiv|privat|privacy|gdpr"
    r"|publish(?!er)|publi[cz](?!ation)|access(?!ion|_cop|_file|_num)|disclos|withh|forbid|forbud|allow|clos(?:ed|ure)"
    r"|releas|visib|transcri[bp]|klausul|sperr|hemm?eli|skjerm|begrens|offentlig|gradert|tilgang|rettighe|samtykk"
)
_WORDS = frozenset({"may", "open", "until", "hidden", "blocked", "unpublished"})


def column(name: str) -> str:
    """``May-Publish``, ``mayPublish`` and ``May publish`` are one column."""
    return re.sub(r"[\s-]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())).lower()


def tells_of_rights(name: str) -> bool:
    """Whether a column seems to."""
    return name in COLUMNS or _STEMS.search(name) is not None or not _WORDS.isdisjoint(re.split("[^a-z]+", name))


def rights(told: Mapping[str, object], today: date) -> Rights:
    """What the columns that tell of rights say together; of two that differ the one that forbids holds.

    Raises:
        ValueError: a column is not known, or a cell cannot be understood.
    """
    found: dict[str, Any] = {}
    for name, cell in told.items():
        if name not in COLUMNS:
            known = ", ".join(COLUMNS)
            raise ValueError(f"there is no {name!r} among what may be told of rights: {known}")
        if cell is None or cell == "":
            continue
        field, read = COLUMNS[name]
        if not isinstance(cell, str | int) or (isinstance(cell, bool) and read is _text):
            raise ValueError(f"{name} is not a text")
        try:
            value = read(str(cell).strip(), today)
        except ValueError as error:
            raise ValueError(f"{name} is {cell!r}, {error}") from error
        found[field] = _together(found.get(field), value)
    return Rights(**found)


def _together(one: Any, other: Any) -> Any:
    if one is None or other is None or one == other:
        return other if one is None else one
    return False if isinstance(one, bool) else f"{one}; {other}"
