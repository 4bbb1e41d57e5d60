"""``speechpipe convert``: a transcript in other formats."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from speechpipe.cli.console import say, shown
from speechpipe.cli.options import formats_option
from speechpipe.errors import MediaNotFound, OutputError, UsageError
from speechpipe.files import explained, write_atomically
from speechpipe.transcript import Transcript

EPILOG = """\b
Examples:
  speechpipe convert reel-12.wav.json --format vtt,alto
  speechpipe convert reel-12.wav.json --format txt --output -

The formats are vtt (WebVTT), alto (ALTO 4.4), json and txt.
"""
LARGEST = 1 << 30  # a transcript of 100 hours is some 200 MB


@click.command("convert", epilog=EPILOG)
@click.argument("transcript", metavar="TRANSCRIPT.json", type=click.Path(path_type=Path))
@formats_option(required=True)
@click.option(
    "--output",
    metavar="DIR|FILE|-",
    type=click.Path(path_type=Path),
    help="Folder to write to, a file name (one format), or - for stdout (one format). Default: beside the transcript.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist and differ.")
def command(transcript: Path, formats: tuple[str, ...], output: Path | None, overwrite: bool) -> None:
    """Write a transcript that speechpipe made (its JSON) in other formats.

    A file that exists and differs is left alone, since a person may have corrected it; --overwrite replaces it.
    """
    from speechpipe.formats import write

    read = read_transcript(transcript)
    written = {name: write(read, name) for name in formats}
    if output == Path("-"):
        sys.stdout.buffer.write(only(written, "-"))
        return
    targets = targets_of(transcript, output, written)
    if not overwrite:
        for path, content in targets.items():
            refuse_other(path, content)
    for path, content in targets.items():
        write_atomically(path, content)
        say(shown(path))


def read_transcript(path: Path) -> Transcript:
    """Raises MediaNotFound: it cannot be read. UsageError: it is no transcript of ours."""
    from speechpipe.formats import read

    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder.", cure="Give a transcript: a file named like reel-12.wav.json.")
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path} is too large for a transcript.", cure="Give the JSON that speechpipe wrote.")
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise MediaNotFound(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error
    try:
        return read(content, "json")
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", cure=error.advice) from error


def targets_of(transcript: Path, output: Path | None, written: dict[str, bytes]) -> dict[Path, bytes]:
    """Where each format goes: NAME.EXT and the format's ending, or the one file that was named."""
    from speechpipe.formats import suffix

    endings = {suffix(name) for name in written}
    if output is not None and not output.is_dir() and any(output.name.endswith(ending) for ending in endings):
        return {output: only(written, shown(output))}
    folder = transcript.parent if output is None else output
    name = transcript.name.removesuffix(suffix("json"))
    return {folder / f"{name}{suffix(format_)}": content for format_, content in written.items()}


def only(written: dict[str, bytes], target: str) -> bytes:
    if len(written) != 1:
        raise UsageError(f"{target} takes one format, not {len(written)}.", cure="Give one --format, or a folder.")
    return next(iter(written.values()))


def refuse_other(path: Path, content: bytes) -> None:
    with explained(path):
        try:
            same = path.read_bytes() == content
        except (FileNotFoundError, NotADirectoryError):
            return
    if not same:
        raise OutputError(f"{path} exists and differs.", cure="Give another --output, or --overwrite to replace it.")
