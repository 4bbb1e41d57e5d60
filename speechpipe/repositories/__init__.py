"""Where recordings come from and results go: one file a kind of repository."""

from __future__ import annotations

from speechpipe.repositories.contract import Deposited, Item, Package, Part, Receipt, Repository, Status
from speechpipe.repositories.folder import FolderRepository
from speechpipe.transcript import Rights

__all__ = ["Deposited", "FolderRepository", "Item", "Package", "Part", "Receipt", "Repository", "Rights", "Status"]
