"""The fake engine: its words follow from length and loudness, and from nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speechpipe.engines.contract import Clip, ModelFiles, Options
from speechpipe.engines.fake import WORDS, Fake

ENGINE = Fake(ModelFiles("fake", Path("nowhere"), "fake"))


def said(*halves: float) -> list[tuple[int, int, str]]:
    """Half seconds of a square wave of these levels."""
    pcm = np.concatenate([level * np.sign(np.sin(np.arange(8000) + 0.5)) for level in halves]).astype(np.float32)
    (result,) = ENGINE.transcribe([Clip(pcm, "en")], Options())
    return [(u.start_ms, u.end_ms, u.text) for u in result.utterances]


@pytest.mark.parametrize(("level", "word"), [(0.0011, WORDS[0]), (0.03, WORDS[4]), (0.06, WORDS[5]), (1.0, WORDS[-1])])
def test_louder_is_later_in_the_list(level: float, word: str) -> None:
    assert said(level) == [(0, 500, word)]


def test_a_word_each_half_second() -> None:
    assert said(0.5, 0.5, 0.03) == [(0, 1500, "india india echo")]


def test_quiet_parts_utterances() -> None:
    assert said(0, 0.5, 0, 0, 0.03, 0.03) == [(500, 1000, "india"), (2000, 3000, "echo echo")]


def test_silence_says_nothing() -> None:
    assert said(0, 0) == []
    assert said(0.0005, 0.0005) == []
