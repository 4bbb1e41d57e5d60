"""Windows in batches, and the journal of what came of them.

Batches are fixed by the plan and by what each window is given to, never by what is already done: an engine's batch may
influence its results, so a resumed run gives the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

from speechpipe.chunking.plan import Window
from speechpipe.workspace import Journal

#: ``progress(stage, done_ms, total_ms)``: stage is "chunk", "transcribe" or "align"; time is time of audio. It may
#: raise, ``Interrupted`` for one, to stop the run after the batch in hand; what is done is kept.
Progress = Callable[[str, int, int], None]


def in_batches(
    windows: Sequence[Window], size: int, kind: Callable[[Window], Hashable] = lambda _: None
) -> list[list[Window]]:
    """Batches of at most ``size`` windows of one kind, the kinds one after the other as they first come."""
    kinds: dict[Hashable, list[Window]] = {}
    for window in windows:
        kinds.setdefault(kind(window), []).append(window)
    return [group[start : start + size] for group in kinds.values() for start in range(0, len(group), size)]


def done(journal: Journal) -> dict[int, dict[str, Any]]:
    """What came of each window that is done, by the window's index."""
    return {int(index): entry for line in journal.read() for index, entry in line["windows"].items()}


def pending(
    journal: Journal, batches: Sequence[Sequence[Window]], report: Callable[[int, int], None]
) -> Iterator[Sequence[Window]]:
    """The batches not yet in the journal; ``report(done_ms, total_ms)`` before the first and after each."""
    known = done(journal)
    left = [batch for batch in batches if not all(window.index in known for window in batch)]
    total, left_ms = _length(batches), _length(left)
    report(total - left_ms, total)
    for batch in left:
        yield batch
        left_ms -= _length([batch])
        report(total - left_ms, total)


def _length(batches: Sequence[Sequence[Window]]) -> int:
    return sum(window.length_ms for batch in batches for window in batch)


def append(journal: Journal, batch: Sequence[Window], results: Sequence[Mapping[str, Any]]) -> None:
    paired = zip(batch, results, strict=True)
    journal.append({"windows": {str(window.index): result for window, result in paired}})


def part(progress: Progress | None, stage: str, start: float = 0.0, end: float = 1.0) -> Callable[[int, int], None]:
    """A report of a part of a stage: from the share ``start`` to the share ``end`` of its whole."""

    def report(done_ms: int, total_ms: int) -> None:
        if progress:
            progress(stage, round(total_ms * start + min(done_ms, total_ms) * (end - start)), total_ms)

    return report
