"""One line of what became of a recording: for the closing table, as text and as Markdown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from speechpipe.reports.morning import Row

HEADINGS = ("recording", "outcome", "language", "words", "confidence", "time", "first words")
#: How much of the first words the web page shows before its table grows too wide.
SHOWN_COLUMNS = 36
NUMBERS = {"words", "confidence", "time"}


def cells(row: Row) -> tuple[str, ...]:
    """A row as people read it, in the order of ``HEADINGS``."""
    return (
        row.recording,
        row.outcome,
        row.language or "–",
        "–" if row.words is None else str(row.words),
        "–" if row.confidence is None else f"{row.confidence:.2f}",
        "–" if row.wall_ms is None else f"{row.wall_ms / 1000:.1f} s",
        row.first_words or row.reason or "",
    )


def as_text(rows: Sequence[Row], width: int) -> str:
    """A table of plain text no wider than ``width`` columns; the last column is cut, then the first."""
    lines = [HEADINGS, *(cells(row) for row in rows)]
    widths = [max(columns(line[i]) for line in lines) for i in range(len(HEADINGS))]
    gaps = 2 * (len(HEADINGS) - 1)
    last = max(len(HEADINGS[-1]), width - sum(widths[:-1]) - gaps)
    first = max(12, width - sum(widths[1:-1]) - last - gaps)
    widths[0], widths[-1] = min(widths[0], first), min(widths[-1], last)
    rule = tuple("-" * n for n in widths)
    return "\n".join(
        "  ".join(
            fitted(cell, n, right=heading in NUMBERS) for cell, n, heading in zip(line, widths, HEADINGS, strict=True)
        ).rstrip()
        for line in (HEADINGS, rule, *lines[1:])
    )


def explanations(rows: Sequence[Row]) -> list[str]:
    """Why each failed, in full: a table cuts it."""
    return [f"{row.recording}: {row.reason}" for row in rows if row.message]


def as_markdown(rows: Sequence[Row]) -> str:
    """The table for the web page: each recording leads to its run."""
    lines = [f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
    for row in rows:
        *others, last = cells(row)
        shown = [escaped(cell) for cell in (*others, fitted(last, SHOWN_COLUMNS).rstrip())]
        if row.link:
            shown[0] = f"[{shown[0]}]({row.link})"
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines)


def fenced(text: str) -> str:
    """``text`` as a block that shows it letter for letter, whatever it holds."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def escaped(text: str) -> str:
    """Text of a recording as it stands in Markdown: never markup, never a link, never a second line."""
    flat = " ".join(text.split())
    html = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{c}" if c in "\\`*_{}[]()#+!|~" else c for c in html)


def columns(text: str) -> int:
    """How many columns of a terminal ``text`` takes."""
    return sum(_column(c) for c in text)


def fitted(text: str, width: int, *, right: bool = False) -> str:
    """``text`` cut or filled to exactly ``width`` columns; what is cut shows as ``…``."""
    flat = "".join(c if c.isprintable() else " " for c in text)
    if columns(flat) > width:
        while flat and columns(flat) > width - 1:
            flat = flat[:-1]
        flat += "…"
    filling = " " * (width - columns(flat))
    return filling + flat if right else flat + filling


def _column(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
