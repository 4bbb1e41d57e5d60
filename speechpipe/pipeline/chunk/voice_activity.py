"""Speech is looked for while the recording is still decoded: two cores do both in the time of the longer of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from speechpipe import audio, chunking
from speechpipe.pipeline.chunk.background import Beside

Report = Callable[[int, int], None]
_LANES = "lane-*"
#: The name that a lane has while it is written.
_PART = ".part"


class Hearing(Beside):
    """Speech activity of the lanes in a folder. As long as the ``with`` block lasts, a thread listens to what is
    written there; ``probabilities`` then goes on where it stands.

    Args:
        on_heard: is given the probabilities of each block, in order, of a recording of one lane. Any error in it, or
            of the network, only ends the listening ahead: who asks for the probabilities meets it again.
    """

    def __init__(self, folder: Path, on_heard: Callable[[NDArray[np.float32]], None] | None = None) -> None:
        super().__init__("hearing")
        self._folder, self._on_heard = folder, on_heard
        self._activities: dict[str, chunking.Activity] = {}

    def reporting(self, report: Report) -> Report:
        """``report``, by which this too learns that there is more to listen to."""

        def reported(done_ms: int, total_ms: int) -> None:
            self.more.set()
            report(done_ms, total_ms)

        return reported

    def probabilities(self, file: str, pcm: audio.Pcm, report: Report | None = None) -> NDArray[np.float32]:
        """Those of a whole lane, ``pcm``; as ``chunking.speech_probabilities``."""
        return chunking.speech_probabilities(pcm, report, self._activities.pop(file, None))

    def __enter__(self) -> Self:
        for file in self._folder.rglob(_LANES):  # of a run that was killed: no sound of this one
            file.unlink(missing_ok=True)
        return super().__enter__()

    def work(self) -> None:
        files = sorted(self._folder.rglob(_LANES))
        for file in files:
            self._listen(file, alone=len(files) == 1)

    def _listen(self, file: Path, alone: bool) -> None:
        name = file.relative_to(self._folder).as_posix().removesuffix(_PART)
        with suppress(FileNotFoundError), audio.Pcm(file) as pcm:  # it may have got its lasting name meanwhile
            if name not in self._activities:
                self._activities[name] = chunking.Activity(self._on_heard if alone else None)
            activity = self._activities[name]
            while not self.stopped.is_set() and pcm.samples - activity.samples >= chunking.BLOCK_SAMPLES:
                activity.hear(pcm.at(activity.samples, chunking.BLOCK_SAMPLES))


def growing(file: Path) -> audio.Pcm:
    """A lane under the name that it has while it is written, or under its lasting one."""
    with suppress(FileNotFoundError):
        return audio.Pcm(file.with_name(file.name + _PART))
    return audio.Pcm(file)
