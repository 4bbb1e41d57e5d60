"""Work beside the decode, in a thread of its own that lasts as long as a ``with`` block."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import Self


class Beside(ABC):
    """Does what there is to do each time that ``more`` is set. Any error only ends the work ahead."""

    def __init__(self, name: str) -> None:
        self.more, self.stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def work(self) -> None:
        """All that can be done by now, or until ``stopped`` is set."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Waits for what is in hand."""
        self.stopped.set()
        self.more.set()
        self._thread.join()

    def _run(self) -> None:
        with suppress(Exception):  # the stage meets it again when it comes to the same sound
            while self._is_more():
                self.work()

    def _is_more(self) -> bool:
        self.more.wait()  # also at first: what is only begun would be taken for all there is
        self.more.clear()
        return not self.stopped.is_set()
