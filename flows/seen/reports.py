"""Where the morning report is seen: on the web page, and as files for a browser and a spreadsheet."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags

from speechpipe.errors import OutputError
from speechpipe.files import claimed, write_atomically
from speechpipe.reports.morning import CANCELLED, FAILED, LEFT_OUT, WAITING, Report, Row, headline

from ..running.ending import PAGE
from ..running.process import REPORTS
from .rows import as_markdown, escaped

log = logging.getLogger("speechpipe.flows")

#: A page with more rows than this is no longer read; the files hold all.
MOST_ROWS = 200


def publish(report: Report, began: datetime, tag: str) -> None:
    """The report as an artifact named ``report``, and as HTML and CSV, where these can be written."""
    report = replace(report, rows=linked(report.rows, tag))
    files: list[Path] = []
    if folder := os.environ.get(REPORTS):
        try:
            own = claimed(Path(folder) / f"{began:%Y-%m-%d-%H%M%S}.html")  # others may have begun in the same second
            for path, content in ((own, report.as_html()), (own.with_suffix(".csv"), report.as_csv())):
                write_atomically(path, content)
                files.append(path)
        except OutputError as error:
            log.error("The report stands on the web page alone. %s", error)
    create_markdown_artifact(page(report, files), key="report", description=headline(report.rows))


def page(report: Report, files: Sequence[Path] = ()) -> str:
    """The report in Markdown: counts and figures, what failed and what to do, then the recordings."""
    groups = report.groups()
    lines = [f"| {escaped(name)} | {len(rows)} |" for name, rows in groups.items() if rows]
    lines += [f"| {name} | {escaped(value)} |" for name, value in report.figures().items()]
    parts = [f"# {escaped(report.title)}"]
    parts += [f"**{escaped(report.note)}**"] if report.note else []
    head = ["| outcome | recordings |", "|---|---|"]
    parts += ["\n".join([*head, *lines])] if lines else ["There were no recordings."]
    for name in (FAILED, CANCELLED, "incomplete", LEFT_OUT, WAITING):
        told = [_explained(row) for row in groups[name][:MOST_ROWS] if row.message]
        parts += [f"## {name.capitalize()}", "\n".join(told)] if told else []
    rows = [row for row in report.rows if not row.before] or list(report.rows)
    parts += ["## Recordings", as_markdown(rows[:MOST_ROWS])] if rows else []
    parts += [f"{len(rows) - MOST_ROWS} more are in the files."] if len(rows) > MOST_ROWS else []
    parts += ["Files: " + ", ".join(escaped(str(path)) for path in files)] if files else []
    return "\n\n".join(parts)


def linked(rows: Sequence[Row], tag: str) -> tuple[Row, ...]:
    """The rows with links to the runs of this batch."""
    which = FlowRunFilter(tags=FlowRunFilterTags(all_=[tag]))
    runs: dict[str, str] = {}
    with get_client(sync_client=True) as client:
        offset = 0
        while found := client.read_flow_runs(flow_run_filter=which, limit=PAGE, offset=offset):
            runs |= {run.name: f"/runs/flow-run/{run.id}" for run in found}
            offset += len(found)
    return tuple(replace(row, link=runs.get(row.recording)) for row in rows)


def _explained(row: Row) -> str:
    return f"- **{escaped(row.recording)}**: {escaped(row.reason or '')} {escaped(row.cure or '')}"
