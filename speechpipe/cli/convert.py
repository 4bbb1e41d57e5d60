"""``speechpipe convert``: a transcript, also one that a person corrected, in other formats."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from speechpipe.cli.options import captions_option, formats_option
from speechpipe.console.terminal import note, say, shown
from speechpipe.errors import OutputError, UsageError
from speechpipe.files import explained, read_bytes, write_atomically

if TYPE_CHECKING:
    from speechpipe.corrections.files import Opened

EPILOG = """\b
Examples:
  speechpipe convert reel-12.wav.json --format vtt,alto
  speechpipe convert reel-12.wav.json --format srt --captions broadcast --report
  speechpipe convert reel-12.wav.vtt --by "Kari Nordmann" --format json,alto --output corrected
  speechpipe convert reel-12.wav.json --format txt --output -

\b
Read: vtt, words.vtt, srt, alto, json. Written: those, and txt, tsv, html,
mets.
A corrected file is compared with the JSON beside it, so that all that was
not changed keeps its times, confidences and provenance.
"""

UNRECORDED = "Note: beside the results nothing can be written, so a withdrawal will not find what is written now."


@click.command("convert", epilog=EPILOG)
@click.argument("transcript", metavar="TRANSCRIPT", type=click.Path(path_type=Path))
@formats_option(required=True)
@click.option(
    "--output",
    metavar="DIR|FILE|-",
    type=click.Path(path_type=Path),
    help="Folder to write to, a file name (one format), or - for stdout (one format). Default: beside the transcript.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist and differ.")
@click.option(
    "--original", metavar="FILE", type=click.Path(path_type=Path), help="What was corrected. Default: the JSON beside."
)
@click.option("--by", metavar="NAME", help="Who corrected it.")
@click.option("--audio", metavar="FILE", type=click.Path(path_type=Path), help="The recording, to time new words by.")
@click.option("--aligner", metavar="NAME|PATH", help="With --audio: the model that times them. Default: as before.")
@captions_option()
@click.option("--report", is_flag=True, help="List on stderr which captions break a limit.")
def command(transcript: Path, formats: tuple[str, ...], output: Path | None, overwrite: bool, **how: Any) -> None:
    """Write a transcript in other formats, also one that a person corrected.

    A file that exists and differs is left alone, since a person may have corrected it; --overwrite replaces it, but
    never the one that is read.
    """
    from speechpipe.corrections.files import open_transcript, realigned, stem_of
    from speechpipe.formats import compose
    from speechpipe.formats.captions.limits import report
    from speechpipe.repositories.results.holding import holding
    from speechpipe.settings import Settings
    from speechpipe.withdrawal.traces import record_conversion

    preset = how["captions"]
    settings = Settings.load(captions=preset, aligner=how["aligner"])
    opened = open_transcript(transcript, how["original"], how["by"], Settings.load().captions)
    read = opened.transcript
    if how["audio"]:
        read = realigned(read, how["audio"], settings)
    tell(opened)
    for warning in read.warnings:
        note(f"Note: {warning}")
    # A preset that is asked for shapes all cues anew; else those that a person gave stay.
    limits = settings.captions.model_copy(update={"keep_cues": False}) if preset else settings.captions
    if how["report"]:
        for line in report(read, limits):
            note(line)
    stem = stem_of(transcript)
    folder = transcript.parent if output is None else output
    written = compose(read, formats, stem, limits, _beside(folder, stem))
    if output == Path("-"):
        sys.stdout.buffer.write(only(written, "-"))
        return
    targets = targets_of(folder, output, written)
    with holding(*{path.parent for path in targets}):  # so that nobody else writes what is looked at here
        for path, content in targets.items():
            refuse_other(path, content, transcript, overwrite)
        try:
            record_conversion([transcript, *([opened.original] if opened.original else [])], stem, targets)
        except OutputError:  # results that may be read and no more
            note(UNRECORDED)
        for path, content in targets.items():
            write_atomically(path, content)
            say(shown(path))


def tell(opened: Opened) -> None:
    """What a person changed, and where that was found."""
    names = ", ".join(shown(path) for path in opened.corrected)
    if names:
        note(f"Corrected by a person: {names}.")
    elif opened.original is not None and opened.differs is not None:
        what = f"line {opened.differs} is not as it was written, but says nothing that a transcript holds"
        note(f"Compared with {shown(opened.original)}: no word, time or voice was changed; {what}.")
    elif opened.original is not None:
        what = "corrected" if opened.transcript.revision else "nothing was changed"
        note(f"Compared with {shown(opened.original)}: {what}.")
    for path in opened.unread:
        note(f"Note: {shown(path)} was corrected too, but cannot be read back: correct another file likewise.")


def _beside(folder: Path, stem: str) -> dict[str, bytes]:
    """The other files of the package, for formats that describe them."""
    from speechpipe.formats import FORMATS

    paths = [folder / f"{stem}{row.suffix}" for row in FORMATS.values()]
    with explained(folder):
        return {path.name: read_bytes(path) for path in paths if path.is_file()}


def targets_of(folder: Path, output: Path | None, written: dict[str, bytes]) -> dict[Path, bytes]:
    """Where each format goes: NAME.EXT and the format's ending in the folder, or the one file that was named."""
    from speechpipe.formats import format_of

    asked = {format_of(Path(name)) for name in written}
    if output is not None and not output.is_dir() and format_of(output) in asked:
        return {output: only(written, shown(output))}
    return {folder / name: content for name, content in written.items()}


def only(written: dict[str, bytes], target: str) -> bytes:
    if len(written) != 1:
        raise UsageError(f"{target} takes one format, not {len(written)}.", cure="Give one --format, or a folder.")
    return next(iter(written.values()))


def refuse_other(path: Path, content: bytes, source: Path, overwrite: bool) -> None:
    with explained(path):
        try:
            same = read_bytes(path) == content
        except (FileNotFoundError, NotADirectoryError):
            return
        is_source = path.samefile(source)
    if not same and is_source:
        raise OutputError(f"{path} is the file that is read; it is not replaced.", cure="Give another --output.")
    if not same and not overwrite:
        raise OutputError(f"{path} exists and differs.", cure="Give another --output, or --overwrite to replace it.")
