"""Whatever the text and whatever the emissions: the text stays, times go forward within the clip, nothing crashes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechpipe.alignment import FALLBACK, align
from speechpipe.alignment.letters import STAR, Alphabet
from speechpipe.emissions import Emissions

TROUBLE = "aAbBzåÅøßéİıﬁ 19½٣%&|<>[]_*'’-–…«»\n\t\u00a0\u3000\u200b\u0301\u0307\ufeff\x00東ありДשا🎤\U0001f1f3"
texts = st.one_of(st.text(TROUBLE, max_size=60), st.text(max_size=40), st.text("ab 1", max_size=30))

FLOATS = st.floats(-50, 5, width=32)
ODD = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -1e30])


@st.composite
def emissions(draw: Any) -> Emissions | None:
    if draw(st.integers(0, 9)) == 0:
        return None
    tokens = tuple(
        draw(st.lists(st.sampled_from(["<pad>", "|", "a", "b", "z", "å", "ab", "", "'", "<s>"]), max_size=8))
    )
    width = draw(st.sampled_from([len(tokens), len(tokens), len(tokens), 0, len(tokens) + 1]))
    frames = draw(st.sampled_from([0, 1, 2, 3, 10, 60]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    log_probs = rng.normal(-3, 4, (frames, width)).astype(np.float32)
    for value in draw(st.lists(st.one_of(FLOATS, ODD), max_size=3)):
        if log_probs.size:
            log_probs.flat[draw(st.integers(0, log_probs.size - 1))] = value
    return Emissions(
        log_probs if draw(st.integers(0, 9)) else log_probs.ravel(),
        tokens,
        draw(st.integers(-2, 8)),
        draw(st.none() | st.integers(-2, 8)),
        draw(st.sampled_from([1, 160, 320])),
        draw(st.sampled_from([0, 160, 199])),
        draw(st.sampled_from(["lower", "upper", "mixed"])),
        (draw(st.integers(-500, 500)), draw(st.integers(-500, 500))),
    )


@settings(max_examples=400, deadline=None)
@pytest.mark.filterwarnings("error::RuntimeWarning")
@given(text=texts, heard=emissions(), duration_ms=st.integers(0, 30_000))
def test_text_is_kept_and_times_go_forward(text: str, heard: Emissions | None, duration_ms: int) -> None:
    found = align(text, heard, duration_ms)
    assert [word.text for word in found.words] == text.split()
    at = 0
    for word in found.words:
        assert isinstance(word.start_ms, int)
        assert isinstance(word.end_ms, int)
        assert at <= word.start_ms <= word.end_ms <= duration_ms
        at = word.end_ms
        assert word.timing in {"aligned", "interpolated"}
        assert word.confidence is None or (word.timing == "aligned" and 0 <= word.confidence <= 1)
    if heard is None and found.words:
        assert found.flags == (FALLBACK,)
    if FALLBACK in found.flags:
        assert {word.timing for word in found.words} == {"interpolated"}


@settings(max_examples=400, deadline=None)
@given(word=st.text(max_size=20))
def test_spelling_uses_letters_and_single_stars_only(word: str) -> None:
    tokens = ("<pad>", "|", *"abcdefghijklmnopqrstuvwxyzæøå")
    alphabet = Alphabet.of(Emissions(np.zeros((0, len(tokens)), np.float32), tokens, 0, 1, 320, 160, "lower"))
    assert alphabet is not None
    spelled = alphabet.spell(word)
    assert all(i == STAR or 2 <= i < len(tokens) for i in spelled)
    assert all((a, b) != (STAR, STAR) for a, b in pairwise(spelled))
    if any(c.isalnum() for c in word):
        assert spelled
