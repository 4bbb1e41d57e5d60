"""What may no longer stand open leaves the open side before anything else is done, with every trace of it."""

from __future__ import annotations

from pathlib import Path

from speechpipe.repositories.contract import Closed, Repository
from speechpipe.workspace import Workspace


def close(repository: Repository, workspace: Path) -> tuple[Closed, ...]:
    """Close what the rights say now, from receipts alone; also the work in progress of it.

    Raises:
        RepositoryError: its metadata cannot be trusted. OutputError: something cannot be moved.
    """
    closed = []
    for one in repository.close():
        if one.receipt is not None and one.receipt.source_sha256:
            Workspace(workspace, one.receipt.source_sha256).close()
        closed.append(one)
    return tuple(closed)
