"""The lock beside results, held by who writes there: from the look at what stands there to the manifest.

One a folder, since the results of one recording may bear names that another's versions would bear.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from speechpipe import locks
from speechpipe.files import explained

LOCK = ".speechpipe.lock"

#: Longer than any deposit takes; who waits in vain may try again.
_PATIENCE_S = 120.0


class _Mine(threading.local):
    """The folders that this thread holds."""

    def __init__(self) -> None:
        self.folders: set[str] = set()


_mine = _Mine()


@contextmanager
def holding(*folders: Path, private: bool = False) -> Iterator[None]:
    """Hold these folders, made where they are not there yet; may be nested.

    Raises:
        AlreadyInWork: another process holds one for minutes. OutputError: it cannot be written to.
    """
    with ExitStack() as stack:
        for folder in folders:
            make_folder(folder, private=private)
        places = {os.path.realpath(folder) for folder in folders} - _mine.folders
        for place in sorted(places):  # in one order, so that no two wait for each other
            busy = f"Another run has been writing results into {place} for minutes."
            lock = locks.held(Path(place, LOCK), busy, wait_s=_PATIENCE_S, passing=True, named=Path(place))
            stack.enter_context(lock)
            _mine.folders.add(place)
            stack.callback(_mine.folders.discard, place)
        yield


def make_folder(folder: Path, *, private: bool) -> None:
    """With all above it; ``private``: for its owner alone. Raises ``OutputError``."""
    with explained(folder):
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        for each in reversed(missing):
            each.mkdir(0o700 if private else 0o777, exist_ok=True)
