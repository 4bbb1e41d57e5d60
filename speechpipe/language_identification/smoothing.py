"""Languages of single windows, made steady: a tape changes its language seldom, and a short window tells little.

A hidden Markov model over the windows of one lane, solved by Viterbi (Forney, 1973): the state is the language, the
evidence of a window is the log of its language posterior, weighted by its length, and a change of language costs
``SWITCH`` nats. So a full window that is sure stands alone between two of another language; one that is short, unsure
or without evidence goes with its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

#: What a change costs, in nats: the odds of a window against its neighbour's language are 7 to 1 before it is heard.
SWITCH = 2.0
#: A window of this length has its full say, a shorter one in proportion.
FULL_MS = 5_000
#: No posterior counts as less: one window's say stays within 4.6 nats, however sure an engine makes believe it is.
FLOOR = 0.01
#: A language counts as spoken on the tape where some window gives it at least this much.
SPOKEN = 0.5

Posterior = Mapping[str, float]


def smooth(posteriors: Sequence[Posterior | None], lengths_ms: Sequence[int]) -> list[str | None]:
    """The language of each window, one of those that some window is sure of (``SPOKEN``), never another.

    Args:
        posteriors: language → probability of each window, in order of time; None or empty: nothing can be told.
        lengths_ms: their lengths.

    Where no window is sure of any, all get the language that is likeliest overall; None where none was heard at all.
    """
    spoken = _spoken(posteriors, lengths_ms)
    if not spoken:
        return [None] * len(posteriors)
    score = np.zeros(len(spoken))
    came_from: list[NDArray[np.int64]] = []
    for posterior, length_ms in zip(posteriors, lengths_ms, strict=True):
        best = int(score.argmax())
        changed = score < score[best] - (SWITCH if came_from else 0.0)
        came_from.append(np.where(changed, best, np.arange(len(spoken))))
        score = np.where(changed, score[best] - SWITCH, score)
        if posterior:
            heard = np.array([posterior.get(language, 0.0) for language in spoken])
            score += np.log(np.maximum(heard, FLOOR)) * _weight(length_ms)
    path = [int(score.argmax())]
    for before in came_from[:0:-1]:
        path.append(int(before[path[-1]]))
    return [spoken[state] for state in reversed(path)]


def overall(posteriors: Sequence[Posterior | None], lengths_ms: Sequence[int]) -> dict[str, float]:
    """Mean posterior of the windows in which something was heard, weighted by length; the likeliest language first."""
    sums: dict[str, float] = {}
    heard = [(posterior, _weight(ms)) for posterior, ms in zip(posteriors, lengths_ms, strict=True) if posterior]
    for posterior, weight in heard:
        for language, probability in posterior.items():
            sums[language] = sums.get(language, 0.0) + probability * weight
    whole = sum(weight for _, weight in heard)
    ranked = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    return {language: value / whole for language, value in ranked if value > 0}


def _spoken(posteriors: Sequence[Posterior | None], lengths_ms: Sequence[int]) -> list[str]:
    """The likeliest overall first, so that it wins where evidence is even."""
    ranked = list(overall(posteriors, lengths_ms))
    sure = {language for p in posteriors if p for language, value in p.items() if value >= SPOKEN}
    return [language for language in ranked if language in sure] or ranked[:1]


def _weight(length_ms: int) -> float:
    return max(min(length_ms / FULL_MS, 1.0), 0.001)
