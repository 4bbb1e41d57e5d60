"""Batches are fixed by the plan and by what windows are given to; the journal tells which are done."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechpipe.chunking.plan import Window
from speechpipe.errors import Interrupted
from speechpipe.pipeline.journals.batches import append, done, in_batches, part, pending
from speechpipe.workspace import Journal

WINDOWS = [Window(i, None, "lane", 10_000 * i, 10_000 * i + 1_000) for i in range(7)]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "stage.jsonl")


def indices(batches: list[list[Window]]) -> list[list[int]]:
    return [[window.index for window in batch] for batch in batches]


def test_batches_follow_the_plan() -> None:
    assert indices(in_batches(WINDOWS, 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert in_batches([], 3) == []


def test_no_batch_holds_two_kinds() -> None:
    batches = in_batches(WINDOWS, 2, lambda window: window.index in (1, 4, 5))
    assert indices(batches) == [[0, 2], [3, 6], [1, 4], [5]]


def test_what_is_in_the_journal_is_not_given_again(journal: Journal) -> None:
    batches = in_batches(WINDOWS, 2)
    append(journal, batches[1], [{"text": "c"}, {"text": "d"}])
    reports: list[tuple[int, int]] = []
    given = []
    for batch in pending(journal, batches, lambda *report: reports.append(report)):
        given.append([window.index for window in batch])
        append(journal, batch, [{"text": "x"}] * len(batch))
    assert given == [[0, 1], [4, 5], [6]]
    assert reports == [(2_000, 7_000), (4_000, 7_000), (6_000, 7_000), (7_000, 7_000)]
    assert sorted(done(journal)) == list(range(7)) and done(journal)[2] == {"text": "c"}
    assert list(pending(journal, batches, lambda *report: reports.append(report))) == []
    assert reports[4:] == [(7_000, 7_000)]


def test_a_report_that_raises_stops_the_run_and_loses_nothing(journal: Journal) -> None:
    def report(done_ms: int, total_ms: int) -> None:
        if done_ms >= 4_000:
            raise Interrupted("Stopped.")

    batches = in_batches(WINDOWS, 2)
    with pytest.raises(Interrupted):
        for batch in pending(journal, batches, report):
            append(journal, batch, [{}] * len(batch))
    assert sorted(done(journal)) == [0, 1, 2, 3]
    assert indices([list(batch) for batch in pending(journal, batches, lambda *_: None)]) == [[4, 5], [6]]


def test_parts_of_a_stage_make_one_whole() -> None:
    said: list[tuple[str, int, int]] = []
    first = part(lambda *report: said.append(report), "chunk", 0, 0.3)
    second = part(lambda *report: said.append(report), "chunk", 0.3, 1)
    first(0, 1_000)
    first(2_000, 1_000)
    second(0, 1_000)
    second(1_000, 1_000)
    assert said == [("chunk", 0, 1_000), ("chunk", 300, 1_000), ("chunk", 300, 1_000), ("chunk", 1_000, 1_000)]
    part(None, "chunk")(1, 2)
