"""``speechpipe models``: what can be named with ``--model`` and ``--aligner``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from speechpipe.cli.console import say, say_json, shown
from speechpipe.cli.options import json_option

EPILOG = """\b
Examples:
  speechpipe models list
  speechpipe models show whisper-tiny-archive
"""
LIST_EPILOG = "\b\nExample:\n  speechpipe models list --json\n"
SHOW_EPILOG = "\b\nExample:\n  speechpipe models show whisper-tiny-archive\n"


@click.group("models", epilog=EPILOG)
def command() -> None:
    """List the models and show what is known of one."""


@command.command("list", epilog=LIST_EPILOG)
@json_option
def list_(as_json: bool) -> None:
    """List the models at hand, one a line."""
    from speechpipe.registry import list_models

    entries = list_models()
    if as_json:
        for entry in entries:
            say_json(entry.to_dict())
        return
    rows = [
        (e.name, e.role, e.family, languages(e.languages), "demonstration only" if e.demonstration else "")
        for e in entries
    ]
    for line in table(("NAME", "ROLE", "FAMILY", "LANGUAGES", ""), rows):
        say(line)


@command.command("show", epilog=SHOW_EPILOG)
@click.argument("name", metavar="NAME|PATH")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show what is known of one model, and check that its files are whole."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell."""
    cells = [head, *([shown(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def languages(codes: Iterable[str] | None) -> str:
    return ", ".join(sorted(codes)) if codes is not None else "not stated"
