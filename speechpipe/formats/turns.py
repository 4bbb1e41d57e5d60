"""Who speaks when: lanes (a channel, a speaker) and the turns taken on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from speechpipe.formats.text import clean
from speechpipe.transcript_data import Segment, TranscriptData

#: A silence this long ends a turn even when nobody else speaks, so that a monologue has paragraphs.
PAUSE_MS = 2_000
#: Flag of a segment that was read as one cue of a file of captions, and stays one.
CUED = "cued"


class Lane(NamedTuple):
    """Speech that is never simultaneous with itself."""

    channel: int | None
    speaker: str | None

    @property
    def name(self) -> str | None:
        """The speaker's name, else the channel's number from 1, else nothing."""
        return self.speaker or (None if self.channel is None else f"Channel {self.channel + 1}")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one lane says in one language until another speaks or a pause comes."""

    lane: Lane
    language: str | None
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        return " ".join(text for segment in self.segments if (text := clean(segment.text)))


def lane_of(segment: Segment) -> Lane:
    return Lane(segment.channel, clean(segment.speaker) or None if segment.speaker else None)


def lanes(transcript: TranscriptData) -> list[Lane]:
    """The lanes that speak, by channel, then in order of appearance."""
    seen = dict.fromkeys(lane_of(segment) for segment in in_order(transcript.segments) if clean(segment.text))
    return sorted(seen, key=lambda lane: -1 if lane.channel is None else lane.channel)


def turns(transcript: TranscriptData) -> list[Turn]:
    """The turns in order of time; segments without text are nobody's turn."""
    found: list[list[Segment]] = []
    for segment in in_order(transcript.segments):
        if not clean(segment.text):
            continue
        if found and _goes_on(found[-1][-1], segment):
            found[-1].append(segment)
        else:
            found.append([segment])
    return [Turn(lane_of(said[0]), said[0].language, tuple(said)) for said in found]


def _goes_on(last: Segment, segment: Segment) -> bool:
    same = (lane_of(last), last.language) == (lane_of(segment), segment.language)
    return same and segment.start_ms - last.end_ms < PAUSE_MS


def in_order(segments: Iterable[Segment]) -> list[Segment]:
    return sorted(segments, key=lambda segment: segment.start_ms)
