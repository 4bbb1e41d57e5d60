"""The morning report: every recording counted, nothing that a page or a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from html import escape
from html.parser import HTMLParser

import pytest

from speechpipe.reports.morning import ALREADY, CANCELLED, FAILED, LEFT_OUT, WAITING, Report, Row, headline, without
from speechpipe.repositories.contract import Receipt

SPEECH = Row("a.wav", "speech", "English", 12, 0.9, 60_000, model="whisper-x", audio_ms=600_000, complete=True)
ROWS = (
    SPEECH,
    replace(SPEECH, recording="b.wav", complete=False, message="From 3:00 on it could not be read."),
    replace(SPEECH, recording="c.wav", flagged=3),
    Row("d.mp3", "no speech", wall_ms=1000, audio_ms=120_000, complete=True),
    Row("e.wav", FAILED, message="e.wav is damaged.", cure="Fetch it again."),
    Row("f.wav", LEFT_OUT, message="Its rights do not allow transcription."),
    Row("g.wav", WAITING, message="It would not have been finished in time."),
    SPEECH.done_before(),
    Row("h.wav", CANCELLED, message="It was cancelled by a person.", cure="Start it again."),
)


def test_every_row_is_in_one_group_and_those_for_review_in_one_more() -> None:
    groups = {name: [row.recording for row in rows] for name, rows in Report("Night", ROWS).groups().items()}
    assert groups == {
        "transcribed": ["a.wav", "c.wav"],
        "incomplete": ["b.wav"],
        "no speech": ["d.mp3"],
        FAILED: ["e.wav"],
        CANCELLED: ["h.wav"],
        "left out": ["f.wav"],
        WAITING: ["g.wav"],
        "done before": ["a.wav"],
        "for review": ["c.wav"],
    }


def test_the_figures_are_of_what_was_done_now() -> None:
    figures = Report("Night", ROWS).figures()
    assert figures["Sound"] == "0.5 h" and figures["Work"] == "3.0 min"
    assert figures["Speed"] == "10.6 times as fast as it is spoken"
    assert figures["Model"] == "whisper-x"
    assert Report("Night", (ROWS[4],)).figures() == {}


def test_the_headline_counts_every_recording_once() -> None:
    assert (
        headline(ROWS) == "9 recordings: 4 transcribed, 1 already done, 1 left out, 1 waiting, 1 cancelled, 1 failed."
    )
    assert headline(ROWS[:1]) == "1 recording: 1 transcribed."
    assert headline([]) == "There are no recordings in this folder."


def test_a_failure_stands_with_its_reason_and_its_cure() -> None:
    page = Report("Night", ROWS).as_html().decode()
    assert "<td>e.wav</td><td>damaged.</td><td>Fetch it again.</td>" in page
    assert "Its rights do not allow transcription." in page and "could not be read" in page


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


@pytest.mark.parametrize("name", ["<script>alert(1)</script>.wav", '"><img src=x onerror=a>.wav', "a\udcff.wav"])
def test_no_name_becomes_markup(name: str) -> None:
    page = _Tags()
    report = Report(name, (Row(name, FAILED, message=f"{name} is <b>damaged</b>."),), note=name)
    page.feed(report.as_html().decode())
    assert not {"script", "img", "b"} & set(page.tags)
    assert not {"onerror", "src"} & set(page.attributes)


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = Report("Night", ROWS).as_html().decode()
    assert "default-src 'none'" in page and "http://" not in page and "https://" not in page


def test_the_table_has_a_line_a_recording_and_reads_back() -> None:
    content = Report("Night", ROWS).as_csv()
    assert content.startswith(b"\xef\xbb\xbf")
    lines = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert [line["recording"] for line in lines] == [row.recording for row in ROWS]
    assert lines[4]["cure"] == "Fetch it again." and lines[4]["words"] == ""
    assert lines[7]["outcome"] == ALREADY


@pytest.mark.parametrize("name", ["=1+1.wav", "+a.wav", "-a.wav", "@a.wav", "\ta.wav"])
def test_no_cell_is_a_formula(name: str) -> None:
    content = Report("Night", (Row(name, "speech", confidence=0.5),)).as_csv().decode("utf-8-sig")
    (line,) = csv.DictReader(io.StringIO(content))
    assert line["recording"] == f"'{name}"


def test_a_row_of_what_is_restricted_holds_none_of_its_words() -> None:
    receipt = Receipt("id-1", "done", "x.wav", outcome="speech", words=3, first_words="a secret told")
    row = Row.of(receipt, name="restricted-1", text=False)
    assert row.first_words is None and row.recording == "restricted-1"
    assert "secret" not in Report("Night", (row,)).as_html().decode() + Report("Night", (row,)).as_csv().decode()


@pytest.mark.parametrize("name", ["e.wav", "=e.wav", "a <b> & 'c'.wav", "line\nbreak.wav", "ærlig.wav"])
def test_the_rows_of_a_withdrawn_recording_go_and_all_others_stay(name: str) -> None:
    rows = (*ROWS, Row(name, FAILED, message="It is damaged."), Row(f"{name}.mp3", "speech", words=1))
    report, others = Report("Night", rows), Report("Night", (*ROWS, rows[-1]))
    others = replace(others, rows=tuple(row for row in others.rows if row.recording != name))
    assert without(report.as_csv(), {name}) == others.as_csv()
    page = without(report.as_html(), {name}).decode()
    gone, stay = f"<td>{escape(name)}</td>", f"<td>{escape(name)}.mp3</td>"
    assert gone not in page and gone in report.as_html().decode() and stay in page
    assert page.count("<td>") >= others.as_html().decode().count("<td>")
    assert without(report.as_html(), {"another.wav"}) == report.as_html()
