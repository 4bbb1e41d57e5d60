"""``speechpipe inspect``: what a media file holds, as its container says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from speechpipe.cli.console import say, say_json, shown
from speechpipe.cli.options import json_option
from speechpipe.errors import SpeechpipeError
from speechpipe.transcript import Media, Stream

EPILOG = """\b
Examples:
  speechpipe inspect reel-12.wav
  speechpipe inspect reel-12.wav --json
"""


@click.command("inspect", epilog=EPILOG)
@click.argument("media", metavar="MEDIA", type=click.Path(path_type=Path))
@json_option
def command(media: Path, as_json: bool) -> None:
    """Show what a media file holds: container, length and streams. Nothing is decoded or written."""
    from speechpipe.audio import probe

    try:
        found = probe(media)
    except SpeechpipeError as error:
        if as_json:
            say_json({"recording": str(media), "error": type(error).__name__, "message": str(error)})
        raise
    if as_json:
        say_json({"recording": str(media), **dataclasses.asdict(found)})
    else:
        say("\n".join(lines(found)))


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
    return [f"{label + ':':<12} {value}" for label, value in rows]


def stream_text(stream: Stream) -> str:
    facts = (
        stream.codec,
        f"{stream.sample_rate} Hz" if stream.sample_rate else None,
        f"{stream.channels} channel{'' if stream.channels == 1 else 's'}" if stream.channels else None,
        stream.layout,
        f"{stream.bits_per_sample} bit" if stream.bits_per_sample else None,
        clock(stream.duration_ms) if stream.duration_ms is not None else None,
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
