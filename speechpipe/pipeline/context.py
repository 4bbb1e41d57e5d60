"""What was recognised before a window, told to the engine with it, in a way that spreads no loop.

Each window then waits for the one before it in its lane; only windows of different lanes go through together. Only text
that the engine judged good is told, at most ``MAX_CHARS`` of it, and none after a long pause, in another language, or
where a window already said the same as the one before it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from speechpipe.chunking.plan import Window
from speechpipe.language_identification.window_languages import UNCERTAIN_FLAG
from speechpipe.pipeline.journals.batches import in_batches

MAX_PAUSE_MS = 5_000
MAX_CHARS = 200
#: Flags of text that is told to no one.
DOUBTFUL = frozenset({"repetition", "low_logprob", "sampled", UNCERTAIN_FLAG})


def in_turn(
    windows: Sequence[Window], size: int, kind: Callable[[Window], Hashable] = lambda _: None
) -> list[list[Window]]:
    """Batches as ``in_batches``, in each of which a lane comes once, and after what comes before it in the lane."""
    steps: list[list[Window]] = []
    places: dict[str, int] = {}
    for window in windows:
        place = places[window.file] = places.get(window.file, -1) + 1
        if place == len(steps):
            steps.append([])
        steps[place].append(window)
    return [batch for step in steps for batch in in_batches(step, size, kind)]


class Told:
    """What to tell with each window. ``entries``: what came of the windows that are done, by index; it is kept up."""

    def __init__(self, windows: Sequence[Window], entries: Mapping[int, Mapping[str, Any]]) -> None:
        self._entries = dict(entries)
        self._before: dict[int, Window] = {}
        last: dict[str, Window] = {}
        for window in windows:
            if window.file in last:
                self._before[window.index] = last[window.file]
            last[window.file] = window

    def add(self, batch: Sequence[Window], entries: Sequence[Mapping[str, Any]]) -> None:
        self._entries.update({window.index: entry for window, entry in zip(batch, entries, strict=True)})

    def before(self, window: Window, language: str | None) -> str | None:
        """The end of what was recognised before ``window``; None where nothing is to be told."""
        before = self._before.get(window.index)
        if before is None or window.start_ms - before.end_ms > MAX_PAUSE_MS:
            return None
        entry = self._entries[before.index]
        flags = {flag for utterance in entry["utterances"] for flag in utterance["flags"]}
        text = _text(entry)
        earlier = self._before.get(before.index)
        again = earlier is not None and _text(self._entries[earlier.index]) == text
        if flags & DOUBTFUL or again or (language and entry["language"] != language):
            return None
        return _end_of(text) or None


def _text(entry: Mapping[str, Any]) -> str:
    return " ".join(utterance["text"] for utterance in entry["utterances"])


def _end_of(text: str) -> str:
    """Whole words of at most ``MAX_CHARS`` in all."""
    return text if len(text) <= MAX_CHARS else text[-MAX_CHARS - 1 :].partition(" ")[2]
