"""The language of a recording, heard at several places spread over it, not in its first half minute alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from speechpipe.engines.contract import Clip, Engine
from speechpipe.pipeline.plan import Window

PLACES = 5


def detect_language(
    engine: Engine, windows: Sequence[Window], pcm: Callable[[Window], NDArray[np.float32]]
) -> tuple[str, float] | None:
    """The language with the highest summed probability over the longest window of each fifth of the recording.

    Returns the engine's own code and its mean probability over the places heard, or None where it cannot tell.
    """
    parts = min(PLACES, len(windows))
    edges = [len(windows) * part // parts for part in range(parts + 1)] if parts else [0]
    chosen = [max(windows[a:b], key=lambda window: window.length_ms) for a, b in pairwise(edges)]
    heard = [found for found in engine.detect_language([Clip(pcm(window)) for window in chosen]) if found]
    sums: defaultdict[str, float] = defaultdict(float)
    for language, probability in heard:
        sums[language] += probability
    if not sums:
        return None
    best = max(sums, key=lambda language: sums[language])
    return best, sums[best] / len(heard)
