"""What may no longer stand open leaves the open side before anything else is done, with every trace of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from speechpipe.pipeline import traces
from speechpipe.repositories.contract import Closed, Receipt, Repository
from speechpipe.repositories.copies import Erased
from speechpipe.settings import Settings


def close(
    repository: Repository,
    workspace: Path | None = None,
    forget: Callable[[Sequence[Receipt]], None] = lambda receipts: None,
) -> tuple[tuple[Closed, ...], Erased]:
    """Close what the rights say now, from receipts alone. What was made of the results while they were open is erased
    first, then they move: so what a kill leaves is closed by the same call again.

    Args:
        workspace: where work in progress is; None: as in the settings.
        forget: forgets the traces of these recordings elsewhere, such as on a server; may be called again.

    Returns:
        What was closed, and what became of copies.

    Raises:
        RepositoryError: its metadata cannot be trusted. OutputError: something cannot be moved or erased.
    """
    repository.remember()
    misplaced = list(repository.misplaced())
    if not misplaced:
        return (), Erased()
    workspace = workspace or Settings.load().workspace_folder
    forget([receipt for _, receipt in misplaced])
    closed, copies = [], Erased()
    for item, receipt in misplaced:
        copies += traces.close(repository, receipt, workspace, None, set())
        closed.append(repository.close(item, receipt))
    return tuple(closed), copies
