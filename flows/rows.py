"""One line of what became of a recording: for the closing table, as text and as Markdown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from speechpipe import languages
from speechpipe.errors import SpeechpipeError, UnknownLanguage
from speechpipe.repositories.contract import Receipt

ALREADY = "already done"
FAILED = "failed"
OUTCOMES = {"no_speech": "no speech", "no_audio": "no sound", "skipped": "left out"}


@dataclass(frozen=True, slots=True)
class Row:
    """``files``: paths of the outputs; ``message``: why it failed; ``link``: where the web page tells
    more. Unknown is None."""

    recording: str
    outcome: str
    language: str | None = None
    words: int | None = None
    confidence: float | None = None
    wall_ms: int | None = None
    first_words: str | None = None
    message: str | None = None
    files: tuple[str, ...] = ()
    link: str | None = None

    @classmethod
    def of(cls, receipt: Receipt, files: Sequence[object] = ()) -> Row:
        outcome = (receipt.outcome or receipt.status) if receipt.status == "done" else receipt.status
        return cls(
            recording=receipt.identifier,
            outcome=OUTCOMES.get(outcome, outcome),
            language=", ".join(map(_language, receipt.languages)) or None,
            words=receipt.words,
            confidence=receipt.confidence,
            wall_ms=receipt.wall_ms,
            first_words=receipt.first_words,
            message=receipt.message,
            files=tuple(map(str, files)),
        )

    @classmethod
    def of_error(cls, recording: str, error: BaseException, link: str | None = None) -> Row:
        message = error.message if isinstance(error, SpeechpipeError) else f"fault of speechpipe: {error!r}"
        return cls(recording, FAILED, message=message, link=link)

    @property
    def reason(self) -> str | None:
        """The message without the recording's name at its beginning, for places where that is said already."""
        told = self.message
        for beginning in (f"{self.recording} is ", f"{self.recording} ", f"{self.recording}: "):
            told = told and told.removeprefix(beginning)
        return told

    @property
    def failed(self) -> bool:
        return self.outcome == FAILED

    def done_before(self) -> Row:
        """The same, told by a later run that had nothing to do."""
        message = f"failed before: {self.message}" if self.failed else self.message
        return replace(self, outcome=ALREADY, wall_ms=None, message=message)

    def cells(self) -> tuple[str, ...]:
        """As people read it, in the order of ``HEADINGS``."""
        return (
            self.recording,
            self.outcome,
            self.language or "–",
            "–" if self.words is None else str(self.words),
            "–" if self.confidence is None else f"{self.confidence:.2f}",
            "–" if self.wall_ms is None else f"{self.wall_ms / 1000:.1f} s",
            self.first_words or self.reason or "",
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


HEADINGS = ("recording", "outcome", "language", "words", "confidence", "time", "first words")
#: How much of the first words the web page shows before its table grows too wide.
SHOWN_COLUMNS = 36
NUMBERS = {"words", "confidence", "time"}


def summary(rows: Sequence[Row]) -> str:
    """``7 recordings: 5 transcribed, 1 already done, 1 failed.``"""
    failed = sum(row.failed for row in rows)
    already = sum(row.outcome == ALREADY for row in rows)
    left_out = sum(row.outcome == OUTCOMES["skipped"] for row in rows)
    counts = {
        "transcribed": len(rows) - failed - already - left_out,
        ALREADY: already,
        OUTCOMES["skipped"]: left_out,
        FAILED: failed,
    }
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    if not rows:
        return "There are no recordings in this folder."
    return f"{len(rows)} recording{'s' if len(rows) != 1 else ''}: {told}."


def as_text(rows: Sequence[Row], width: int) -> str:
    """A table of plain text no wider than ``width`` columns; the last column is cut, then the first."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
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


def as_markdown(rows: Sequence[Row], outputs: str = "") -> str:
    """The table for the web page: each recording leads to its transcript or its failed run; reasons stand below."""
    lines = [f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
    for row in rows:
        cells = [escaped(cell) for cell in (*row.cells()[:-1], fitted(row.cells()[-1], SHOWN_COLUMNS).rstrip())]
        if row.link:
            cells[0] = f"[{cells[0]}]({row.link})"
        lines.append(f"| {' | '.join(cells)} |")
    parts = ["\n".join(lines)] if rows else []
    parts += ["\n".join(f"- {escaped(told)}" for told in explanations(rows))]
    parts += [f"The files are in {escaped(outputs)}, named as the recordings."] if outputs and rows else []
    return "\n\n".join(part for part in parts if part) or summary(rows)


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


def _language(code: str) -> str:
    try:
        return languages.name(code)
    except UnknownLanguage:
        return code
