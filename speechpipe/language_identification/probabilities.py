"""What languages an engine hears in windows, as languages that the models at hand know."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from speechpipe import languages
from speechpipe.chunking.plan import Window
from speechpipe.engines.contract import Clip, Engine, TellsLanguages

PLACES = 5


def places(windows: Sequence[Window]) -> list[Window]:
    """The longest window of each fifth of the recording: where to listen for the language of the whole."""
    parts = min(PLACES, len(windows))
    edges = [len(windows) * part // parts for part in range(parts + 1)] if parts else [0]
    return [max(windows[a:b], key=lambda window: window.length_ms) for a, b in pairwise(edges)]


def hear(engine: Engine, clips: Sequence[Clip]) -> list[dict[str, float] | None]:
    """Language → probability of each clip; only the best of an engine that tells no more.

    None where the engine or the model cannot tell.
    """
    if isinstance(engine, TellsLanguages):
        return engine.language_probabilities(clips)
    return [best and {best[0]: best[1]} for best in engine.detect_language(clips)]


def folded(heard: Mapping[str, float], allowed: Collection[str]) -> dict[str, float]:
    """``heard`` as probabilities of ``allowed`` languages; what fits none of them is left out, so they may sum to less.

    A language goes to the allowed one that Whisper has the same code for. An allowed language that Whisper has no code
    for, such as Northern Sámi, takes whatever goes to no other; where there are several, the first.
    """
    if not allowed:
        return dict(heard)
    by_code = {languages.whisper_code(own): own for own in sorted(allowed, reverse=True)}
    sums: dict[str, float] = {}
    for language, probability in heard.items():
        own = language if language in allowed else by_code.get(languages.whisper_code(language), by_code.get(None))
        if own is not None:
            sums[own] = sums.get(own, 0.0) + probability
    return sums
