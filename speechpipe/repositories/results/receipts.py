"""Receipts as JSON: lossless, and readable by an older version, which leaves out the fields that it does not know."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from speechpipe.files import read_bytes
from speechpipe.repositories.contract import Receipt, Stat

SCHEMA_VERSION = "1.0"

_RECEIPT = TypeAdapter(Receipt)


def to_json(receipt: Receipt) -> bytes:
    # asdict would deep-copy a Mapping that is no dict.
    fields = {field.name: getattr(receipt, field.name) for field in dataclasses.fields(receipt)}
    return plain_json({"schema_version": SCHEMA_VERSION, **fields, "files": dict(receipt.files)})


def from_json(content: bytes) -> Receipt:
    """Read what ``to_json`` wrote.

    Raises:
        ValueError: not a receipt.
    """
    data = json.loads(content)
    if not isinstance(data, dict):
        raise ValueError("not an object")
    try:
        return _RECEIPT.validate_python({key: value for key, value in data.items() if key != "schema_version"})
    except ValidationError as error:
        raise ValueError(str(error)) from error


def read(path: Path) -> Receipt | None:
    """The receipt in this file; None where there is none or it cannot be read."""
    try:
        return from_json(read_bytes(path))
    except (OSError, ValueError, RecursionError):
        return None


def same_file(receipt: Receipt, stat: Stat) -> bool:
    """Whether the recording still has the size and the date that the receipt tells of."""
    return (receipt.source_size, receipt.source_mtime_ns) == (stat.size, stat.mtime_ns)


def plain_json(data: Any) -> bytes:
    """UTF-8 for people to read; bytes of a file name that are no UTF-8 become JSON escapes."""
    return (json.dumps(data, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "backslashreplace")
