"""The first stage: a recording decoded, its speech found and cut into windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from speechpipe import audio, chunking
from speechpipe.pipeline.plan import Plan, Window
from speechpipe.settings import Chunking
from speechpipe.transcript import Event, Media

Report = Callable[[int, int], None]


def make_plan(media: Media, decoded: audio.Decoded, folder: Path, settings: Chunking, report: Report) -> Plan:
    """Windows and events of all lanes, from the PCM in ``folder``."""
    windows: list[Window] = []
    events: list[Event] = []
    for number, lane in enumerate(decoded.lanes):
        pcm = audio.Pcm(folder / lane.file)
        probabilities = chunking.speech_probabilities(pcm)
        report((number + 1) * pcm.duration_ms, len(decoded.lanes) * pcm.duration_ms)
        spans = chunking.plan_windows(probabilities, pcm.duration_ms, settings)
        windows += [Window(0, lane.channel, lane.file, span.start_ms, span.end_ms) for span in spans]
        events += chunking.find_events(pcm, probabilities, spans, lane.channel)
    # By time, so that batches follow the recording; the index names a window in the journals.
    windows.sort(key=lambda window: (window.start_ms, -1 if window.channel is None else window.channel))
    numbered = tuple(replace(window, index=index) for index, window in enumerate(windows))
    events.sort(key=lambda event: (event.start_ms, -1 if event.channel is None else event.channel))
    media = replace(media, duration_ms=decoded.duration_ms if decoded.lanes else media.duration_ms)
    return Plan(media, decoded, numbered, tuple(events))


def decode(path: Path, folder: Path, channels: str, declared_ms: int | None, report: Report) -> audio.Decoded:
    def on_progress(done_ms: int, total_ms: int | None) -> None:
        report(done_ms, total_ms or declared_ms or 0)

    return audio.decode(path, folder, channels, on_progress)
