"""The figures of one run as people read them: a table, a plot, and both put into the page."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

BEGIN, END = "<!-- made by bench/{}.py: begin -->", "<!-- made by bench/{}.py: end -->"

Row = dict[str, Any]

#: Head, and how a cell is written. What is not known is a dash.
COLUMNS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("wall", "wall_s", "{:.1f} s".format),
    ("processor", "cpu_s", "{:.1f} s".format),
    ("peak memory", "peak_mib", "{:.0f} MiB".format),
    ("WER", "wer", "{:.1%}".format),
    ("words left out", "deleted", "{}".format),
    ("F1 within 50 ms", "f1_50", "{:.2f}".format),
    ("within 100 ms", "f1_100", "{:.2f}".format),
    ("median error", "median_ms", "{} ms".format),
    ("with a confidence", "confident", "{:.0%}".format),
)
#: Above this load something else ran.
BUSY = 1.5

#: Of the plot; on a busy machine the processor's seconds stand for those by the clock.
PANELS = ("wall_s", "peak_mib", "wer", "f1_100")


def medians(runs: Iterable[Row]) -> list[Row]:
    """A row for each recording and peer, in the order in which they first come; one that failed has only ``failed``."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for run in runs:
        groups.setdefault((run["audio"], run["peer"]), []).append(run)
    rows = list[Row]()
    for (audio, peer), group in groups.items():
        row: Row = {"audio": audio, "peer": peer, "rounds": len(group)}
        failed = next((run["failed"] for run in group if run["failed"]), None)
        if failed:
            rows.append({**row, "failed": failed})
            continue
        for _, name, _ in COLUMNS:
            values = [run[name] for run in group if run[name] is not None]
            middle = statistics.median(values) if values else None
            row[name] = round(middle) if isinstance(middle, float) and name in ("deleted", "median_ms") else middle
        rows.append({**row, "compute_type": group[0]["compute_type"], "known_words": group[0]["known"]})
    return rows


def table(figures: dict[str, Any]) -> str:
    """All recordings, a table each, below a line that says what was measured on what."""
    lines = [caption(figures), ""]
    for audio, about in figures["audio"].items():
        known = f"{about['known']} of them with known borders" if about["known"] else "none with known borders"
        lines += [f"**{audio}**: {about['seconds']:.0f} s, {about['words']} words, {known}.", ""]
        lines += [*grid(row for row in figures["rows"] if row["audio"] == audio), ""]
    return "\n".join([*lines, *(f"- {note}" for note in figures["notes"])])


def grid(rows: Iterable[Row]) -> list[str]:
    """The lines of a table, and below it those of whom there are no figures, and why."""
    rows = list(rows)
    lines = ["| | " + " | ".join(head for head, _, _ in COLUMNS) + " |", "| --- |" + " --- |" * len(COLUMNS)]
    lines += [line(row) for row in rows if "failed" not in row]
    failed = [f"{row['peer']}: {row['failed']}." for row in rows if "failed" in row]
    return [*lines, *(["", *failed] if failed else [])]


def line(row: Row) -> str:
    cells = ("–" if row[name] is None else write(row[name]) for _, name, write in COLUMNS)
    return f"| {row['peer']} | " + " | ".join(cells) + " |"


def caption(figures: dict[str, Any]) -> str:
    of = figures["settings"]
    rounds = f"medians of {of['rounds']} rounds" if of["rounds"] > 1 else "one round"
    warned = "; **other programs were running: go by the processor's seconds, not by the wall.**"
    return (
        f"{figures['date']}, {figures['machine']}, {of['threads']} threads; whisper-base in {of['compute_type']}, "
        f"beam {of['beam']}; {rounds}, whisperX, easytranscriber and openai-whisper once. "
        f"{', '.join(f'{peer} {number}' for peer, number in figures['versions'].items())}. "
        f"Load of the machine before a run: up to {figures['load']:.1f}{warned if _busy(figures) else '.'}"
    )


def _busy(figures: dict[str, Any]) -> bool:
    return bool(figures["load"] > BUSY)


def plot(figures: dict[str, Any], audio: str) -> str:
    """Bars of four figures, a line a peer, as SVG; those of speechpipe are darker."""
    rows = [row for row in figures["rows"] if row["audio"] == audio and "failed" not in row]
    height, width, names = 34 + 26 * len(rows) + 12, 1000, 210
    shown = ["cpu_s" if name == "wall_s" and _busy(figures) else name for name in PANELS]
    panels = [next(column for column in COLUMNS if column[1] == name) for name in shown]
    panel = (width - names - 10) // len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'font-family="Helvetica, Arial, \'Liberation Sans\', sans-serif" font-size="13">',
        f"<title>speechpipe beside its peers, {escape(audio)}</title>",
        f'<rect x="1" y="1" width="{width - 2}" height="{height - 2}" rx="10" fill="#ffffff" stroke="#d5dbe1"/>',
    ]
    for at, row in enumerate(rows):
        y = 34 + 26 * at
        parts.append(
            f'<text x="{names - 8}" y="{y + 16}" text-anchor="end" fill="#1c252e">{escape(row["peer"])}</text>'
        )
    for number, (head, name, write) in enumerate(panels):
        x = names + number * panel
        parts.append(f'<text x="{x}" y="24" font-weight="700" fill="#1c252e">{escape(_whole(head))}</text>')
        for y, long, text, own in bars(rows, name, write, panel - 80):
            colour = "#2f5f8a" if own else "#b8c4cf"
            parts.append(f'<rect x="{x}" y="{y}" width="{long}" height="18" rx="2" fill="{colour}"/>')
            parts.append(f'<text x="{x + long + 5}" y="{y + 14}" fill="#47525e">{escape(text)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def bars(
    rows: Sequence[Row], name: str, write: Callable[[Any], str], longest: int
) -> Iterable[tuple[int, int, str, bool]]:
    """Place from above, length, text and whether it is ours, of each bar; the longest is the greatest value."""
    most = max((row[name] for row in rows if row[name] is not None), default=0) or 1
    for at, row in enumerate(rows):
        value = row[name]
        text = "not known" if value is None else write(value)
        yield 34 + 26 * at, round((value or 0) / most * longest), text, row["peer"].startswith("speechpipe")


def _whole(head: str) -> str:
    return f"F1 {head}" if head.startswith("within") else head


def put(page: str, content: str, script: str) -> str:
    """The page with ``content`` between the marks of that script."""
    begin, end = BEGIN.format(script), END.format(script)
    before, rest = page.split(begin)
    return f"{before}{begin}\n\n{content}\n\n{end}{rest.split(end)[1]}"
