"""Flags: from numbers, from neighbours, each explained to people."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from speechpipe import quality
from speechpipe.engines.whisper import fallback
from speechpipe.flags import FLAGS, NEUTRAL, wants_a_look
from speechpipe.formats.turns import CUED
from speechpipe.language_identification.window_languages import UNCERTAIN_FLAG
from speechpipe.pipeline.word_times import NOT_ALIGNED
from speechpipe.transcript_data import Segment, Word


def segment(text: str = "tape four", number: int = 0, **more: object) -> Segment:
    return Segment(number, 1000 * number, 1000 * number + 900, text, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("figures", "flags"),
    [
        ({}, ()),
        ({"avg_logprob": -1.0, "compression_ratio": 2.4}, ()),
        ({"avg_logprob": -1.01}, ("low_logprob",)),
        ({"compression_ratio": 2.41}, ("repetition",)),
        ({"compression_ratio": 2.41, "flags": ("repetition",)}, ("repetition",)),
        ({"avg_logprob": -2.0, "flags": ("sampled",)}, ("sampled", "low_logprob")),
    ],
)
def test_numbers_that_flag(figures: dict[str, object], flags: tuple[str, ...]) -> None:
    assert quality.flags(segment(**figures)) == flags


@pytest.mark.parametrize(
    ("confidences", "low"), [((0.3, 0.4), True), ((0.4, 0.4), False), ((0.3, None), True), ((None,), False)]
)
def test_words_that_do_not_fit_the_sound(confidences: tuple[float | None, ...], low: bool) -> None:
    words = tuple(Word("tape", 0, 100, confidence, "aligned") for confidence in confidences)
    assert quality.flags(segment(words=words)) == (("low_confidence",) if low else ())


def found(*texts: str, **more: object) -> list[bool]:
    segments = [segment(text, number, **more) for number, text in enumerate(texts)]
    flagged = quality.flagged(segments)
    assert [s.text for s in flagged] == list(texts)
    return ["repetition" in s.flags for s in flagged]


def test_a_loop_over_segments_is_found() -> None:
    assert found("Tape four.", *["Takk for meg."] * 4, "Side two.") == [False, True, True, True, True, False]
    assert found("Takk for meg", "takk for meg!", "Takk, for meg.", "TAKK FOR MEG") == [True] * 4


@pytest.mark.parametrize(
    "texts", [["Takk for meg."] * 3, ["Yes."] * 5, ["..."] * 9, ["Tape one.", "Tape two."] * 4, []]
)
def test_what_is_no_loop(texts: list[str]) -> None:
    assert found(*texts) == [False] * len(texts)


def test_six_times_the_same_word_is_one() -> None:
    assert found(*["Yes."] * 6) == [True] * 6


def test_lanes_are_looked_at_apart() -> None:
    segments = [
        segment("takk for meg" if number % 2 else f"tape {number}", number, channel=number % 2) for number in range(8)
    ]
    assert ["repetition" in s.flags for s in quality.flagged(segments)] == [False, True] * 4
    one_lane = [segment(s.text, s.id) for s in segments]
    assert not any(s.flags for s in quality.flagged(one_lane))


def test_a_flag_is_there_once_and_the_rest_is_left_as_it_was() -> None:
    given = [segment("takk for meg", number, compression_ratio=3.0, flags=("sampled",)) for number in range(4)]
    assert [s.flags for s in quality.flagged(given)] == [("sampled", "repetition")] * 4


def test_quality_and_the_engines_judge_by_the_same_limits() -> None:
    limits = fallback.Limits()
    assert (limits.logprob, limits.compression) == (quality.LOWEST_LOGPROB, quality.HIGHEST_COMPRESSION)
    heard = fallback.Take(tuple((0, 1, "takk for meg") for _ in range(4)), 0.0, 0.0, 1)
    assert limits.faults(heard) == ("repetition",)


def test_every_flag_is_explained() -> None:
    engines = {attempt.name for attempt in fallback.LADDER} | {"decoded_again", "smaller_batch"}
    judged = {fallback.REPETITION, fallback.UNLIKELY, fallback.TOO_LARGE, "low_confidence"}
    assert set(FLAGS) == engines | judged | {UNCERTAIN_FLAG, NOT_ALIGNED, CUED}
    assert all(words.endswith(".") and words[0].isupper() for words in FLAGS.values())


def test_the_documentation_explains_them_in_the_same_words(root: Path) -> None:
    text = (root / "docs" / "formats.md").read_text(encoding="utf-8")
    table = text.split("| flag | meaning |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.M) == list(FLAGS.items())


@pytest.mark.parametrize(
    ("flags", "look"),
    [
        ((), False),
        (("decoded_again", "wider_beam"), False),
        (("decoded_again", "sampled"), True),
        (("decoded_again", "in_halves", "low_logprob"), True),
        (("smaller_batch", "cued"), False),
        (("a flag of a newer version",), True),
    ],
)
def test_what_wants_a_look(flags: tuple[str, ...], look: bool) -> None:
    assert wants_a_look(flags) is look
    assert set(FLAGS) > NEUTRAL
