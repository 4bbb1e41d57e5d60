"""The closing table: fits its terminal, tells the truth, and lets no recording write Markdown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.seen.rows import HEADINGS, as_markdown, as_text, cells, columns, escaped, explanations, fenced, fitted
from speechpipe.reports.morning import Row
from speechpipe.repositories.contract import Receipt

DONE = Receipt(
    "reel-1.wav", "done", "reel-1.wav", outcome="speech", languages=("nb",), words=12, confidence=0.876, wall_ms=3210,
    first_words="bånd tre side to", files={".vtt": "0" * 64},
)  # fmt: skip
BROKEN = Receipt("notes.wav", "failed", "notes.wav", message="Not audio: notes.wav.", curable=False, wall_ms=12)
EMPTY = Receipt("hiss.wav", "done", "hiss.wav", outcome="no_speech", words=0, wall_ms=90)


def test_a_row_tells_what_the_receipt_knows() -> None:
    row = Row.of(DONE, ["out/reel-1.wav.vtt"])
    assert cells(row) == ("reel-1.wav", "speech", "Norwegian Bokmål", "12", "0.88", "3.2 s", "bånd tre side to")
    assert row.files == ("out/reel-1.wav.vtt",)


def test_what_is_not_known_is_a_dash_and_never_a_number() -> None:
    assert cells(Row.of(EMPTY)) == ("hiss.wav", "no speech", "–", "0", "–", "0.1 s", "")
    assert cells(Row.of(BROKEN)) == ("notes.wav", "failed", "–", "–", "–", "0.0 s", "Not audio: notes.wav.")


def test_a_reason_does_not_say_the_name_again() -> None:
    row = Row("a/notes.wav", "failed", message="a/notes.wav is damaged.")
    assert cells(row)[-1] == "damaged."
    assert explanations([row, Row.of(DONE)]) == ["a/notes.wav: damaged."]


def test_done_before_keeps_what_was_found_and_claims_no_time() -> None:
    assert cells(Row.of(DONE).done_before())[1:6] == ("already done", "Norwegian Bokmål", "12", "0.88", "–")
    before = Row.of(BROKEN).done_before()
    assert before.outcome == "already done" and before.message == "failed before: Not audio: notes.wav."


@pytest.mark.parametrize("width", [100, 120, 200])
def test_the_table_fits_and_shows_every_recording(width: int) -> None:
    text = as_text([Row.of(DONE), Row.of(BROKEN), Row.of(EMPTY)], width)
    assert all(columns(line) <= width for line in text.splitlines())
    assert text.splitlines()[0].split("  ")[0].strip() == HEADINGS[0]
    assert all(name in text for name in ("reel-1.wav", "notes.wav", "hiss.wav", "Norwegian Bokmål"))


def test_numbers_stand_under_each_other() -> None:
    lines = as_text([Row.of(DONE), Row.of(EMPTY)], 120).splitlines()
    ends = {line.index(word) + len(word) for line, word in zip(lines[2:], ("12", " 0"), strict=True)}
    assert len(ends) == 1


def test_long_words_are_cut_with_a_sign() -> None:
    long = Row("a" * 80 + ".wav", "speech", "English", 900, 0.5, 1000, "word " * 60)
    lines = as_text([long], 80).splitlines()
    assert all(columns(line) <= 80 for line in lines)
    assert lines[2].count("…") == 2


@given(st.text(alphabet="aåé̂漢👍\t\n\u202e\0|…", max_size=30), st.integers(1, 20))
def test_a_cell_takes_exactly_its_columns(text: str, width: int) -> None:
    cell = fitted(text, width)
    assert columns(cell) == width
    assert all(c.isprintable() for c in cell)


def test_markdown_leads_to_the_run_of_each_recording() -> None:
    done = replace(Row.of(DONE), link="/runs/flow-run/12")
    failed = Row("a.wav", "failed", message="a.wav is " + "very " * 20 + "damaged.", link="/runs/flow-run/34")
    table = as_markdown([done, failed])
    assert "[reel-1.wav](/runs/flow-run/12)" in table
    assert "[a.wav](/runs/flow-run/34)" in table and "damaged." not in table


@pytest.mark.parametrize("text", ["plain", "```\n<b>\n```", "a ````` b", ""])
def test_a_fence_is_longer_than_any_in_its_text(text: str) -> None:
    first, *middle, last = fenced(text).split("\n")
    assert first == last and set(first) == {"`"}
    assert "\n".join(middle) == text
    assert first not in text


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "[a](javascript:b)", "a | b", "`c`", "line\nline", "![x](y)"]
)
def test_nothing_in_a_recording_becomes_markup(text: str) -> None:
    shown = escaped(text)
    assert "<" not in shown and "\n" not in shown
    for sign in "|`[]!":
        assert shown.count(sign) == shown.count(f"\\{sign}")


def test_each_markdown_row_has_the_columns_of_its_head() -> None:
    row = Row("a|b.wav", "speech", first_words="one | two", files=("out/a|b`c.vtt",))
    head, _, line = as_markdown([row]).splitlines()
    assert line.replace("\\|", "").count("|") == head.count("|")
