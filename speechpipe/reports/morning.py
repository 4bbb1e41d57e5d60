"""What became of each recording of a batch, and the morning report as a web page and as a table for a spreadsheet.

A row holds nothing that a restricted recording must not tell: its public name, numbers, and reasons.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass, fields, replace
from html import escape, unescape
from typing import Any

from speechpipe import languages
from speechpipe.errors import UnknownLanguage
from speechpipe.repositories.contract import Receipt

ALREADY = "already done"
FAILED = "failed"
CANCELLED = "cancelled"
LEFT_OUT = "left out"
WAITING = "waiting"
WITHDRAWN = "withdrawn"
OUTCOMES = {"no_speech": "no speech", "no_audio": "no sound", "skipped": LEFT_OUT}
WITHOUT_SPEECH = frozenset({"no speech", "no sound", "silent"})


@dataclass(frozen=True, slots=True)
class Row:
    """``files``: paths of the outputs; ``message``: why it failed or waits; ``cure``: what to do; ``link``: where the
    web page tells more; ``flagged``: segments that want a look. Unknown is None."""

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
    cure: str | None = None
    audio_ms: int | None = None
    model: str | None = None
    complete: bool | None = None
    flagged: int | None = None
    before: bool = False

    @classmethod
    def of(cls, receipt: Receipt, files: Sequence[object] = (), *, name: str | None = None, text: bool = True) -> Row:
        """The row of a receipt; ``name`` is what to call the recording, ``text`` whether its words may be shown."""
        outcome = (receipt.outcome or receipt.status) if receipt.status == "done" else receipt.status
        return cls(
            recording=name or receipt.identifier,
            outcome=OUTCOMES.get(outcome, outcome),
            language=", ".join(map(_language, receipt.languages)) or None,
            words=receipt.words,
            confidence=receipt.confidence,
            wall_ms=receipt.wall_ms,
            first_words=receipt.first_words if text else None,
            message=receipt.message,
            files=tuple(map(str, files)),
            cure=receipt.cure,
            audio_ms=receipt.audio_ms,
            model=receipt.model,
            complete=receipt.complete,
            flagged=receipt.flagged,
        )

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
        return replace(self, outcome=ALREADY, wall_ms=None, message=message, before=True)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Report:
    """A batch's rows and what is said of the whole: ``title``, ``note`` (why it ended early, None where it did not)."""

    title: str
    rows: tuple[Row, ...]
    note: str | None = None

    def groups(self) -> dict[str, list[Row]]:
        """The rows by what they mean for the morning; a row that wants a look stands in its group and in the last."""
        new = [row for row in self.rows if row.outcome != ALREADY]
        return {
            "transcribed": [r for r in new if r.outcome == "speech" and r.complete is not False],
            "no speech": [r for r in new if r.outcome in WITHOUT_SPEECH and r.complete is not False],
            "incomplete": [r for r in new if r.complete is False and r.outcome != FAILED],
            FAILED: [r for r in new if r.failed],
            CANCELLED: [r for r in new if r.outcome == CANCELLED],
            "left out": [r for r in new if r.outcome in (LEFT_OUT, WITHDRAWN)],
            WAITING: [r for r in new if r.outcome == WAITING],
            "done before": [r for r in self.rows if r.outcome == ALREADY],
            "for review": [r for r in new if r.flagged],
        }

    def figures(self) -> dict[str, str]:
        """Hours of sound, hours of work, speed and models of what was done now."""
        done = [row for row in self.rows if row.wall_ms is not None and row.audio_ms is not None and not row.failed]
        audio, wall = sum(r.audio_ms or 0 for r in done), sum(r.wall_ms or 0 for r in done)
        models = sorted({row.model for row in done if row.model})
        told = {"Sound": _hours(audio), "Work": _hours(wall)} if done else {}
        told |= {"Speed": f"{audio / wall:.1f} times as fast as it is spoken"} if wall else {}
        return told | ({"Model": ", ".join(models)} if models else {})

    def as_csv(self) -> bytes:
        """A line a recording, UTF-8 with a mark that spreadsheets know; a cell is never a formula."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        names = [field.name for field in fields(Row) if field.name not in ("files", "before")]
        writer.writerow(names)
        for row in self.rows:
            writer.writerow([_cell(getattr(row, name)) for name in names])
        return text.getvalue().encode("utf-8-sig", "backslashreplace")

    def as_html(self) -> bytes:
        """A page of its own: no script, nothing from elsewhere."""
        groups = self.groups()
        counted = "".join(f"<tr><th>{escape(k)}</th><td>{len(v)}</td></tr>" for k, v in groups.items() if v)
        figures = "".join(f"<tr><th>{k}</th><td>{escape(v)}</td></tr>" for k, v in self.figures().items())
        parts = [f"<h1>{escape(self.title)}</h1>"]
        parts += [f'<p class="note">{escape(self.note)}</p>'] if self.note else []
        parts += [f"<table>{counted}{figures}</table>"] if counted else ["<p>There were no recordings.</p>"]
        for name in (FAILED, CANCELLED, "incomplete", "for review", "left out", WAITING, "transcribed", "no speech"):
            parts += [_section(name, groups[name])] if groups[name] else []
        return _PAGE.format(title=escape(self.title), body="\n".join(parts)).encode("utf-8", "backslashreplace")


def without(content: bytes, names: Container[str]) -> bytes:
    """A report that was written before, as HTML or CSV, without the rows of these recordings."""
    if content.startswith(codecs.BOM_UTF8):
        lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
        text = io.StringIO(newline="")
        csv.writer(text).writerows(line for line in lines if line[:1] and line[0].removeprefix("'") not in names)
        return text.getvalue().encode("utf-8-sig")

    def kept(row: re.Match[str]) -> str:
        return "" if unescape(row[1]) in names else row[0]

    return re.sub(r"<tr><td>([^<]*)</td>.*?</tr>", kept, content.decode("utf-8"), flags=re.S).encode()


def headline(rows: Sequence[Row]) -> str:
    """``7 recordings: 5 transcribed, 1 already done, 1 failed.``"""
    if not rows:
        return "There are no recordings in this folder."
    counts = dict.fromkeys(("transcribed", ALREADY, LEFT_OUT, WITHDRAWN, WAITING, CANCELLED, FAILED), 0)
    for row in rows:
        counts[row.outcome if row.outcome in counts else "transcribed"] += 1
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"{len(rows)} recording{'s' if len(rows) != 1 else ''}: {told}."


def _section(name: str, rows: Sequence[Row]) -> str:
    columns = {
        "recording": [row.recording for row in rows],
        "reason": [row.reason or "" for row in rows],
        "what to do": [row.cure or "" for row in rows],
        "language": [row.language or "" for row in rows],
        "words": [_number(row.words) for row in rows],
        "for review": [_number(row.flagged) for row in rows],
        "sound": [_minutes(row.audio_ms) for row in rows],
        "work": [_minutes(row.wall_ms) for row in rows],
    }
    shown = {heading: cells for heading, cells in columns.items() if any(cells)}
    head = "".join(f"<th>{heading}</th>" for heading in shown)
    lines = zip(*shown.values(), strict=True)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
    return f"<h2>{escape(name.capitalize())}</h2>\n<table><tr>{head}</tr>{body}</table>"


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
table {{ border-collapse: collapse; margin: 1rem 0 }}
th, td {{ text-align: left; vertical-align: top; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #ddd }}
.note {{ background: #fff3cd; padding: .6rem 1rem }}
</style></head><body>
{body}
</body></html>
"""


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = str(value)
    # A spreadsheet would compute what begins so; a number is what we made ourselves.
    return f"'{text}" if isinstance(value, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _minutes(ms: int | None) -> str:
    return "" if ms is None else f"{ms // 60_000}:{ms // 1000 % 60:02d}"


def _hours(ms: int) -> str:
    return f"{ms / 3_600_000:.1f} h" if ms >= 360_000 else f"{ms / 60_000:.1f} min"


def _language(code: str) -> str:
    try:
        return languages.name(code)
    except UnknownLanguage:
        return code
