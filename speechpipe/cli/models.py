"""``speechpipe models``: what can be named with ``--model`` and ``--aligner``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from speechpipe.cli.console import say, say_json, shown
from speechpipe.cli.options import json_option
from speechpipe.errors import SpeechpipeError
from speechpipe.settings import Settings

if TYPE_CHECKING:
    from speechpipe.registry import FoundModel, ModelEntry

EPILOG = """\b
Examples:
  speechpipe models list
  speechpipe models show whisper-tiny-archive
"""
LIST_EPILOG = "\b\nExample:\n  speechpipe models list --json\n"
SHOW_EPILOG = (
    "\b\nExamples:\n  speechpipe models show whisper-tiny-archive\n  speechpipe models show ./my-model --json\n"
)


@click.group("models", epilog=EPILOG)
def command() -> None:
    """List the models and show what is known of one."""


@command.command("list", epilog=LIST_EPILOG)
@json_option
def list_(as_json: bool) -> None:
    """List the models that speechpipe knows by name; --json prints one object a line."""
    from speechpipe.registry import list_models

    if as_json:
        for entry in list_models():
            say_json(entry.model_dump(mode="json"))
        return
    rows = [
        (entry.name, ", ".join(entry.roles), entry.family, ", ".join(entry.languages), remark(entry))
        for entry in list_models()
    ]
    for line in table(("NAME", "USE", "FAMILY", "LANGUAGES", ""), rows):
        say(line)


@command.command("show", epilog=SHOW_EPILOG)
@click.argument("name", metavar="NAME|PATH")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show what is known of one model, and check that its files are whole."""
    from speechpipe.registry import find

    try:
        found = find(name, Settings.load().models_folder)
    except SpeechpipeError as error:
        if as_json:
            say_json({"name": name, "error": type(error).__name__, "message": error.message, "cure": error.advice})
        raise
    if as_json:
        known = found.entry.model_dump(mode="json") if found.entry else {"name": found.name, "family": found.family}
        say_json({**known, "path": str(found.path), "sha256": found.sha256})
        return
    for label, value in facts(found):
        say(f"{label + ':':<12} {shown(value)}")


def facts(found: FoundModel) -> list[tuple[str, str]]:
    """Label and value of everything that is known; what is not known is left out."""
    from speechpipe.registry import demonstration_warning

    rows: list[tuple[str, Any]] = [("Name", found.name), ("Family", found.family), ("Folder", found.path)]
    if entry := found.entry:
        rows += [
            ("Use", ", ".join(entry.roles)),
            ("Languages", ", ".join(entry.languages)),
            ("Good for", entry.good_for),
            ("Aligner", entry.aligner),
            ("Window", f"{entry.window_ms / 1000:g} s at most" if entry.window_ms else None),
            ("Publisher", entry.publisher),
            ("Licence", entry.licence),
            ("", entry.licence_note),
            *(("Measured", measured(m.set, m.wer, m.cer, m.how)) for m in entry.measured),
            *(("Note", text) for text in entry.notes),
        ]
    rows += [("SHA-256", found.sha256), ("Files", "whole")]
    rows.append(("Warning", demonstration_warning(found)))
    return [(label, str(value)) for label, value in rows if value is not None]


def measured(name: str, wer: float, cer: float | None, how: str | None) -> str:
    rates = f"WER {wer:.1%}" + (f", CER {cer:.1%}" if cer is not None else "")
    return f"{name}: {rates}" + (f" ({how})" if how else "")


def remark(entry: ModelEntry) -> str:
    return "demonstration only" if entry.demonstration else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell."""
    cells = [head, *([shown(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
