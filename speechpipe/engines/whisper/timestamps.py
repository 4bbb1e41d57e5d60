"""Whisper's tokens of time, one every 20 ms, cut the text of a window into utterances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_MS_PER_TIMESTAMP = 20


def split_at_timestamps(
    tokens: Sequence[int], first_timestamp: int, end_of_text: int, duration_ms: int
) -> Iterator[tuple[int, int, list[int]]]:
    """Start, end (ms within 0..duration_ms, never backwards) and text tokens of each utterance that is marked."""
    start, text = 0, list[int]()
    for token in tokens:
        if token >= first_timestamp:
            at = max(start, min((token - first_timestamp) * _MS_PER_TIMESTAMP, duration_ms))
            if text:
                yield start, at, text
                text = []
            start = at
        elif token < end_of_text:
            text.append(token)
    if text:
        yield start, duration_ms, text
