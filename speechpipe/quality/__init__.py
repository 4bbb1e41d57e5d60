"""Flags that follow from a segment's numbers and its neighbours; ``speechpipe.flags`` says what each means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from speechpipe.transcript_data import Segment

# Whisper's own limits for a failed decoding (openai/whisper, transcribe.py).
LOWEST_LOGPROB = -1.0
HIGHEST_COMPRESSION = 2.4
LOWEST_CONFIDENCE = 0.4

#: So often, and so many words in all, that it is no manner of speaking.
_TIMES, _WORDS = 4, 6


def flagged(segments: Sequence[Segment]) -> list[Segment]:
    """The segments of a recording, in order, with all flags that they deserve; text and times stay."""
    loops = {id(segment) for lane in _lanes(segments) for segment in _loops(lane)}
    return [replace(segment, flags=_with(flags(segment), {"repetition": id(segment) in loops})) for segment in segments]


def flags(segment: Segment) -> tuple[str, ...]:
    """The segment's flags with those that follow from its numbers added; unknown numbers flag nothing."""
    known = [word.confidence for word in segment.words if word.confidence is not None]
    found = {
        "low_logprob": segment.avg_logprob is not None and segment.avg_logprob < LOWEST_LOGPROB,
        "repetition": segment.compression_ratio is not None and segment.compression_ratio > HIGHEST_COMPRESSION,
        "low_confidence": bool(known) and sum(known) / len(known) < LOWEST_CONFIDENCE,
    }
    return _with(segment.flags, found)


def _with(flags: tuple[str, ...], found: dict[str, bool]) -> tuple[str, ...]:
    return flags + tuple(name for name, holds in found.items() if holds and name not in flags)


def _lanes(segments: Iterable[Segment]) -> list[list[Segment]]:
    lanes: dict[tuple[int | None, str | None], list[Segment]] = {}
    for segment in segments:
        lanes.setdefault((segment.channel, segment.speaker), []).append(segment)
    return list(lanes.values())


def _loops(lane: Iterable[Segment]) -> list[Segment]:
    """Segments that say the same as their neighbours, again and again: a loop over windows, each of which was good."""
    found = []
    for words, run in groupby(lane, key=lambda segment: tuple(re.findall(r"\w+", segment.text.casefold()))):
        same = list(run)
        if words and len(same) >= _TIMES and len(same) * len(words) >= _WORDS:
            found += same
    return found
