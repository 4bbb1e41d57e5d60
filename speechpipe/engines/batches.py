"""Clips that may go through a model together; a lack of memory is answered by fewer at once, down to one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TypeVar

Job = TypeVar("Job")
Done = TypeVar("Done")


def grouped(jobs: Sequence[Job], size: int, kind: Callable[[Job], Hashable]) -> Iterator[list[Job]]:
    """Batches of at most ``size`` jobs of one kind, in the order in which they are full."""
    waiting: dict[Hashable, list[Job]] = {}
    for job in jobs:
        group = waiting.setdefault(kind(job), [])
        group.append(job)
        if len(group) == size:
            yield waiting.pop(kind(job))
    yield from waiting.values()


#: How CTranslate2, torch (cuda, mps, cpu) and cuBLAS say it, in RuntimeError.
_SIGNS = (
    "out of memory",
    "failed to allocate",
    "could not create a memory object",
    "can't allocate memory",
    "alloc_failed",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether what native code raised is a lack of memory."""
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in _SIGNS)


class Batches:
    """Runs batches and remembers how many clips fit, so that only one batch of a run has to fail."""

    def __init__(self) -> None:
        self._fits: int | None = None

    def run(self, jobs: Sequence[Job], decode: Callable[[Sequence[Job]], list[Done]]) -> tuple[list[Done], bool]:
        """What ``decode`` gives for ``jobs``, and whether the batch had to be divided.

        Raises:
            RuntimeError, MemoryError: what ``decode`` raised, where one clip does not fit either, or for other reasons.
        """
        if self._fits is None or len(jobs) <= self._fits:
            try:
                return decode(jobs), False
            except (RuntimeError, MemoryError) as error:
                if len(jobs) == 1 or not is_out_of_memory(error):
                    raise
            # Outside of the handler, whose traceback holds on to memory.
            self._fits = len(jobs) // 2
        size = self._fits
        parts = [self.run(jobs[start : start + size], decode)[0] for start in range(0, len(jobs), size)]
        return [done for part in parts for done in part], True
