"""Windows are recognised while the recording is still decoded, so that the first words of a long reel come soon.

Windows are planned as speech is found in the lane that grows on the disk; those that are final go to the engine, in
the batches that they have in the whole plan. So the journal fills from its beginning, and the stage goes on behind it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechpipe import audio, chunking
from speechpipe.chunking.plan import Window
from speechpipe.pipeline.chunk.background import Beside
from speechpipe.pipeline.chunk.voice_activity import growing
from speechpipe.settings.chunking import Chunking

#: The only lane.
_LANE = "lane-0.s16"


class Ahead(Beside):
    """Recognises what is final of a recording of one lane, as long as the ``with`` block lasts.

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
        super().__init__("ahead")
        self._folder, self._size, self._recognise = folder, batch_size, recognise
        self._planner, self._planned = chunking.Planner(chunking_settings), 0
        self._waiting: deque[Window] = deque()
        #: What was recognised so far, in order.
        self.windows: list[Window] = []

    def heard(self, probabilities: NDArray[np.float32]) -> None:
        """How probable speech is in the frames that follow those before."""
        for span in self._planner.heard(probabilities):
            self._waiting.append(Window(self._planned, None, _LANE, span.start_ms, span.end_ms, span.overlap_ms))
            self._planned += 1
        self.more.set()

    def holds(self, planned: Sequence[Window]) -> bool:
        """Whether what was recognised are the first windows of this plan."""
        first = [replace(window, channel=None) for window in planned[: len(self.windows)]]
        return first == self.windows

    def work(self) -> None:
        while len(self._waiting) >= self._size and not self.stopped.is_set():
            batch = [self._waiting.popleft() for _ in range(self._size)]
            with growing(self._folder / _LANE) as pcm:
                self._recognise(batch, pcm)
            self.windows += batch
