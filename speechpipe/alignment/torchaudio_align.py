"""Forced alignment by torchaudio, in C++: a second search for the same path, to check the first, or to be quicker."""

from __future__ import annotations

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray

from speechpipe.alignment.viterbi import BLANK, GAP, Graph, columns
from speechpipe.emissions import Emissions

_NEVER = -1e4

#: Far below what an alignment could depend on. Where two ways are equally good, torchaudio 2.11 takes a third that is
#: worse (its comparison of predecessors is strict); so no two may be.
_UNEQUAL = 1e-7


def best_path(log_probs: NDArray[np.float32], graph: Graph, emissions: Emissions) -> NDArray[np.int64]:
    """The state of each frame, as ``viterbi.best_path`` finds it; of equally good paths it may be another.

    torchaudio knows letters, and blanks between them that may be left out. So the gap between words is a letter of its
    own here, and so is the star; the gaps at both ends have a frame each of their own, so that they cost none.
    """
    scores = columns(log_probs, emissions).astype(np.float64)
    words_apart = emissions.word_delimiter_id is not None
    letters = graph.tokens != BLANK if words_apart else graph.words >= 0
    if words_apart:
        end = np.full((1, scores.shape[1]), _NEVER)
        end[0, GAP] = 0.0
        scores = np.concatenate([end, scores, end])
    scores -= np.random.default_rng(0).random(scores.shape) * _UNEQUAL
    states = np.flatnonzero(letters)
    targets = graph.tokens[states] % scores.shape[1]
    found, _ = torchaudio.functional.forced_align(
        torch.from_numpy(scores)[None], torch.from_numpy(targets)[None], blank=emissions.blank_id
    )
    said = found[0].numpy()
    begins = (said != emissions.blank_id) & (said != np.concatenate([[emissions.blank_id], said[:-1]]))
    path = np.where(said == emissions.blank_id, 0, states[np.cumsum(begins) - 1])
    return path[1:-1] if words_apart else path
