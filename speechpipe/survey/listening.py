"""What a recording holds, heard to its end but not transcribed: for people who look before they run."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechpipe import audio
from speechpipe.chunking.plan import Plan
from speechpipe.files import explained
from speechpipe.pipeline.chunk.audio_streams import Sound, decode_streams
from speechpipe.pipeline.chunk.stage import make_plan
from speechpipe.pipeline.chunk.voice_activity import Hearing
from speechpipe.pipeline.journals.batches import Progress
from speechpipe.settings import Settings

#: Columns of an outline: more than a screen shows.
COLUMNS = 1_200
_BLOCK = 30 * audio.RATE


@dataclass(frozen=True, slots=True)
class Outline:
    """A channel's waveform over its own length: lowest and highest sample of each column, (columns, 2), -1..1."""

    name: str
    extremes: NDArray[np.float32]
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Survey:
    """``plan`` is as for a transcription with the same settings; ``outlines`` show every channel of the source."""

    inspection: audio.Inspection
    plan: Plan
    outlines: tuple[Outline, ...]

    @property
    def speech_ms(self) -> int:
        """Time in which somebody speaks on any channel."""
        total = end = 0
        for window in self.plan.windows:  # in order of their starts
            total += max(0, window.end_ms - max(end, window.start_ms))
            end = max(end, window.end_ms)
        return total

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, without the outlines."""
        decoded, events = self.plan.decoded, [asdict(event) for event in self.plan.events]
        spans = [{"start_ms": w.start_ms, "end_ms": w.end_ms, "channel": w.channel} for w in self.plan.windows]
        return {"decoded": decoded.to_dict(), "speech_ms": self.speech_ms, "speech": spans, "events": events}


def survey(path: Path, settings: Settings, progress: Progress | None = None) -> Survey:
    """Decode ``path``, find speech, music, silence and trouble, and outline its channels. Leaves nothing behind.

    Raises:
        MediaNotFound, UnreadableMedia, UsageError: as of ``audio.decode``. OutputError: no space to decode into.
    """

    def report(done_ms: int, total_ms: int) -> None:
        if progress is not None:
            progress("chunk", done_ms, total_ms)

    inspection = audio.inspect(path)
    media = inspection.media
    with explained(settings.workspace_folder):
        settings.workspace_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.workspace_folder, prefix="survey-") as name:
        folder = Path(name)
        with Hearing(folder) as hearing:
            reporting = hearing.reporting(report)
            sound = decode_streams(path, folder, settings.channels, settings.streams, media, reporting)
        plan = make_plan(media, sound.decoded, folder, settings.chunking, lambda done, total: None, hearing)
        outlines = _outlines(folder, sound)
        if len(sound.decoded.channels) > len(sound.decoded.lanes):  # some were mixed or left out: show them apart
            for lane in sound.decoded.lanes:
                (folder / lane.file).unlink()
            outlines = _outlines(folder, decode_streams(path, folder, "split", settings.streams, media, report))
    return Survey(inspection, plan, outlines)


def _outlines(folder: Path, sound: Sound) -> tuple[Outline, ...]:
    return tuple(
        _outline(folder / lane.file, lane.channel, sound.languages.get(lane.file)) for lane in sound.decoded.lanes
    )


def _outline(file: Path, channel: int | None, language: str | None) -> Outline:
    with audio.Pcm(file) as pcm:
        found = np.zeros((min(COLUMNS, max(1, pcm.samples)), 2), np.float32)
        edges = np.linspace(0, pcm.samples, len(found) + 1).astype(np.int64)
        at = 0
        for block in pcm.blocks(_BLOCK):
            first = int(np.searchsorted(edges, at, side="right")) - 1
            last = int(np.searchsorted(edges, at + len(block), side="left"))
            starts = np.maximum(edges[first:last] - at, 0)
            lows, highs = found[first:last].T  # a column may go on from one block to the next
            np.minimum(lows, np.minimum.reduceat(block, starts), out=lows)
            np.maximum(highs, np.maximum.reduceat(block, starts), out=highs)
            at += len(block)
    name = "mono" if channel is None else f"channel {channel + 1}"
    return Outline(f"{name}, {language}" if language else name, found, pcm.duration_ms)
