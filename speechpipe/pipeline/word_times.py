"""Word times of one window: from emissions where they can be had, else fallbacks that say that they are fallbacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from speechpipe import alignment
from speechpipe.emissions import Emissions
from speechpipe.engines.contract import Utterance
from speechpipe.transcript_data import Word

NOT_ALIGNED = "alignment_fallback"


def with_word_times(
    utterances: Sequence[Utterance],
    emissions: Emissions | None,
    length_ms: int,
    method: str = alignment.VITERBI,
) -> list[Utterance]:
    """The window's utterances with a time for every word, counted from the window's start.

    All of the window's text is aligned at once, since an engine's own cuts between utterances are coarse. Without
    emissions, or where the text cannot fit them, the words keep the decoder's times or are spread over the utterance.
    """
    text = " ".join(u.text for u in utterances)
    if emissions is not None and text.split():
        found = alignment.align(text, emissions, length_ms, method)
        if NOT_ALIGNED not in found.flags:
            return list(_share(utterances, found))
    return [_fallback(u) for u in utterances]


def utterance_from_dict(content: Mapping[str, Any]) -> Utterance:
    words = tuple(Word(**word) for word in content["words"])
    return Utterance(**{**content, "words": words, "flags": tuple(content["flags"])})


def _share(utterances: Sequence[Utterance], found: alignment.Alignment) -> Iterator[Utterance]:
    words = iter(found.words)
    for utterance in utterances:
        own = tuple(islice(words, len(utterance.text.split())))
        known = [(w.start_ms, w.end_ms) for w in own if w.start_ms is not None and w.end_ms is not None]
        start_ms, end_ms = (known[0][0], known[-1][1]) if known else (utterance.start_ms, utterance.end_ms)
        yield replace(
            utterance, start_ms=start_ms, end_ms=max(start_ms, end_ms), words=own, flags=utterance.flags + found.flags
        )


def _fallback(utterance: Utterance) -> Utterance:
    if utterance.words or not utterance.text.split():
        return utterance
    spread = alignment.align(utterance.text, None, utterance.end_ms - utterance.start_ms)
    words = tuple(shifted(word, utterance.start_ms) for word in spread.words)
    return replace(utterance, words=words, flags=utterance.flags + spread.flags)


def shifted(word: Word, by_ms: int) -> Word:
    """``word`` with its times, where known, moved by ``by_ms``."""
    if word.start_ms is None or word.end_ms is None:
        return word
    return replace(word, start_ms=word.start_ms + by_ms, end_ms=word.end_ms + by_ms)
