"""Two windows over one cut: cases seen in real recordings."""

from __future__ import annotations

import pytest

from speechpipe.chunking.plan import Window
from speechpipe.engines.contract import Utterance
from speechpipe.pipeline.joining import Spot, joined, seam
from speechpipe.transcript_data import Word


def spots(*words: tuple[str, int, int]) -> list[Spot]:
    return [Spot(text, start, end, not text.startswith("~")) for text, start, end in words]


def told(before: list[Spot], after: list[Spot], start_ms: int, end_ms: int) -> str:
    kept, dropped = seam(before, after, start_ms, end_ms)
    return " ".join(spot.text for spot in (*before[:kept], *after[dropped:]))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            [("a", 100, 400), ("b", 900, 1_100)], [("b", 910, 1_090), ("c", 1_300, 1_500)], "a b c", id="same"
        ),
        pytest.param([("a", 100, 400), ("fif", 1_200, 1_500)], [("fifteen", 1_200, 1_900)], "a fifteen", id="cut off"),
        pytest.param([("fifty", 300, 900)], [("ty", 600, 900), ("b", 1_600, 1_900)], "fifty b", id="begun"),
        pytest.param([("førti", 100, 600)], [("on", 500, 690), ("b", 1_600, 1_900)], "førti b", id="a scrap"),
        pytest.param([("a", 100, 400)], [("b", 1_600, 1_900)], "a b", id="apart"),
        pytest.param(
            [("no", 600, 750), ("no", 850, 950), ("no", 1_050, 1_150)],
            [("no", 610, 760), ("no", 860, 960), ("no", 1_060, 1_160), ("yes", 1_700, 1_900)],
            "no no no yes",
            id="repeated",
        ),
        pytest.param(
            [("o", 100, 300), ("n", 1_380, 1_500)],
            [("j", 600, 750), ("a", 1_000, 1_150), ("n", 1_380, 1_530), ("e", 1_560, 1_700)],
            "o j a n e",
            id="not heard by the first",
        ),
        pytest.param(
            [("i", 100, 300), ("bergen", 600, 700), ("~i", 700, 800), ("~bergen", 900, 1_100)],
            [("bergen", 600, 950), ("i", 1_000, 1_100), ("nitten", 1_600, 1_900)],
            "i bergen i nitten",
            id="a loop",
        ),
    ],
)
def test_the_overlap_is_told_once(
    before: list[tuple[str, int, int]], after: list[tuple[str, int, int]], expected: str
) -> None:
    assert told(spots(*before), spots(*after), 500, 1_500) == expected


def test_windows_of_other_channels_and_cuts_in_pauses_are_left_alone() -> None:
    said = (Utterance(0, 1_000, "a b", (Word("a", 0, 400), Word("b", 500, 1_000))),)
    lanes = [(Window(0, 0, "left", 0, 1_000), said), (Window(1, 1, "right", 500, 1_500), said)]
    assert joined(lanes) == lanes
    apart = [(Window(0, None, "lane", 0, 1_000), said), (Window(1, None, "lane", 1_000, 2_000), said)]
    assert joined(apart) == apart


def test_an_utterance_that_is_cut_keeps_text_words_and_times_together() -> None:
    first = (Utterance(0, 1_900, "a b c", (Word("a", 0, 400), Word("b", 900, 1_100), Word("c", 1_700, 1_900))),)
    second = (Utterance(0, 1_500, "B, c d", (Word("B,", 100, 280), Word("c", 900, 1_100), Word("d", 1_300, 1_500))),)
    (_, before), (_, after) = joined(
        [(Window(0, None, "lane", 0, 2_000), first), (Window(1, None, "lane", 800, 2_600, 1_200), second)]
    )
    assert [(u.text, u.start_ms, u.end_ms) for u in before] == [("a b", 0, 1_100)]
    assert [(u.text, u.start_ms, u.end_ms) for u in after] == [("c d", 900, 1_500)]
    assert [word.text for word in after[0].words] == ["c", "d"]


def test_an_utterance_that_the_other_window_has_whole_goes() -> None:
    said = Utterance(500, 1_500, "a", (Word("a", 600, 900),))
    (_, before), (_, after) = joined(
        [(Window(0, None, "lane", 0, 1_600), (said,)), (Window(1, None, "lane", 500, 2_000, 1_100), (said,))]
    )
    assert len(before) + len(after) == 2  # two words at other times of the recording
    moved = Utterance(0, 1_000, "a", (Word("a", 100, 400),))
    (_, before), (_, after) = joined(
        [(Window(0, None, "lane", 0, 1_600), (said,)), (Window(1, None, "lane", 500, 2_000, 1_100), (moved,))]
    )
    assert (len(before), len(after)) == (1, 0)
