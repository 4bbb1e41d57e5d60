"""Flags: what a person should look at first. A flag marks; it never deletes text."""

from __future__ import annotations

from speechpipe.transcript import Segment

# Whisper's own limits for a failed decoding (openai/whisper, transcribe.py).
LOWEST_LOGPROB = -1.0
HIGHEST_COMPRESSION = 2.4
LOWEST_CONFIDENCE = 0.4


def flags(segment: Segment) -> tuple[str, ...]:
    """The segment's flags with those that follow from its numbers added; unknown numbers flag nothing."""
    known = [word.confidence for word in segment.words if word.confidence is not None]
    found = {
        "low_logprob": segment.avg_logprob is not None and segment.avg_logprob < LOWEST_LOGPROB,
        "repetition": segment.compression_ratio is not None and segment.compression_ratio > HIGHEST_COMPRESSION,
        "low_confidence": bool(known) and sum(known) / len(known) < LOWEST_CONFIDENCE,
    }
    return segment.flags + tuple(name for name, holds in found.items() if holds and name not in segment.flags)
