"""``speechpipe transcribe``: recordings into files of timed text, one after the other."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from speechpipe.cli.options import (
    captions_option,
    formats_option,
    json_option,
    languages_option,
    model_for_option,
    vocabulary_option,
)
from speechpipe.console.terminal import fault, note, progress_for, report, say, say_json, shown, stopped_by_sigterm
from speechpipe.errors import BatchFailed, Interrupted, SpeechpipeError, UsageError
from speechpipe.stopping import asked_to_stop

if TYPE_CHECKING:
    from speechpipe.pipeline import Transcriber
    from speechpipe.repositories.contract import Receipt

EPILOG = """\b
Examples:
  speechpipe transcribe reel-12.wav --model whisper-tiny-archive
  speechpipe transcribe tapes/*.wav --output transcripts --language nb
  speechpipe transcribe interview.wav --channels split --format vtt,txt
  speechpipe transcribe tape.wav --language auto-segment --languages nb,se

\b
Written for reel-12.wav: reel-12.wav.vtt, reel-12.wav.alto.xml,
reel-12.wav.json, reel-12.wav.txt, and a receipt of what was done.
A recording that was done before with the same settings is not done again.
"""
#: What of the receipt ``--json`` prints.
REPORTED = (
    "status",
    "outcome",
    "complete",
    "languages",
    "words",
    "confidence",
    "first_words",
    "audio_ms",
    "wall_ms",
    "model",
    "message",
    "version",
)


@click.command("transcribe", epilog=EPILOG)
@click.argument("media", metavar="MEDIA…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", metavar="DIR", type=click.Path(path_type=Path), help="Folder to write to. Default: beside.")
@click.option("--model", metavar="NAME|PATH", help="Model, see: speechpipe models list. Default: auto.")
@click.option("--aligner", metavar="NAME|PATH|none", help="Model that times the words. Default: auto.")
@click.option("--language", metavar="CODE", help="nb, en …; auto-segment: window by window. Default: heard.")
@languages_option()
@model_for_option()
@click.option("--engine", metavar="NAME", help="What runs the model. Default: auto, it follows from the model.")
@vocabulary_option()
@click.option("--channels", metavar="auto|mix|split|N", help="Which channels. Default: auto.")
@click.option("--streams", metavar="best|all|CODE,…|N,…", help="Which audio streams of a film. Default: best.")
@formats_option()
@captions_option()
@click.option("--workspace", metavar="DIR", type=click.Path(path_type=Path), help="Where work in progress is kept.")
@click.option("--offline", is_flag=True, default=None, help="Never reach for the network.")
@click.option("--accept-licence", "accepted_licences", metavar="ID", multiple=True, help="Accept this licence.")
@click.option("--again", is_flag=True, help="Do it again though it was done.")
@json_option
@click.option("--quiet", is_flag=True, help="Print errors only (and what --json asks for).")
def command(media: tuple[Path, ...], again: bool, as_json: bool, quiet: bool, **asked: Any) -> int:
    """Turn recordings into timed text: WebVTT, ALTO, JSON and plain text.

    Each recording is done on its own: one that fails never stops the others.
    """
    how = How(asked.pop("output"), again, as_json, quiet)
    try:
        transcriber = prepare(quiet or as_json, **asked)
    except SpeechpipeError as error:
        for path in media if as_json else ():
            say_json(failure(path, error))
        raise
    if transcriber.warning and not quiet:
        note(f"speechpipe: {transcriber.warning}")
    if transcriber.hint and not quiet:
        note(transcriber.hint)
    with stopped_by_sigterm():
        results = [one(transcriber, path, how) for path in media]
    return closing(results, quiet)


@dataclass(frozen=True, slots=True)
class How:
    """What the call asks for beside the settings. ``taken``: names in ``output`` and the recording that has them."""

    output: Path | None
    again: bool
    as_json: bool
    quiet: bool
    taken: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    path: Path
    status: str
    error: SpeechpipeError | None = None


def one(transcriber: Transcriber, path: Path, how: How) -> Result:
    """Transcribe one recording and say what came of it; only Ctrl-C and a closed stdout get out of here."""
    from speechpipe.pipeline import process
    from speechpipe.repositories import FolderRepository

    progress = progress_for(path, how.quiet)
    try:
        refuse(path, how)
        repository, item = FolderRepository.of_file(path, how.output)
        before = repository.existing(item)
        receipt = process(transcriber, repository, item, progress, again=how.again)
        files = repository.paths(item, receipt)
    except Interrupted:
        raise
    except Exception as error:  # also a fault of ours must not cost the other recordings
        progress.close()
        if asked_to_stop():
            raise Interrupted("Stopped.") from error
        return failed(path, known(error), how)
    finally:
        progress.close()
    already = not how.again and before == receipt
    if how.as_json:
        say_json(success(path, receipt, files, already, transcriber.warning))
    elif not how.quiet:
        say(sentence(path, receipt, already))
        for file in files:
            say(f"  {shown(file)}")
    return Result(path, "already done" if already else "done")


def refuse(path: Path, how: How) -> None:
    """Raises UsageError: a folder, or a second recording that would overwrite the files of a first."""
    if path.is_dir():
        raise UsageError(
            f"{path} is a folder.",
            cure=f"Name recordings, such as {path}/*.wav; a whole folder is done by: speechpipe serve --folder {path}",
        )
    first = how.taken.setdefault(path.name, path)
    if how.output is not None and os.path.realpath(first) != os.path.realpath(path):
        raise UsageError(
            f"{path} and {first} would be written to the same files in {how.output}.",
            cure="Give them different --output folders, in two calls.",
        )


def known(error: Exception) -> SpeechpipeError:
    """``error`` itself, or a fault of ours with its traceback kept in a file."""
    if isinstance(error, SpeechpipeError):
        return error
    if isinstance(error, BrokenPipeError) or click.get_current_context().find_root().params.get("debug"):
        raise error
    return fault(error)


def failed(path: Path, error: SpeechpipeError, how: How) -> Result:
    report(error)
    if how.as_json:
        say_json(failure(path, error))
    return Result(path, "failed", error)


def closing(results: Sequence[Result], quiet: bool) -> int:
    """One recording: its own exit code. Several: a summary, and 8 where one failed."""
    errors = [result.error for result in results if result.error]
    if len(results) == 1:
        return errors[0].exit_code if errors else 0
    if not quiet:
        counts = Counter(result.status for result in results)
        note(f"{len(results)} recordings: {', '.join(f'{count} {status}' for status, count in counts.items())}.")
        for result in results:
            if result.error:
                note(f"  failed: {shown(result.path)}: {result.error.message}")
    return BatchFailed.exit_code if errors else 0


def success(path: Path, receipt: Receipt, files: Sequence[Path], already: bool, warning: str | None) -> dict[str, Any]:
    facts = {name: getattr(receipt, name) for name in REPORTED}
    files_written = [str(file) for file in files]
    return {"recording": str(path), **facts, "already": already, "files": files_written, "warning": warning}


def failure(path: Path, error: SpeechpipeError) -> dict[str, Any]:
    return {
        "recording": str(path),
        "status": "failed",
        "error": type(error).__name__,
        "message": error.message,
        "cure": error.advice,
        "exit_code": error.exit_code,
    }


def sentence(path: Path, receipt: Receipt, already: bool) -> str:
    facts = (
        (receipt.outcome or receipt.status).replace("_", " "),
        f"{receipt.words} words" if receipt.words is not None else None,
        "+".join(receipt.languages),
        f"confidence {receipt.confidence:.2f}" if receipt.confidence is not None else None,
        "only a part could be read" if receipt.complete is False else None,
        "already done" if already else None,
    )
    return f"{shown(path)}: {', '.join(fact for fact in facts if fact)}"


def prepare(
    quiet: bool, accepted_licences: tuple[str, ...] = (), vocabulary: tuple[str, ...] | None = None, **asked: Any
) -> Transcriber:
    """A transcriber with what was asked for checked, and fetched, before any work. Raises UsageError, EngineError."""
    from speechpipe.console.fetching import Fetching, fetching_progress
    from speechpipe.pipeline import Transcriber
    from speechpipe.settings import Settings

    settings = Settings.load(**asked, decoding=vocabulary and {"vocabulary": vocabulary})
    shown_of: dict[str, Fetching] = {}

    def told(name: str, stage: str, done: int, total: int) -> None:
        shown_of.setdefault(name, fetching_progress(name, quiet))(stage, done, total)

    try:
        return Transcriber(settings.with_(accepted_licences=settings.accepted_licences + accepted_licences), told)
    finally:
        for progress in shown_of.values():
            progress.close()
