"""The recording's sound in the workspace: decoded once, read by windows, decoded anew where it was dropped."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechpipe import audio
from speechpipe.chunking.plan import Window
from speechpipe.pipeline.chunk.audio_streams import Sound, decode_streams
from speechpipe.pipeline.recording import Recording
from speechpipe.transcript_data import Media


class Scratch:
    """The lanes of a recording in ``folder``. ``reads``: how often the recording itself was read."""

    def __init__(self, recording: Recording, streams: str, folder: Path) -> None:
        self._recording, self._streams, self.folder = recording, streams, folder
        self.reads = 0

    def decode(self, media: Media, report: Callable[[int, int], None]) -> Sound:
        """Raises as ``decode_streams``."""
        self.reads += 1
        return decode_streams(self._recording.path, self.folder, self._recording.channels, self._streams, media, report)

    def pcm(self, window: Window, media: Media) -> NDArray[np.float32]:
        """The window's samples, float32 at 16 kHz."""
        path = self.folder / window.file
        if not path.exists():  # dropped after an earlier, complete run
            self.decode(media, lambda done_ms, total_ms: None)
        return audio.Pcm(path).read(window.start_ms, window.end_ms)

    def drop(self) -> None:
        """And the plan made of it. What was recognised stays."""
        shutil.rmtree(self.folder, ignore_errors=True)
