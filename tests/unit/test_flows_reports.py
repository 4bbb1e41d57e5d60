"""Where a report goes: each to files of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.running.process import REPORTS
from flows.seen import reports
from speechpipe.reports.morning import Report, Row


def test_reports_of_one_second_keep_their_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page and its links need a server; the files do not."""
    told: list[str] = []
    monkeypatch.setenv(REPORTS, str(tmp_path))
    monkeypatch.setattr(reports, "linked", lambda rows, tag: rows)
    monkeypatch.setattr(reports, "create_markdown_artifact", lambda page, **about: told.append(page))
    began = datetime(2026, 12, 1, 3, 0, 0, tzinfo=UTC)
    for number in range(4):
        reports.publish(Report(f"Export {number}", (Row(f"{number}.wav", "speech"),)), began, "export")
    stems = ["2026-12-01-030000", *(f"2026-12-01-030000-{number}" for number in (2, 3, 4))]
    for number, stem in enumerate(stems):
        assert f"Export {number}" in (tmp_path / f"{stem}.html").read_text()
        assert f"{number}.wav" in (tmp_path / f"{stem}.csv").read_text()
        assert f"{stem}.html" in told[number] and f"{stem}.csv" in told[number]
    assert len(list(tmp_path.iterdir())) == 8
