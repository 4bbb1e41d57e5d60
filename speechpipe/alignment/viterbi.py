"""Forced alignment: the most probable path of CTC states through a clip's frames that spells the given words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechpipe.alignment.letters import STAR
from speechpipe.emissions import Emissions

#: Log-probability of what cannot be, finite so that every path has a score.
_NEVER = -1e4

#: What a star's frame costs, too little to outweigh any sound: so pauses fall to the gaps, and between neighbouring
#: stars to the longest pauses there are.
_STAR_COST = 1e-3


@dataclass(frozen=True, slots=True)
class Spans:
    """``frames``: first and last + 1 of each word that has letters; ``silent`` says of each word if it has none."""

    frames: NDArray[np.int64]
    confidences: list[float | None]
    silent: list[bool]


def force(words: Sequence[tuple[int, ...]], emissions: Emissions, search: Search | None = None) -> Spans | None:
    """Lay words, each the ids of its letters, over the emissions; None: no words, or too many for the frames.

    States are letters with an optional blank between them (needed between equal ones), and a gap between words and at
    both ends, which is blank or word delimiter, whichever is likelier; between words it takes at least one frame. A
    star is any token at its best. The Viterbi algorithm in log space, vectorised over states.

    Sources: A. Graves et al., Connectionist Temporal Classification, ICML 2006 (the states); L. Kürzinger et al.,
    CTC-Segmentation of Large Corpora, 2020 (forced alignment by CTC); V. Pratap et al., Scaling Speech Technology to
    1,000+ Languages, 2023 (the star).
    """
    graph = Graph.of([word for word in words if word], emissions)
    log_probs = np.maximum(emissions.log_probs, _NEVER)
    if graph is None or graph.shortest > len(log_probs) or not np.isfinite(log_probs).all():
        return None
    path = (search or best_path)(log_probs, graph, emissions)
    word_of_frame = graph.words[path]
    frames, confidences = np.empty((graph.words.max() + 1, 2), np.int64), list[float | None]()
    for word, span in enumerate(frames):
        own = np.flatnonzero(word_of_frame == word)
        tokens = graph.tokens[path[own]]
        letters = tokens >= 0
        sure = log_probs[own[letters], tokens[letters]]
        confidences.append(round(float(np.exp(np.minimum(sure, 0).mean())), 4) if sure.size else None)
        span[:] = _heard(own, tokens, log_probs, emissions)
    return Spans(frames, confidences, [not word for word in words])


BLANK, GAP = -2, -3


@dataclass(frozen=True, slots=True)
class Graph:
    """One entry a state: its token (or ``STAR``, blank, gap), its word (-1 for gaps), whether it may skip the state
    in front of it."""

    tokens: NDArray[np.int64]
    words: NDArray[np.int64]
    may_skip: NDArray[np.bool_]
    shortest: int

    @classmethod
    def of(cls, words: Sequence[tuple[int, ...]], emissions: Emissions) -> Graph | None:
        if not words:
            return None
        tokens, owners, skip = [GAP], [-1], [False]
        for number, word in enumerate(words):
            for i, token in enumerate(word):
                if i:
                    tokens.append(BLANK)
                    owners.append(-1)
                    skip.append(False)
                tokens.append(token)
                owners.append(number)
                between_words = i == 0 and (number == 0 or emissions.word_delimiter_id is not None)
                skip.append(not between_words and token != tokens[-3])
            tokens.append(GAP)
            owners.append(-1)
            skip.append(False)
        # Every letter takes a frame, and so does each blank or gap that may not be skipped, but for the first and last.
        shortest = sum(map(len, words)) + sum(not s for s in skip[3::2])
        return cls(np.array(tokens), np.array(owners), np.array(skip), shortest)


#: Log-probabilities (frames × tokens, all finite), the states, and what the tokens mean → the state of each frame.
Search = Callable[[NDArray[np.float32], Graph, Emissions], NDArray[np.int64]]


def best_path(log_probs: NDArray[np.float32], graph: Graph, emissions: Emissions) -> NDArray[np.int64]:
    """The search in numpy."""
    return _best_path(columns(log_probs, emissions)[:, graph.tokens], graph.may_skip)


def columns(log_probs: NDArray[np.float32], emissions: Emissions) -> NDArray[np.float32]:
    """The log-probabilities, with columns for gap, blank and star behind them, so that their negative ids find them."""
    blank = log_probs[:, emissions.blank_id]
    gap = blank if emissions.word_delimiter_id is None else np.maximum(blank, log_probs[:, emissions.word_delimiter_id])
    return np.column_stack([log_probs, gap, blank, log_probs.max(axis=1) - _STAR_COST])


def _best_path(scores: NDArray[np.float32], may_skip: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The state of each frame. Starts in one of the first two states, ends in one of the last two."""
    frames, states = scores.shape
    barrier = np.where(may_skip, 0.0, -np.inf).astype(np.float64)[2:]
    best = np.full(states, -np.inf)
    best[:2] = scores[0, :2]
    steps = np.zeros((frames, states), np.int8)
    candidates = np.full((3, states), -np.inf)
    index = np.arange(states)
    for frame in range(1, frames):
        candidates[0] = best
        candidates[1, 1:] = best[:-1]
        candidates[2, 2:] = best[:-2] + barrier
        steps[frame] = step = candidates.argmax(axis=0)
        best = candidates[step, index] + scores[frame]
    path = np.empty(frames, np.int64)
    path[-1] = states - 1 if best[-1] >= best[-2] else states - 2
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = path[frame] - steps[frame, path[frame]]
    return path


def _heard(
    own: NDArray[np.int64], tokens: NDArray[np.int64], log_probs: NDArray[np.float32], emissions: Emissions
) -> tuple[int, int]:
    """First frame and last + 1 of a word. A star at its edge takes in pauses: they are cut off."""
    quiet = log_probs[:, emissions.blank_id]
    if emissions.word_delimiter_id is not None:
        quiet = np.logaddexp(quiet, log_probs[:, emissions.word_delimiter_id])
    loud = np.flatnonzero((tokens != STAR) | (quiet[own] < np.log(0.5)))
    if not loud.size:
        return int(own[0]), int(own[-1]) + 1
    return int(own[loud[0]]), int(own[loud[-1]]) + 1
