"""What a window is told of the one before it: good text only, and never in a circle."""

from __future__ import annotations

from typing import Any

import pytest

from speechpipe.chunking.plan import Window
from speechpipe.pipeline.context import DOUBTFUL, MAX_CHARS, MAX_PAUSE_MS, Told, in_turn


def window(index: int, start_ms: int, lane: str = "0.pcm") -> Window:
    return Window(index, None, lane, start_ms, start_ms + 1000)


def entry(text: str, *flags: str, language: str | None = "en") -> dict[str, Any]:
    return {"language": language, "utterances": [{"text": text, "flags": list(flags)}] if text else []}


ONE_LANE = [window(0, 0), window(1, 1500), window(2, 3000)]


def told(entries: dict[int, Any], asked: Window = ONE_LANE[1], language: str | None = "en") -> str | None:
    return Told(ONE_LANE, entries).before(asked, language)


def test_the_text_before_is_told_and_the_first_window_is_told_nothing() -> None:
    assert told({}, ONE_LANE[0]) is None
    assert told({0: entry("tape four")}) == "tape four"
    assert told(
        {0: {"language": "en", "utterances": [*entry("tape")["utterances"], *entry("four")["utterances"]]}}
    ) == ("tape four")


def test_an_empty_text_is_nothing_to_tell() -> None:
    assert told({0: entry("")}) is None


@pytest.mark.parametrize("flag", sorted(DOUBTFUL))
def test_doubtful_text_is_not_told(flag: str) -> None:
    assert told({0: entry("tape four", flag)}) is None
    assert told({0: entry("tape four", "decoded_again", "wider_beam")}) == "tape four"


def test_what_a_window_repeats_is_told_no_further() -> None:
    assert told({0: entry("tape four"), 1: entry("tape four")}, ONE_LANE[2]) is None
    assert told({0: entry("tape four"), 1: entry("side two")}, ONE_LANE[2]) == "side two"


@pytest.mark.parametrize(("pause", "expected"), [(MAX_PAUSE_MS, "tape four"), (MAX_PAUSE_MS + 1, None)])
def test_a_long_pause_ends_it(pause: int, expected: str | None) -> None:
    windows = [window(0, 0), window(1, 1000 + pause)]
    assert Told(windows, {0: entry("tape four")}).before(windows[1], "en") == expected


def test_another_language_is_not_told() -> None:
    assert told({0: entry("bånd fire", language="nb")}) is None
    assert told({0: entry("bånd fire", language="nb")}, language="nb") == "bånd fire"
    assert told({0: entry("bånd fire", language="nb")}, language=None) == "bånd fire"


def test_only_the_end_of_a_long_text_is_told_in_whole_words() -> None:
    said = told({0: entry("word " * 100 + "last")})
    assert said is not None
    assert MAX_CHARS - 5 < len(said) <= MAX_CHARS
    assert set(said.split()) == {"word", "last"}
    assert said.endswith(" last")
    assert told({0: entry("x" * MAX_CHARS)}) == "x" * MAX_CHARS


def test_what_is_added_is_told_to_the_next() -> None:
    lane = Told(ONE_LANE, {})
    lane.add([ONE_LANE[0]], [entry("tape four")])
    assert lane.before(ONE_LANE[1], "en") == "tape four"


def test_lanes_go_through_together_and_each_hears_its_own() -> None:
    windows = [window(0, 0, "a"), window(1, 10, "b"), window(2, 20, "a"), window(3, 1500, "a"), window(4, 1600, "b")]
    batches = in_turn(windows, 8)
    assert [[w.index for w in batch] for batch in batches] == [[0, 1], [2, 4], [3]]
    lanes = Told(windows, {0: entry("of a"), 1: entry("of b"), 2: entry("more of a")})
    assert [lanes.before(windows[i], "en") for i in (2, 3, 4)] == ["of a", "more of a", "of b"]


def test_batches_keep_to_the_size_and_to_one_kind() -> None:
    windows = [window(i, 0, str(i)) for i in range(5)]
    assert [[w.index for w in batch] for batch in in_turn(windows, 2)] == [[0, 1], [2, 3], [4]]
    by_kind = in_turn(windows, 2, lambda w: w.index % 2)
    assert [[w.index for w in batch] for batch in by_kind] == [[0, 2], [4], [1, 3]]
