"""Both searches find an equally good path, whatever the emissions and the words: the one is the other's oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from speechpipe.alignment import search
from speechpipe.alignment.letters import STAR
from speechpipe.alignment.viterbi import Graph, columns
from speechpipe.emissions import Emissions

pytestmark = pytest.mark.extra

TOKENS = ("<pad>", "|", "a", "b", "c")


@st.composite
def problems(draw: Any) -> tuple[list[tuple[int, ...]], Emissions]:
    """Words of letters and stars, doubled letters among them; from hardly enough frames to many."""
    letters = st.lists(st.sampled_from([2, 3, 4, 2, STAR]), min_size=1, max_size=4)
    words = [
        tuple(token for i, token in enumerate(word) if i == 0 or (token, word[i - 1]) != (STAR, STAR))
        for word in draw(st.lists(letters, min_size=1, max_size=4))
    ]
    blank, delimiter = draw(st.sampled_from([(0, 1), (0, None), (1, 0), (1, None)]))
    frames = draw(st.sampled_from([1, 4, 9, 16, 40]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    logits = rng.normal(0, draw(st.sampled_from([0.0, 1.0, 8.0])), (frames, len(TOKENS)))
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    if draw(st.booleans()):
        log_probs[rng.random(log_probs.shape) < 0.3] = -1e4
    return words, Emissions(log_probs.astype(np.float32), TOKENS, blank, delimiter, 320, 160, "lower")


def legal(path: NDArray[np.int64], graph: Graph) -> bool:
    """Whether every letter is passed, in order; within gaps any state of no word counts as the gap."""
    own = graph.words >= 0
    passed = [int(state) for i, state in enumerate(path) if own[state] and (i == 0 or path[i - 1] != state)]
    return passed == list(np.flatnonzero(own))


def score(path: NDArray[np.int64], graph: Graph, emissions: Emissions) -> float:
    """Of the letters as they are, of all else at the best that could stand there."""
    scores = columns(emissions.log_probs, emissions).astype(np.float64)
    spoken = graph.words[path] >= 0
    own = scores[np.arange(len(path)), graph.tokens[path]]
    before = np.maximum.accumulate(np.where(spoken, path, -1))
    within = (
        (before >= 0)
        & (before + 2 < len(graph.words))
        & (graph.words[np.minimum(before + 2, len(graph.words) - 1)] == graph.words[before])
    )
    return float(np.where(spoken, own, np.where(within, scores[:, emissions.blank_id], scores[:, -3])).sum())


@settings(max_examples=300, deadline=None)
@given(problem=problems())
def test_both_paths_are_legal_and_as_good(problem: tuple[list[tuple[int, ...]], Emissions]) -> None:
    words, emissions = problem
    graph = Graph.of(words, emissions)
    assert graph is not None
    if graph.shortest > emissions.frames:
        return
    paths = [search(method)(emissions.log_probs, graph, emissions) for method in ("viterbi", "torchaudio")]
    assert all(path.shape == (emissions.frames,) and legal(path, graph) for path in paths)
    ours, theirs = (score(path, graph, emissions) for path in paths)
    assert theirs == pytest.approx(ours, abs=1e-3, rel=1e-5)
