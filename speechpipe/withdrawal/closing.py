"""What may no longer stand open leaves the open side before anything else is done, with every trace of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from speechpipe.repositories.contract import Closed, Receipt, Repository
from speechpipe.repositories.results.copies import Erased
from speechpipe.settings import Settings
from speechpipe.withdrawal import traces

Forget = Callable[[Sequence[Receipt]], None]


def nowhere_else(receipts: Sequence[Receipt]) -> None:
    """There is no server that knows of them."""


def close(
    repository: Repository,
    workspace: Path | None = None,
    forget: Forget = nowhere_else,
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
    copies = forget_all(repository, [receipt for _, receipt in misplaced], workspace, forget)
    return tuple(repository.close(item, receipt) for item, receipt in misplaced), copies


def forget_all(
    repository: Repository, receipts: Sequence[Receipt], workspace: Path | None = None, forget: Forget = nowhere_else
) -> Erased:
    """Forget what was made of open results that are about to move; arguments as ``close``."""
    copies = Erased()
    if not receipts:
        return copies
    forget(receipts)
    folder = workspace or Settings.load().workspace_folder
    for receipt in receipts:
        copies += traces.close(repository, receipt, folder, None, set())
    return copies
