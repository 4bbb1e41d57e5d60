"""Windows planned while the sound comes in are those of the whole: none is changed by what comes later."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from speechpipe.chunking.activity import FRAME_MS
from speechpipe.chunking.windows import Planner, plan_windows
from speechpipe.settings.chunking import Chunking
from tests.property.test_chunking import RUNS, SETTINGS, probabilities


@settings(max_examples=300)
@given(runs=RUNS, chunking=SETTINGS, data=st.data())
def test_pieces_of_any_length_give_the_windows_of_the_whole(runs, chunking, data) -> None:  # type: ignore[no-untyped-def]
    whole = probabilities(runs)
    duration_ms = len(whole) * FRAME_MS - data.draw(st.integers(0, FRAME_MS - 1))
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=8))
    planner, final = Planner(chunking), []
    for a, b in pairwise(sorted({0, *cuts, len(whole)})):
        found = planner.heard(whole[a:b])
        assert all(window.end_ms <= b * FRAME_MS for window in found)  # the sound of what is final is there
        final += found
    assert [*final, *planner.ended(duration_ms)] == plan_windows(whole, duration_ms, chunking)


def test_what_is_final_comes_soon() -> None:
    """A second of silence in every ten is enough for short windows; speech without end waits for its end."""
    planner, talk = Planner(Chunking(max_window_ms=6_000)), np.tile(np.repeat(np.float32([0.9, 0.0]), [280, 32]), 20)
    assert len(planner.heard(talk)) >= 19
    assert Planner(Chunking(max_window_ms=6_000)).heard(np.full(10_000, 0.9, np.float32)) == []
