"""Where recordings come from and results go: one file a kind of repository."""

from __future__ import annotations

from speechpipe.repositories.choices import Choice, Policy, Selection
from speechpipe.repositories.contract import (
    Closed,
    Deposited,
    Fetched,
    Item,
    LeftOut,
    Package,
    Part,
    Receipt,
    Repository,
    Standing,
    Stat,
    Status,
)
from speechpipe.repositories.folder import FolderRepository
from speechpipe.repositories.selection import select, settle
from speechpipe.transcript_data import Rights

__all__ = [
    "Choice",
    "Closed",
    "Deposited",
    "Fetched",
    "FolderRepository",
    "Item",
    "LeftOut",
    "Package",
    "Part",
    "Policy",
    "Receipt",
    "Repository",
    "Rights",
    "Selection",
    "Standing",
    "Stat",
    "Status",
    "select",
    "settle",
]
