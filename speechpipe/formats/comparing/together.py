"""Several corrected files of one package as one correction; where they contradict each other, it is said."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from speechpipe.errors import UsageError
from speechpipe.formats import read, write
from speechpipe.formats.captions.cues import Cue, cues
from speechpipe.formats.captions.vtt import timestamp
from speechpipe.formats.comparing.merging import Contradiction, Pick, merged
from speechpipe.formats.comparing.pairing import plain
from speechpipe.formats.comparing.word_times import Known
from speechpipe.formats.provenance import withhold
from speechpipe.formats.text import tokens
from speechpipe.formats.turns import lane_of
from speechpipe.settings.captions import Captions
from speechpipe.transcript_data import Event, Segment, TranscriptData

T = TypeVar("T")

#: So many places are named.
_TOLD = 3


@dataclass(frozen=True, slots=True)
class Side:
    """A corrected file: its format, what it holds, and that laid over the original."""

    format: str
    transcript: TranscriptData
    laid: TranscriptData


def together(original: TranscriptData, sides: Mapping[str, Side], limits: Captions) -> TranscriptData:
    """What the files, by name, say together, as if one file of captions had been read. Those words have times to which
    a file gave one.

    Raises:
        UsageError: they contradict each other; with the places.
    """
    old = sorted((cue for cue in cues(withhold(original, limits.withhold), limits) if cue.segment), key=_of_cue)
    known = Known.of(old)
    names = [_name(cue.start_ms, cue.end_ms, cue.lane.name if cue.lane else None, cue.text) for cue in old]
    segments = {name: _segments(original, old, side, limits, known) for name, side in sides.items()}
    keys = {name: [_told(segment, old, names) for segment in own] for name, own in segments.items()}
    picks, contradictions = merged(names, keys)
    solved = {found.a: _one(found, old, segments) for found in contradictions}
    if unsolved := [found for found in contradictions if solved[found.a] is None]:
        raise _contradiction(unsolved, old, segments)
    said: list[Segment] = []
    for side, index in picks:
        one = segments[side][index] if side else solved.get(index) or _segment(old[index])
        said.append(one)
    said.sort(key=lambda segment: segment.start_ms)
    return replace(
        original,
        segments=tuple(replace(segment, id=number) for number, segment in enumerate(said, 1)),
        events=_events(original, sides, limits),
        warnings=tuple(dict.fromkeys(line for side in sides.values() for line in side.transcript.warnings)),
    )


def _segments(
    original: TranscriptData, old: Sequence[Cue], side: Side, limits: Captions, known: Known
) -> list[Segment]:
    """The captions of a file in order, each with its voice, and with its words where the file gives them new times."""
    base = read(write(original, side.format, limits), side.format).segments
    same = {_all(segment) for segment in base}
    named = any(segment.speaker or segment.channel is not None for segment in side.transcript.segments)
    starts = [cue.start_ms for cue in old]
    at_once: dict[tuple[int, int], list[Cue]] = {}
    for cue in old:
        at_once.setdefault((cue.start_ms, cue.end_ms), []).append(cue)
    found = []
    for segment in sorted(side.transcript.segments, key=lambda one: (one.start_ms, one.end_ms, plain(one.text))):
        there = at_once.get((segment.start_ms, segment.end_ms), [])
        words = () if _all(segment) in same else segment.words
        if words and side.format != "alto":
            words = known.words(segment, [word for cue in there for word in cue.words], 0, exact_ends=False)
        if not named and old:
            place = bisect_left(starts, segment.start_ms)
            near = (
                [cue for cue in there if plain(cue.text) == plain(segment.text)]
                or there
                or old[max(0, place - 1) : place + 1]
            )
            lane = near[0].lane or lane_of(segment)
            segment = replace(segment, channel=lane.channel, speaker=lane.speaker)
        found.append(replace(segment, words=words))
    return found


def _all(segment: Segment) -> tuple[object, ...]:
    return segment.start_ms, segment.end_ms, lane_of(segment), plain(segment.text), segment.words


def _told(segment: Segment, old: Sequence[Cue], names: Sequence[str]) -> str:
    """What a caption says: that of the original where nothing was changed in it."""
    name = _name(segment.start_ms, segment.end_ms, lane_of(segment).name, segment.text)
    times = " ".join(f"{word.start_ms}" for word in segment.words)
    return f"{name} {times}" if times else name


def _one(found: Contradiction, old: Sequence[Cue], segments: Mapping[str, Sequence[Segment]]) -> Segment | None:
    """One caption that several files changed in different places of it; None where they contradict."""
    ways = [[segments[side][i] if side else _segment(old[i]) for side, i in way] for way in found.sides.values()]
    if found.b - found.a != 1 or any(len(way) != 1 for way in ways):
        return None
    cue, own = _segment(old[found.a]), [way[0] for way in ways]
    start = _agreed(cue.start_ms, [one.start_ms for one in own])
    end = _agreed(cue.end_ms, [one.end_ms for one in own])
    lane = _agreed(lane_of(cue), [lane_of(one) for one in own])
    said = {str(number): tokens(one.text) for number, one in enumerate(own)}
    picks, contradictions = merged(tokens(cue.text), said)
    if start is None or end is None or lane is None or contradictions:
        return None
    text = " ".join(said[side][i] if side else tokens(cue.text)[i] for side, i in picks)
    timed = next((one.words for one in own if one.words and one.text == text), ())
    return replace(
        cue, start_ms=start, end_ms=max(start, end), channel=lane.channel, speaker=lane.speaker, text=text, words=timed
    )


def _agreed(old: T, given: Sequence[T]) -> T | None:
    """What was given in the place of the old; None where two were given."""
    new = {one for one in given if one != old}
    return next(iter(new), old) if len(new) <= 1 else None


def _events(original: TranscriptData, sides: Mapping[str, Side], limits: Captions) -> tuple[Event, ...]:
    """Music where any file put it, and nowhere where any file took it out."""
    out, put = set[Event](), set[Event]()
    base = read(write(original, "vtt", limits), "vtt").events
    for side in sides.values():
        mine = {replace(event, channel=None) for event in side.transcript.events if event.kind == "music"}
        out |= set(base) - mine
        put |= mine - set(base)
    return tuple(sorted((set(base) - out) | put, key=lambda event: event.start_ms))


def _contradiction(
    found: Sequence[Contradiction], old: Sequence[Cue], segments: Mapping[str, Sequence[Segment]]
) -> UsageError:
    def told(way: Sequence[Pick]) -> tuple[int | None, str]:
        own = [segments[side][i] if side else _segment(old[i]) for side, i in way]
        return (own[0].start_ms if own else None), " ".join(one.text for one in own)

    places = []
    for one in found[:_TOLD]:
        ways = {name: told(way) for name, way in one.sides.items()}
        at = next((start for start, _ in ways.values() if start is not None), 0)
        start = old[one.a].start_ms if one.a < len(old) else at
        said = [f"“{text[:60]}” in {name}" if text else f"nothing in {name}" for name, (_, text) in ways.items()]
        places.append(f"at {timestamp(start)} {' and '.join(said)}")
    more = f"; and {len(found) - _TOLD} more places" if len(found) > _TOLD else ""
    names = list(dict.fromkeys(name for one in found for name in one.sides))
    return UsageError(
        f"{' and '.join(names)} were corrected and contradict each other: {'; '.join(places)}{more}.",
        cure="Make them say the same there, or delete those that do not hold.",
    )


def _segment(cue: Cue) -> Segment:
    lane = cue.lane
    speaks = (lane.channel, lane.speaker) if lane else (None, None)
    return Segment(0, cue.start_ms, cue.end_ms, cue.text, channel=speaks[0], speaker=speaks[1])


def _of_cue(cue: Cue) -> tuple[int, int, str]:
    return cue.start_ms, cue.end_ms, plain(cue.text)


def _name(start_ms: int, end_ms: int, lane: str | None, text: str) -> str:
    return f"{start_ms} {end_ms} {lane} {plain(text)}"
