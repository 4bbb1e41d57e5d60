"""``speechpipe inspect``: what a media file holds, as its container says and, when asked to, as it sounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from speechpipe.cli.options import json_option
from speechpipe.console.terminal import progress_for, say, say_json, shown
from speechpipe.errors import SpeechpipeError
from speechpipe.transcript_data import Media, Stream

if TYPE_CHECKING:
    from speechpipe.audio import Inspection
    from speechpipe.survey.listening import Survey

EPILOG = """\b
Examples:
  speechpipe inspect reel-12.wav
  speechpipe inspect reel-12.wav --listen
  speechpipe inspect reel-12.wav --picture reel-12.svg
"""

_NOTES = {
    "description": "Description",
    "originator": "Originator",
    "originator_reference": "Reference",
    "origination": "Recorded",
    "time_reference": "Time reference",
    "loudness_lufs": "Loudness (LUFS)",
    "umid": "UMID",
}


@click.command("inspect", epilog=EPILOG)
@click.argument("media", metavar="MEDIA", type=click.Path(path_type=Path))
@click.option("--listen", is_flag=True, help="Decode it all: speech, music, silence and trouble, levels, channels.")
@click.option("--picture", metavar="FILE.svg", type=click.Path(path_type=Path), help="Draw what is heard over time.")
@click.option("--channels", metavar="auto|mix|split|N", help="Which channels, with --listen. Default: auto.")
@click.option("--streams", metavar="best|all|CODE,…|N,…", help="Which audio streams, with --listen. Default: best.")
@json_option
def command(
    media: Path, listen: bool, picture: Path | None, channels: str | None, streams: str | None, as_json: bool
) -> None:
    """Show what a media file holds: container, length, streams, chapters, broadcasters' notes."""
    from speechpipe.audio import inspect

    try:
        survey = _listen(media, channels, streams) if listen or picture or channels or streams else None
        found = survey.inspection if survey else inspect(media)
        if survey and picture:
            _draw(survey, picture)
    except SpeechpipeError as error:
        if as_json:
            say_json({"recording": str(media), "error": type(error).__name__, "message": str(error)})
        raise
    if as_json:
        heard = {"heard": survey.to_dict()} if survey else {}
        facts = {key: value for key, value in asdict(found).items() if key != "media"}
        say_json({"recording": str(media), **asdict(found.media), **facts, **heard})
        return
    say("\n".join(lines(found.media)))
    for line in [*notes(found), *(heard_lines(survey) if survey else ())]:
        say(line)
    if picture:
        say(row("Picture", shown(picture)))


def _listen(media: Path, channels: str | None, streams: str | None) -> Survey:
    from speechpipe.settings import Settings
    from speechpipe.survey.listening import survey

    progress = progress_for(media, quiet=False)
    try:
        return survey(media, Settings.load(channels=channels, streams=streams), progress)
    finally:
        progress.close()


def _draw(survey: Survey, picture: Path) -> None:
    from speechpipe.files import explained, write_atomically
    from speechpipe.survey.waveform import draw

    with explained(picture):
        write_atomically(picture, draw(survey))


def lines(media: Media) -> list[str]:
    rows = [
        ("File", shown(media.name)),
        ("Size", size(media.size)),
        ("Container", text(media.container)),
        ("Length", clock(media.duration_ms if media.duration_ms is not None else media.declared_ms)),
        *((f"Stream {stream.index}", stream_text(stream)) for stream in media.streams),
    ]
    if not any(stream.kind == "audio" for stream in media.streams):
        rows.append(("Note", "no audio stream: transcribing it gives an empty transcript (outcome no_audio)"))
    return [row(label, value) for label, value in rows]


def row(label: str, value: str) -> str:
    return f"{label + ':':<12} {value}"


def notes(found: Inspection) -> Iterator[str]:
    """What else the file says of itself."""
    if found.start_ms:
        yield row("Starts at", f"{clock(found.start_ms)} by its time stamps")
    if found.timecode:
        yield row("Timecode", shown(found.timecode))
    if found.delay_samples:
        yield row("Left out", f"{found.delay_samples} samples of the encoder or by an edit list, before the sound")
    for key, label in _NOTES.items():
        value = getattr(found.bext, key, None)
        if value not in (None, 0):
            yield row(label, shown(str(value)))
    for line in found.bext.coding_history if found.bext else ():
        yield row("History", shown(line))
    for key, value in found.ixml.items():
        yield row("iXML", f"{shown(key)}: {shown(value)}")
    for chapter in found.chapters:
        yield row("Chapter", f"{clock(chapter.start_ms)} {shown(chapter.title or '')}".rstrip())


def heard_lines(survey: Survey) -> Iterator[str]:
    """What was heard, in words and numbers."""
    decoded = survey.plan.decoded
    yield row("Decoded", clock(decoded.duration_ms) + ("" if decoded.complete else f", {decoded.incomplete_reason}"))
    yield row("Speech", f"{clock(survey.speech_ms)} in {len(survey.plan.windows)} windows")
    for kind in sorted({event.kind for event in survey.plan.events}):
        spans = [event for event in survey.plan.events if event.kind == kind]
        total = clock(sum(e.end_ms - e.start_ms for e in spans))
        yield row(kind.capitalize(), f"{total} in {len(spans)} stretch{'' if len(spans) == 1 else 'es'}")
    yield row("Channels", f"read as: {decoded.policy}")
    for number, channel in enumerate(decoded.channels, 1):
        peak, rms = (
            f"{level:.1f} dB" if level is not None else "none" for level in (channel.peak_dbfs, channel.rms_dbfs)
        )
        hum = f", hum of {channel.hum_hz} Hz {channel.hum_dbfs:.1f} dB" if channel.hum_dbfs is not None else ""
        facts = f"peak {peak}, level {rms}, offset {channel.dc:.3f}, clipped {channel.clipped:.2%}{hum}"
        yield row(f"Channel {number}", facts)
    for warning in decoded.warnings:
        yield row("Warning", shown(warning))


def stream_text(stream: Stream) -> str:
    facts = (
        stream.codec,
        f"{stream.sample_rate} Hz" if stream.sample_rate else None,
        f"{stream.channels} channel{'' if stream.channels == 1 else 's'}" if stream.channels else None,
        stream.layout,
        f"{stream.bits_per_sample} bit" if stream.bits_per_sample else None,
        clock(stream.duration_ms) if stream.duration_ms is not None else None,
        f"from {clock(stream.start_ms)}" if stream.start_ms else None,
        f"language {stream.language}" if stream.language else None,
    )
    return ", ".join(shown(fact) for fact in (stream.kind, *facts) if fact)


def text(value: str | None) -> str:
    return shown(value) if value else "not known"


def size(octets: int | None) -> str:
    if octets is None:
        return "not known"
    amount, unit = float(octets), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{octets} B" if unit == "B" else f"{amount:.1f} {unit} ({octets} B)"


def clock(ms: int | None) -> str:
    if ms is None:
        return "not known"
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
