"""Borders of words are judged as they are said to be."""

from __future__ import annotations

import pytest

from bench.borders import Timed, paired, parts, score, tokens

SAID = [Timed("Tape", 0, 300), Timed("seven,", 400, 700), Timed("please.", 900, 1400)]


def moved(words: list[Timed], start: int, end: int) -> list[Timed]:
    return [Timed(w.text, (w.start_ms or 0) + start, (w.end_ms or 0) + end) for w in words]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don’t! DON'T", ["dont", "dont"]),
        ("seven 7 724", ["7", "7", "7", "2", "4"]),
        ("well-known", ["well", "known"]),
        ("— …", []),
        ("ÉTÉ ﬁn", ["été", "fin"]),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@pytest.mark.parametrize(
    ("start", "end", "f1_50", "f1_100", "median"),
    [(0, 0, 1, 1, 0), (50, -50, 1, 1, 50), (51, 0, 0, 1, 26), (0, -101, 0, 0, 50), (-100, 100, 0, 1, 100)],
)
def test_both_borders_must_be_near(start: int, end: int, f1_50: float, f1_100: float, median: int) -> None:
    found = score(SAID, moved(SAID, start, end))
    assert (found.f1_50, found.f1_100) == (f1_50, f1_100)
    assert found.median_ms == pytest.approx(median, abs=1)
    assert (found.start_bias_ms, found.end_bias_ms) == (start, end)


def test_words_invented_and_words_missed_both_cost() -> None:
    assert score(SAID, SAID[:2]).f1_50 == pytest.approx(2 * 2 / (3 + 2))
    assert score(SAID, [*SAID, Timed("thank you", 1500, 1600)]).f1_50 == pytest.approx(2 * 3 / (3 + 5), abs=1e-3)


def test_a_repeated_word_is_paired_with_the_one_at_its_time() -> None:
    said = [Timed("no", 0, 200), Timed("no", 1000, 1200), Timed("no", 2000, 2200)]
    found = score(said, said[1:2])
    assert (found.paired, found.median_ms) == (1, 0)
    assert paired(said, said[1:]) == [(1, 0), (2, 1)]


def test_text_goes_before_time() -> None:
    said = [Timed("a", 0, 100), Timed("b", 200, 300), Timed("c", 400, 500)]
    heard = [Timed("a", 0, 100), Timed("b", 90_000, 90_100), Timed("x", 90_200, 90_300), Timed("c", 99_000, 99_100)]
    assert paired(said, heard) == [(0, 0), (1, 1), (2, 3)]


def test_what_has_no_known_time_counts_for_nobody() -> None:
    said = [*SAID, Timed("thank"), Timed("you")]
    heard = [*SAID, Timed("Thank", 1500, 1700), Timed("you", 1700, 1900)]
    assert score(said, heard) == score(SAID, SAID)
    misheard = [*SAID, Timed("tank", 1500, 1700), Timed("you", 1700, 1900)]
    assert score(said, misheard) == score(SAID, SAID)
    nothing = score([Timed("thank")], [Timed("thank", 0, 1)])
    assert (nothing.known, nothing.f1_50, nothing.f1_100, nothing.median_ms) == (0, None, None, None)


def test_a_heard_word_without_times_is_a_word_without_right_borders() -> None:
    found = score(SAID, [SAID[0], Timed("seven"), SAID[2]])
    assert (found.paired, found.f1_100, found.median_ms) == (3, pytest.approx(2 / 3, abs=1e-3), 0)


def test_inside_a_number_timed_as_one_borders_are_unknown() -> None:
    assert list(parts([Timed("72", 10, 90)])) == [Timed("7", 10, None), Timed("2", None, 90)]
    said = [Timed("seven", 0, 200), Timed("two", 250, 500)]
    found = score(said, [Timed("72", 0, 500)])
    assert (found.paired, found.f1_100, found.median_ms) == (2, 0, 0)


def test_nothing_heard_and_nothing_said() -> None:
    assert score(SAID, []).f1_100 == 0
    assert score([], []).f1_100 is None
    assert paired([], [Timed("a", 0, 1)]) == []
