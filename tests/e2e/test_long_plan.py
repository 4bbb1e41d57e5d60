"""Ten hours in 6,000 windows: what is done for each window does not grow with their number."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType

import numpy as np

from speechpipe import Settings, Transcriber
from speechpipe.audio import Decoded, Lane
from speechpipe.chunking.plan import Plan, Window, write_plan
from speechpipe.pipeline.assembly import assemble
from speechpipe.pipeline.recording import Recording
from speechpipe.pipeline.stages import Stages
from speechpipe.transcript import Transcript
from speechpipe.transcript_data import Media
from speechpipe.workspace import Workspace

EVERY_MS, LENGTH_MS = 6_000, 500


class Calls:
    """Counts the calls of functions, those of libraries and of generators too, and reads of journals among them."""

    def __init__(self) -> None:
        self.all = self.journals = 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event in ("call", "c_call"):
            self.all += 1
            self.journals += event == "call" and frame.f_code.co_qualname == "Journal.read"


def transcribed(count: int, work: Path) -> tuple[Transcript, Calls]:
    """A recording of ``count`` windows through all that follows its plan."""
    sha256 = "0" * 64
    transcriber = Transcriber(Settings.load(model="fake", language="nb", workspace=work))
    stages = Stages(transcriber, Recording(work / "reel.wav", "reel.wav", sha256), Workspace(work, sha256))
    folder = stages.workspace.stage_folder("chunk", stages.keys.chunk)
    windows = [Window(i, None, "lane.s16", i * EVERY_MS, i * EVERY_MS + LENGTH_MS) for i in range(count)]
    decoded = Decoded((Lane(None, "lane.s16"),), count * EVERY_MS)
    with (folder / "lane.s16").open("wb") as file:  # silence in holes of the file; something is heard in the windows
        for window in windows:
            file.seek(window.start_ms * 32)
            file.write(np.tile(np.array([8_000, -8_000], "<i2"), LENGTH_MS * 8).tobytes())
    write_plan(folder / "plan.json", Plan(Media("reel.wav", sha256=sha256), decoded, tuple(windows), ()))
    calls = Calls()
    sys.setprofile(calls)
    try:
        stages.chunk()
        stages.transcribe()
        stages.align()
        transcript = assemble(stages.results())
    finally:
        sys.setprofile(None)
    return transcript, calls


def test_work_grows_with_the_recording_and_no_faster(tmp_path: Path) -> None:
    transcribed(10, tmp_path / "first")  # what is imported and found once
    short, few = transcribed(600, tmp_path / "short")
    long, many = transcribed(6_000, tmp_path / "long")
    assert (len(short.segments), len(long.segments)) == (600, 6_000)
    assert long.segments[-1].start_ms >= 5_999 * EVERY_MS
    assert many.all < 10.5 * few.all
    assert many.journals == few.journals < 12
