"""Text laid out for a terminal: columns, and facts with a label before each."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Sequence

from speechpipe.console.terminal import shown


def width() -> int:
    """Columns for text: those of the terminal, within what can be read with ease."""
    return max(60, min(100, _terminal() or 100))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell. Where the terminal is too narrow, a long first cell has a line of its own;
    what goes into a file or another program keeps a line a row."""
    cells = [[shown(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    if terminal := _terminal():
        widths[0] = min(widths[0], max(16, terminal - sum(widths[1:]) - 2 * (len(widths) - 1)))
    lines: list[str] = []
    for row in cells:
        if len(row[0]) > widths[0]:
            lines.append(row[0])
            row = ["", *row[1:]]
        lines.append("  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip())
    return lines


def facts(rows: Iterable[tuple[str, str]], label: int = 12) -> list[str]:
    """A label and its text a row, wrapped beside the label; an empty label goes on with the one above."""
    lines: list[str] = []
    for name, text in rows:
        lines += wrapped(text, f"{name + ':' if name else '':<{label}} ", " " * (label + 1))
    return lines


def wrapped(text: str, first: str = "", rest: str | None = None) -> list[str]:
    """``text`` in lines of the terminal's width; a name or a path is never broken."""
    return textwrap.wrap(
        shown(text),
        width(),
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _terminal() -> int:
    """Columns of the terminal; 0 where there is none."""
    return shutil.get_terminal_size((0, 24)).columns
