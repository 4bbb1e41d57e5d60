"""The first stage: a recording decoded, its speech found and cut into windows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from speechpipe import audio, chunking
from speechpipe.chunking.plan import Plan, Window
from speechpipe.pipeline.chunk.voice_activity import Hearing, Report
from speechpipe.settings.chunking import Chunking
from speechpipe.transcript_data import Event, Media


def make_plan(
    media: Media, decoded: audio.Decoded, folder: Path, settings: Chunking, report: Report, hearing: Hearing
) -> Plan:
    """Windows and events of all lanes, from the PCM in ``folder`` and from what was heard of it so far."""
    windows: list[Window] = []
    events: list[Event] = []
    warnings: list[str] = []
    for number, lane in enumerate(decoded.lanes):
        pcm = audio.Pcm(folder / lane.file)
        probabilities = hearing.probabilities(lane.file, pcm, of_share(report, number, len(decoded.lanes)))
        spans = chunking.plan_windows(probabilities, pcm.duration_ms, settings)
        heard = chunking.find_events(pcm, probabilities, spans, lane.channel)
        if (voice := chunking.measure_voice(pcm, spans)) and voice.warning and voice.warning not in warnings:
            warnings.append(voice.warning)
        if settings.also:
            probabilities = chunking.as_speech(probabilities, heard, settings.also)
            spans = chunking.plan_windows(probabilities, pcm.duration_ms, settings)
            heard = chunking.find_events(pcm, probabilities, spans, lane.channel)
        windows += [Window(0, lane.channel, lane.file, span.start_ms, span.end_ms, span.overlap_ms) for span in spans]
        events += unread(heard, decoded.lost)
    events += [Event(start, end, "unreadable") for start, end in decoded.lost if start < end]
    # By time, so that batches follow the recording; the index names a window in the journals.
    windows.sort(key=lambda window: (window.start_ms, -1 if window.channel is None else window.channel))
    numbered = tuple(replace(window, index=index) for index, window in enumerate(windows))
    events.sort(key=lambda event: (event.start_ms, -1 if event.channel is None else event.channel))
    media = replace(media, duration_ms=decoded.duration_ms if decoded.lanes else media.duration_ms)
    return Plan(media, replace(decoded, warnings=(*decoded.warnings, *warnings)), numbered, tuple(events))


def unread(events: list[Event], lost: tuple[tuple[int, int], ...]) -> list[Event]:
    """``events`` without the spans in which nothing could be heard: silence there is none of the recording's."""
    for start, end in lost:
        events = [
            replace(event, start_ms=a, end_ms=b)
            for event in events
            for a, b in ((event.start_ms, min(event.end_ms, start)), (max(event.start_ms, end), event.end_ms))
            if a < b
        ]
    return events


def decode(
    path: Path, folder: Path, channels: str, declared_ms: int | None, report: Report, stream: int | None = None
) -> audio.Decoded:
    def on_progress(done_ms: int, total_ms: int | None) -> None:
        report(done_ms, total_ms or declared_ms or 0)

    return audio.decode(path, folder, channels, on_progress, stream=stream)


def of_share(report: Report, number: int, shares: int) -> Report:
    """The report of one of so many equal shares of the whole, a lane's or a stream's."""
    return lambda done_ms, total_ms: report((number * total_ms + done_ms) // shares, total_ms)
