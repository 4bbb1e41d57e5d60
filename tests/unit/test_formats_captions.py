"""How words become cues and lines: the guidelines' examples, and what gives way when they cannot all hold."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import accumulate, combinations, pairwise
from math import inf
from typing import Any

import pytest

from speechpipe import languages
from speechpipe.formats.captions import breaks
from speechpipe.formats.captions.cues import Cue, cues, music
from speechpipe.formats.text import clean, tokens, visible_length
from speechpipe.formats.turns import CUED, Lane, Turn, lanes, turns
from speechpipe.settings.captions import CAPTION_PRESETS, Captions
from speechpipe.transcript import Transcript
from speechpipe.transcript_data import Event, Media, Segment, Word
from tests.transcripts import INTERVIEW, spoken


def limits(**changes: Any) -> Captions:
    return Captions.model_validate(changes)


def made(*segments: Segment, duration_ms: int | None = 600_000, **changes: Any) -> list[Cue]:
    return cues(Transcript(Media("a.wav", duration_ms=duration_ms), "speech", segments), limits(**changes))


def broken(text: str, language: str | None = None, **changes: Any) -> list[str]:
    """The lines of ``text`` as one cue."""
    words = text.split()
    costs = breaks.costs_of_breaks(words, language)
    rows = breaks.cut_lines(
        [Word(word) for word in words], [visible_length(w) for w in words], costs, limits(**changes)
    )
    return [" ".join(word.text for word in row) for row in rows]


# ---- lines ----


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Kort.", ["Kort."]),
        (
            "Velkommen til Lyd og bilde, Máret. Hvor er du født?",
            ["Velkommen til Lyd og bilde, Máret.", "Hvor er du født?"],
        ),
        (
            "muhto orron maŋŋá Ruoŧas: ođđajagimánus lei -40 gráda.",
            ["muhto orron maŋŋá Ruoŧas:", "ođđajagimánus lei -40 gráda."],
        ),
        (
            "she took the long way home because the bridge was closed",
            ["she took the long way home", "because the bridge was closed"],
        ),
        (
            "they walked all of the way to Kari Nordmann in the end",
            ["they walked all of the way", "to Kari Nordmann in the end"],
        ),
        ("the heavy parcel weighed around 12 kilograms at the scale", None),
    ],
)
def test_lines_break_where_they_read_best(text: str, lines: list[str] | None) -> None:
    found = broken(text, "en")
    assert " ".join(found) == text
    assert all(len(line) <= 42 for line in found)
    assert lines is None or found == lines
    assert not any(line.endswith(" 12") for line in found)


def test_a_number_shares_its_line() -> None:
    found = broken("aaaaaaaaaaaaaaaa bbbbbbbbbbbbbbb ccccccc. 1985", max_line_chars=42)
    assert len(found) == 2
    assert not any(line.isdigit() for line in found)


def test_a_word_longer_than_a_line_stands_alone() -> None:
    assert broken(f"a {'x' * 60} b") == ["a", "x" * 60, "b"]


@pytest.mark.parametrize(
    ("before", "after", "cost"),
    [
        ("end.", "New", 0.0),
        ("slutt?»", "Ny", 0.0),
        ("1985.", "Then", 0.0),
        ("well,", "no", 0.7),
        ("dag", "og", 1.5),
        ("dag", "Og", 1.5),
        ("the", "house", 3.0),
        ("12", "km", 8.0),
        ("-40", "grader", 8.0),
        ("Kari", "Nordmann", 8.0),
        ("HEI", "DU", 3.0),
    ],
)
def test_what_a_break_costs(before: str, after: str, cost: float) -> None:
    assert breaks.costs_of_breaks([before, after], "nb") == [0.0, cost]


@pytest.mark.parametrize(("language", "cost"), [("nb", 1.5), ("nn-NO", 1.5), ("en", 3.0), ("xx", 3.0), (None, 3.0)])
def test_conjunctions_are_those_of_the_language(language: str | None, cost: float) -> None:
    assert breaks.costs_of_breaks(["dag", "og"], language) == [0.0, cost]


def test_every_table_of_conjunctions_is_of_a_language_and_in_small_letters() -> None:
    for language, words in breaks.CONJUNCTIONS.items():
        assert languages.check(language)
        assert words == words.casefold() and len(set(words.split())) == len(words.split())


def test_cuts_are_the_cheapest_there_are() -> None:
    """Against every way to cut, tried one by one."""
    texts = ["ja,", "og", "så", "kom", "de", "hjem.", "Da", "var", "alle", "trette", "men", "glade"]
    segment = spoken(0, " ".join(texts), 0, pace_ms=450)
    narrow = limits(max_line_chars=12, max_lines=1, max_cue_ms=2_000)
    lengths, costs = [len(text) for text in texts], breaks.costs_of_breaks(texts, "nb")
    spans = [(word.start_ms or 0, word.end_ms or 0) for word in segment.words]

    def price(edges: tuple[int, ...]) -> float:
        total = 0.0
        for a, b in pairwise(edges):
            characters = sum(lengths[a:b]) + b - a
            until = spans[b][0] - 80 if b < len(texts) else spans[-1][1] + 833
            if b - a > 1 and (characters - 1 > 12 or spans[b - 1][1] - spans[a][0] > 2_000):
                return inf
            missed = max(833, characters * 1000 / 17) - max(0, until - spans[a][0])
            total += 1 + (costs[b] if b < len(texts) else 0) + max(0.0, missed) * 2 / 833
        return total

    inner = range(1, len(texts))
    ways = ((0, *cuts, len(texts)) for count in range(len(texts)) for cuts in combinations(inner, count))
    found = breaks.cut_cues(segment.words, lengths, spans, costs, narrow)
    assert price(tuple(found)) == pytest.approx(min(map(price, ways)))


@pytest.mark.parametrize("wide", [10, 14, 22, 35])
@pytest.mark.parametrize(
    "text", ["ja, og 1985 så kom Anna Berg hjem. Da var 12 alle", "a bb ccc dddddddddddddddd e 1 2"]
)
def test_lines_are_the_fewest_and_of_these_the_best(text: str, wide: int) -> None:
    """Against every way to cut, tried one by one."""
    words = [Word(word) for word in text.split()]
    lengths, costs = [len(word.text) for word in words], breaks.costs_of_breaks(text.split(), "nb")
    inner = range(1, len(words))
    ways = [(0, *cuts, len(words)) for count in range(len(words)) for cuts in combinations(inner, count)]

    def widths(edges: tuple[int, ...]) -> list[int]:
        return [sum(lengths[a:b]) + b - a - 1 for a, b in pairwise(edges)]

    def fits(edges: tuple[int, ...]) -> bool:
        return all(w <= wide or b - a == 1 for w, (a, b) in zip(widths(edges), pairwise(edges), strict=True))

    fit = list(filter(fits, ways))
    fewest = min(map(len, fit))

    def price(edges: tuple[int, ...]) -> float:
        even = len(text) / (fewest - 1)
        total = sum(costs[b] for b in edges[1:-1]) + 4 * sum(((w - even) / wide) ** 2 for w in widths(edges))
        alone = sum(all(breaks.is_number(word.text) for word in words[a:b]) for a, b in pairwise(edges))
        return total + 8 * alone

    lines = breaks.cut_lines(words, lengths, costs, limits(max_line_chars=wide))
    found = tuple(accumulate((len(line) for line in lines), initial=0))
    assert len(found) == fewest
    assert price(found) == pytest.approx(min(price(way) for way in fit if len(way) == fewest))


@pytest.mark.parametrize("text", ["7", "-40", "3,14", "12:30", "1 000", "1985."])
def test_is_a_number(text: str) -> None:
    assert breaks.is_number(text)


@pytest.mark.parametrize("text", ["", "-", "...", "7a", "A1", "x"])
def test_is_no_number(text: str) -> None:
    assert not breaks.is_number(text)


# ---- cues ----


def test_a_long_stretch_is_cut_after_its_sentences() -> None:
    text = "Dette er den første setningen i opptaket. Her kommer den andre, som er lengre enn den. Og en tredje."
    found = made(spoken(0, text, 1_000, pace_ms=400, language="nb"))
    assert [cue.line_texts for cue in found] == [
        ("Dette er den første setningen i opptaket.",),
        ("Her kommer den andre,", "som er lengre enn den. Og en tredje."),
    ]
    assert all(not cue.beyond for cue in found)


def test_a_pause_ends_a_cue() -> None:
    words = (Word("Ja", 0, 400), Word("da", 500, 900), Word("er", 5_000, 5_300), Word("vi", 5_400, 5_900))
    found = made(Segment(0, 0, 6_000, "Ja da er vi", words))
    assert [(cue.text, cue.start_ms) for cue in found] == [("Ja da", 0), ("er vi", 5_000)]


def test_a_short_cue_stays_for_its_least_time_but_not_into_the_next() -> None:
    alone, = made(spoken(0, "Ja.", 1_000))  # fmt: skip
    assert (alone.start_ms, alone.end_ms, alone.beyond) == (1_000, 1_833, ())
    first, second = made(spoken(0, "Ja.", 1_000), spoken(1, "Nei.", 1_500))
    assert (first.end_ms, second.start_ms) == (1_420, 1_500)
    assert "short" in first.beyond
    assert "gap" not in first.beyond


def test_reading_time_lengthens_a_cue() -> None:
    (cue,) = made(spoken(0, "seksten bokstaver og litt til", 0, pace_ms=100))
    assert cue.end_ms == 1_706  # 29 characters at 17 a second
    assert cue.beyond == ()


def test_the_gap_gives_way_before_a_cue_vanishes() -> None:
    first, second = made(spoken(0, "Ja.", 1_000), spoken(1, "Nei.", 1_010))
    assert (first.start_ms, first.end_ms, second.start_ms) == (1_000, 1_005, 1_010)
    assert {"gap", "short", "speed"} <= set(first.beyond)


def test_cues_at_one_moment_are_told_apart() -> None:
    found = made(*(Segment(i, 5_000, 5_000, f"ord{i}") for i in range(3)), duration_ms=5_000)
    assert [(cue.start_ms, cue.end_ms) for cue in found] == [(4_997, 4_998), (4_998, 4_999), (4_999, 5_000)]
    assert [cue.text for cue in found] == ["ord0", "ord1", "ord2"]


def test_no_cue_outlasts_the_recording() -> None:
    (cue,) = made(spoken(0, "Slutt.", 9_700), duration_ms=10_000)
    assert cue.end_ms == 10_000
    (unbounded,) = made(spoken(0, "Slutt.", 9_700), duration_ms=None)
    assert unbounded.end_ms == 10_533


def test_a_word_that_swallows_a_silence_does_not_hold_its_cue() -> None:
    (cue,) = made(Segment(0, 0, 60_000, "Hei", (Word("Hei", 0, 60_000),)))
    assert cue.end_ms == 7_000


def test_a_segment_without_words_keeps_its_span() -> None:
    (cue,) = made(Segment(0, 20_000, 36_000, "Ingen vet når dette ble sagt."))
    assert (cue.start_ms, cue.end_ms, cue.beyond) == (20_000, 36_000, ("long",))
    assert all(word.start_ms is None for word in cue.words)


def test_a_segment_without_words_too_long_for_one_cue_is_shared_out() -> None:
    text = " ".join(["ordene"] * 60)
    found = made(Segment(0, 10_000, 40_000, text))
    assert found[0].start_ms == 10_000
    assert found[-1].end_ms == 40_000
    assert len(found) >= 5
    assert " ".join(cue.text for cue in found) == text
    assert all(word.start_ms is None for cue in found for word in cue.words)


@pytest.mark.parametrize(
    ("words", "span"),
    [
        ((Word("a"), Word("b", 2_000, 2_500)), (1_000, 2_500)),
        ((Word("a", 2_000, 2_500), Word("b")), (2_000, 4_000)),
        ((Word("a", 1_500, 2_000), Word("b"), Word("c", 2_500, 3_000)), (1_500, 3_000)),
    ],
)
def test_a_word_of_unknown_time_stands_between_its_neighbours(words: tuple[Word, ...], span: tuple[int, int]) -> None:
    (cue,) = made(Segment(0, 1_000, 4_000, " ".join(word.text for word in words), words))
    assert (cue.start_ms, cue.end_ms) == span
    assert cue.words == words


def test_the_text_wins_over_words_that_do_not_add_up_to_it() -> None:
    (cue,) = made(Segment(0, 0, 3_000, "en to tre", (Word("en", 0, 500), Word("tre", 500, 900))))
    assert cue.text == "en to tre"
    assert (cue.start_ms, cue.end_ms) == (0, 3_000)


def test_lanes_may_speak_at_once_and_cues_run_through_all() -> None:
    found = made(spoken(0, "Ja.", 1_000, channel=0), spoken(1, "Nei takk.", 1_100, channel=1))
    assert [(cue.number, cue.lane and cue.lane.name) for cue in found] == [(1, "Channel 1"), (2, "Channel 2")]
    assert found[0].end_ms > found[1].start_ms


def test_segments_out_of_order_are_put_in_order() -> None:
    assert [cue.text for cue in made(spoken(0, "Sist.", 9_000), spoken(1, "Først.", 1_000))] == ["Først.", "Sist."]


@pytest.mark.parametrize(
    ("languages", "label"),
    [(("nb",), "[musikk]"), (("sv-FI", "en"), "[musik]"), (("sw", "fi"), "[musiikki]"), ((), "[music]")],
)
def test_music_is_named_in_the_language_of_the_recording(languages: tuple[str, ...], label: str) -> None:
    transcript = Transcript(Media("a"), "no_speech", events=(Event(0, 9_000, "music"),), languages=languages)
    (cue,) = cues(transcript, limits())
    assert (cue.text, cue.start_ms, cue.end_ms, cue.lane) == (label, 0, 9_000, None)


def test_music_on_several_channels_is_heard_once() -> None:
    heard = [Event(5_000, 6_000, "music", 1), Event(0, 1_000, "music", 0), Event(500, 1_500, "music", 1)]
    assert music([*heard, Event(0, 9_000, "noise"), Event(8_000, 8_000, "music")]) == [(0, 1_500), (5_000, 6_000)]


def test_many_words_are_cut_in_good_time() -> None:
    segment = spoken(0, " ".join(["noen", "ganger,", "kommer", "det", "ord."] * 4_000), 0)
    began = time.process_time()
    found = made(segment, duration_ms=None)
    assert sum(len(cue.words) for cue in found) == 20_000
    # Linear in the number of words: about 1 s here; a quadratic one would take minutes.
    assert time.process_time() - began < 30


# ---- presets ----


def preset(name: str, *segments: Segment) -> list[Cue]:
    return cues(Transcript(Media("a.wav", duration_ms=600_000), "speech", segments), limits(preset=name))


LONG = spoken(0, " ".join(["langsomt"] * 60), 0, pace_ms=300)


@pytest.mark.parametrize("name", ["web", "broadcast", "verbatim"])
def test_a_preset_keeps_its_limits(name: str) -> None:
    table = CAPTION_PRESETS[name]  # type: ignore[index]
    found = preset(name, LONG)
    assert len(found) > 1
    for cue in found:
        assert len(cue.lines) <= table["max_lines"]
        assert max(map(visible_length, cue.line_texts)) <= table["max_line_chars"]
        assert cue.end_ms - cue.start_ms <= table["max_cue_ms"]


def test_every_preset_names_every_limit_that_it_could() -> None:
    for table in CAPTION_PRESETS.values():
        assert table.keys() - {"whole_segments"} == CAPTION_PRESETS["web"].keys() < set(Captions.model_fields)


def test_verbatim_shows_a_cue_as_long_as_its_words_are_said() -> None:
    (cue,) = preset("verbatim", spoken(0, "Ja.", 1_000, pace_ms=200))
    assert (cue.start_ms, cue.end_ms, cue.beyond) == (1_000, 1_160, ())


def test_one_cue_a_segment_whatever_its_length() -> None:
    found = preset("one-cue-per-segment", LONG, spoken(1, "Kort.", 30_000))
    assert [cue.text for cue in found] == [LONG.text, "Kort."]
    assert (found[0].start_ms, found[0].end_ms) == (LONG.start_ms, LONG.end_ms)
    assert len(found[0].lines) > 2 and max(map(len, found[0].line_texts)) <= 42
    assert not any(cue.beyond for cue in found)


def test_what_is_set_counts_more_than_the_preset() -> None:
    assert limits(preset="broadcast", max_lines=1).max_lines == 1
    assert limits(preset="broadcast", max_lines=1).max_line_chars == 37


def test_a_cue_that_a_person_gave_stays_as_it_is() -> None:
    given = (
        Segment(0, 1_000, 1_100, "En mye for lang tekst til så kort en tid, som en person likevel ville ha."),
        Segment(1, 1_050, 20_000, "Og en som overlapper."),
    )
    kept = made(*(replace(segment, flags=(CUED,)) for segment in given))
    assert [(cue.start_ms, cue.end_ms) for cue in kept] == [(1_000, 1_100), (1_050, 20_000)]
    assert kept[0].beyond == ("speed", "short", "gap")
    shaped = made(*(replace(segment, flags=(CUED,)) for segment in given), keep_cues=False)
    assert [(cue.start_ms, cue.end_ms) for cue in shaped] != [(1_000, 1_100), (1_050, 20_000)]


# ---- turns and lanes ----


def test_turns_change_with_lane_language_and_pause() -> None:
    talk = (
        spoken(0, "a", 0, channel=0),
        spoken(1, "b", 400, channel=0),
        spoken(2, "c", 800, channel=0, language="se"),
        spoken(3, "d", 5_000, channel=0, language="se"),
        spoken(4, " ", 5_400, channel=0, language="se"),
        spoken(5, "e", 5_800, channel=1),
    )
    found = turns(Transcript(Media("a"), "speech", talk))
    assert [turn.text for turn in found] == ["a b", "c", "d", "e"]


def test_a_long_monologue_is_put_together_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the segments that are put into turns: as many as there are, not each time all that came before."""
    put: list[int] = []

    class Counted(Turn):
        def __init__(self, lane: Lane, language: str | None, segments: tuple[Segment, ...]) -> None:
            put.append(len(segments))
            super().__init__(lane, language, segments)

    monkeypatch.setattr("speechpipe.formats.turns.Turn", Counted)
    talk = tuple(spoken(number, "word", number * 500) for number in range(1_000))
    (turn,) = turns(Transcript(Media("a"), "speech", talk))
    assert turn.segments == talk
    assert sum(put) == len(talk)


def test_lanes_are_in_order_of_channel() -> None:
    assert lanes(INTERVIEW) == [Lane(0, None), Lane(1, None)]
    talk = (spoken(0, "a", 0, channel=1), spoken(1, "b", 9, speaker="B"), spoken(2, "c", 20, speaker="A"))
    assert lanes(Transcript(Media("a"), "speech", talk)) == [Lane(None, "B"), Lane(None, "A"), Lane(1, None)]


# ---- text ----


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\n\r\n b\t c", "a b c"),
        ("a\x00b\x08c\x1bd", "abcd"),
        ("a\u2029b\u2028c\x0bd", "a b c d"),
        ("so it was\x85", "so it was…"),
        ("10\u00a0km, 1\u202f000", "10\u00a0km, 1\u202f000"),
        ("e\u0301 \u212b", "é Å"),
        ("x\ud800y\uffff\ufffe", "xy"),
        ("  ", ""),
        ("😀 שלום", "😀 שלום"),
    ],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned
    assert tokens(text) == cleaned.split(" ") if cleaned else tokens(text) == []


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("abc", 3),
        ("e\u0301a", 2),
        ("👩🏽", 1),
        ("👩\u200d👩\u200d👧", 1),
        ("🇳🇴🇸🇪", 2),
        ("\u200fשלום", 4),
        ("中文", 2),
        ("", 0),
    ],
)
def test_visible_length(text: str, length: int) -> None:
    assert visible_length(text) == length
