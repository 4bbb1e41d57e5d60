"""Windows are recognised while the recording is still decoded, so that the first words of a long reel come soon.

A thread listens to the lane as it grows on the disk and plans its windows; those that are final go to the engine, in
the batches that they have in the whole plan. So the journal fills from its beginning, and the stage goes on behind it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from speechpipe import audio, chunking
from speechpipe.pipeline.plan import Window
from speechpipe.settings import Chunking

#: The only lane, under the name that it has while it is written, and then.
_LANE = "lane-0.s16"
_GROWING = f"{_LANE}.part"


class Ahead:
    """Recognises what is final of a recording of one lane, as long as the ``with`` block lasts; leaves others alone.

    Args:
        folder: where the lane is written.
        recognise: does a batch of windows of this sound, and keeps what came of it. Any error only ends the work ahead:
            the stage itself will meet it again.
    """

    def __init__(
        self,
        folder: Path,
        chunking_settings: Chunking,
        batch_size: int,
        recognise: Callable[[Sequence[Window], audio.Pcm], None],
    ) -> None:
        self._folder, self._settings, self._size = folder, chunking_settings, batch_size
        self._recognise = recognise
        self._more, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="ahead", daemon=True)
        #: What was recognised so far, in order.
        self.windows: list[Window] = []

    def grown(self) -> None:
        """There is more to listen to."""
        self._more.set()

    def __enter__(self) -> Ahead:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Waits for the batch in hand."""
        self._stop.set()
        self._more.set()
        self._thread.join()

    def holds(self, planned: Sequence[Window]) -> bool:
        """Whether what was recognised are the first windows of this plan."""
        first = [replace(window, channel=None) for window in planned[: len(self.windows)]]
        return first == self.windows

    def _work(self) -> None:
        waiting: list[Window] = []
        with suppress(Exception):
            for windows, pcm in self._final():
                waiting += windows
                while len(waiting) >= self._size and not self._stop.is_set():
                    batch, waiting = waiting[: self._size], waiting[self._size :]
                    self._recognise(batch, pcm)
                    self.windows += batch

    def _final(self) -> Iterator[tuple[list[Window], audio.Pcm]]:
        """Windows as they become final, with the sound so far."""
        activity, planner = chunking.Activity(), chunking.Planner(self._settings)
        at = count = 0
        while not self._stop.is_set():
            pcm = self._sound()
            if pcm is None or pcm.samples < at + chunking.BLOCK_SAMPLES:
                self._more.wait()
                self._more.clear()
                continue
            with pcm:
                spans = planner.heard(activity.heard(pcm.at(at, chunking.BLOCK_SAMPLES)))
                at += chunking.BLOCK_SAMPLES
                numbered = enumerate(spans, count)
                count += len(spans)
                yield [Window(i, None, _LANE, s.start_ms, s.end_ms, s.overlap_ms) for i, s in numbered], pcm

    def _sound(self) -> audio.Pcm | None:
        lanes = list(self._folder.glob("lane-*"))
        for name in (_GROWING, _LANE):
            if len(lanes) == 1 and lanes[0].name == name:
                try:
                    return audio.Pcm(lanes[0])
                except FileNotFoundError:  # it has its lasting name now
                    self._more.set()
        return None
