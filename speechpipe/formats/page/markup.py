"""The transcript as markup of a page, the times of its words, and the picture of who speaks when."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby

from speechpipe import languages
from speechpipe.errors import UnknownLanguage
from speechpipe.flags import FLAGS, NEUTRAL
from speechpipe.formats.captions.cues import words_of
from speechpipe.formats.text import clean
from speechpipe.formats.turns import Lane, Turn, lane_of, lanes, turns
from speechpipe.transcript_data import Event, EventKind, Segment, TranscriptData, Word

#: Confidence below which a word is marked, and how: very unsure, unsure.
UNSURE = ((0.5, "u"), (0.75, "d"))
_SURE = max(limit for limit, _ in UNSURE)
EVENTS: dict[EventKind, str] = {
    "music": "Music",
    "silence": "Silence",
    "noise": "Noise",
    "tone": "A tone",
    "unreadable": "The recording could not be read here",
}
#: Lanes that have a colour; and rows in the overview, of which the last takes the rest.
COLOURS = 6
_ROWS = 8
_ROW_HEIGHT = 12
_WIDTH = 2000
_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


def text(value: str) -> str:
    """Escaped, for the text of an element or an attribute in quotes."""
    return escape(clean(value))


def span_of(transcript: TranscriptData) -> int:
    """Where the recording ends, in ms: as decoded, or behind all that was found."""
    found: list[Segment | Event] = [*transcript.segments, *transcript.events]
    return max([transcript.media.duration_ms or 0, *(item.end_ms for item in found)])


def clock(ms: int) -> str:
    """``1:02:03`` or ``2:03``."""
    hours, minutes, seconds = ms // 3_600_000, ms // 60_000 % 60, ms // 1000 % 60
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def said(transcript: TranscriptData) -> tuple[str, dict[str, list[int | None]]]:
    """Segments and events in order of time, as markup; and the times for all ``span`` of words, in the same order.

    ``segments``: start and end of each, in ms. ``starts``: of words, from that of the last known one before; ``lasts``:
    how long; ``sure``: per cent. What is not known is None.
    """
    places = {lane: number for number, lane in enumerate(lanes(transcript))}
    times: dict[str, list[int | None]] = {"segments": [], "starts": [], "lasts": [], "sure": []}
    blocks: list[tuple[int, str]] = []
    several = len({segment.language for segment in transcript.segments}) > 1
    ids: set[int] = set()
    last = 0
    for turn in turns(transcript):
        for segment in turn.segments:
            words = words_of(segment)
            if not words:
                continue
            first = segment is turn.segments[0]
            heading = _who(turn, several) if first else ""
            anchor = "" if segment.start_ms in ids else f' id="t={_seconds(segment.start_ms)}"'
            ids.add(segment.start_ms)
            blocks.append((segment.start_ms, _segment(segment, words, places[turn.lane], first, heading, anchor)))
            times["segments"] += [segment.start_ms, segment.end_ms]
            last = _times(words, last, times)
    blocks += [(event.start_ms, _event(event, channels)) for event, channels in _heard(transcript.events)]
    blocks.sort(key=lambda block: block[0])
    return "\n".join([markup for _, markup in blocks]), times


def _times(words: Sequence[Word], last: int, times: dict[str, list[int | None]]) -> int:
    starts, lasts = times["starts"], times["lasts"]
    for word in words:
        if word.start_ms is None or word.end_ms is None:
            starts.append(None)
            lasts.append(None)
        else:
            starts.append(word.start_ms - last)
            lasts.append(word.end_ms - word.start_ms)
            last = word.start_ms
    times["sure"] += [None if word.confidence is None else round(word.confidence * 100) for word in words]
    return last


def _segment(segment: Segment, words: Sequence[Word], lane: int, first: bool, heading: str, anchor: str) -> str:
    seconds = _seconds(segment.start_ms)
    return (
        f'<div class="seg l{lane % COLOURS}{" first" if first else ""}" data-lane="{lane}"{anchor}>{heading}'
        f'<a href="#t={seconds}">{clock(segment.start_ms)}</a>'
        f'<p class="said"{_lang(segment.language)} dir="auto">{_words(words)}</p>{_flags(segment.flags)}</div>'
    )


def _words(words: Sequence[Word]) -> str:
    # No word holds a NUL, so that all can be escaped at once.
    escaped = escape("\0".join([word.text for word in words]))
    marks = ["" if word.confidence is None or word.confidence >= _SURE else _mark(word.confidence) for word in words]
    if not any(marks):
        return f"<span>{escaped.replace(chr(0), '</span> <span>')}</span>"
    spans = zip(marks, escaped.split("\0"), strict=True)
    return " ".join([f'<span class="{mark}">{word}</span>' if mark else f"<span>{word}</span>" for mark, word in spans])


def _mark(confidence: float) -> str:
    return next(mark for limit, mark in UNSURE if confidence < limit)


def _who(turn: Turn, several: bool) -> str:
    """Who speaks and, where there are several languages, which."""
    name = f"<bdi{_ours(turn.lane)}>{text(turn.lane.name)}</bdi>" if turn.lane.name else ""
    language = ""
    if several and turn.language:
        code = f' data-code="{turn.language}"' if _TAG.fullmatch(turn.language) else ""
        language = f'<span class="language"{code}>{text(_language(turn.language))}</span>'
    return f'<p class="who">{" ".join(filter(None, [name, language]))}</p>' if name or language else ""


def _ours(lane: Lane) -> str:
    """A channel without a speaker has a name of ours."""
    return "" if lane.speaker else " data-t"


def _language(code: str) -> str:
    try:
        return languages.name(code)
    except UnknownLanguage:
        return code


def _lang(code: str | None) -> str:
    return f' lang="{code}"' if code and _TAG.fullmatch(code) else ' lang=""'


def _flags(flags: Iterable[str]) -> str:
    return "".join(
        f'<p class="flag{" n" if flag in NEUTRAL else ""}"{" data-t" if flag in FLAGS else ""}>'
        f"{text(FLAGS.get(flag, flag))}</p>"
        for flag in sorted(filter(clean, flags), key=lambda flag: list(FLAGS).index(flag) if flag in FLAGS else -1)
    )


def _heard(events: Iterable[Event]) -> list[tuple[Event, list[int]]]:
    """The events, and on which channels; those of a kind that overlap are one, but for silence, which is of each."""
    found: list[tuple[Event, list[int]]] = []
    order: list[EventKind] = list(EVENTS)
    for kind, group in groupby(sorted(events, key=lambda e: (order.index(e.kind), e.start_ms)), key=lambda e: e.kind):
        for event in group:
            channels = [] if event.channel is None else [event.channel]
            if found and kind != "silence" and found[-1][0].kind == kind and event.start_ms <= found[-1][0].end_ms:
                before, known = found.pop()
                end = max(before.end_ms, event.end_ms)
                found.append((Event(before.start_ms, end, kind), sorted({*known, *channels})))
            else:
                found.append((event, channels))
    return found


def _event(event: Event, channels: Sequence[int]) -> str:
    numbers = " and ".join(str(channel + 1) for channel in channels)
    where = f", <span data-t>channel {numbers}</span>" if channels else ""
    when = f"{clock(event.start_ms)} <span data-t>to</span> {clock(event.end_ms)}"
    return f'<p class="event {event.kind}"><span data-t>{EVENTS[event.kind]}</span>{where}: {when}</p>'


def _seconds(ms: int) -> str:
    return f"{ms // 1000}.{ms % 1000:03d}"


def overview(transcript: TranscriptData) -> str:
    """Who speaks when, and what else is heard: a row a lane and one for events, from left to right."""
    end = span_of(transcript)
    if end == 0:
        return ""
    speaking = lanes(transcript)
    rows = speaking[: _ROWS - 1] if len(speaking) > _ROWS else speaking
    spans: dict[Lane | None, list[Segment]] = {}
    for segment in transcript.segments:
        lane = lane_of(segment)
        spans.setdefault(lane if lane in rows else None, []).append(segment)
    named: list[tuple[str, str, str, Iterable[Segment | Event]]] = [
        (lane.name or "Speech", _ours(lane), f"l{number % COLOURS}", spans.get(lane, []))
        for number, lane in enumerate(rows)
    ]
    if None in spans:
        named.append(("Others", " data-t", f"l{len(rows) % COLOURS}", spans[None]))
    for kind, name in EVENTS.items():
        if heard := [event for event in transcript.events if event.kind == kind]:
            named.append(("Unreadable" if kind == "unreadable" else name, " data-t", kind, heard))
    height = _ROW_HEIGHT * len(named)
    labels = "".join(f"<li><bdi{ours}>{text(name)}</bdi></li>" for name, ours, _, _ in named)
    paths = "".join(
        f'<path class="{style}" d="{_path(items, end, _ROW_HEIGHT * row + _ROW_HEIGHT // 2)}"/>'
        for row, (_, _, style, items) in enumerate(named)
    )
    return (
        f'<ul class="rows" aria-label="Heard in this recording" data-t>{labels}</ul>'
        f'<div id="overview" aria-hidden="true"><svg viewBox="0 0 {_WIDTH} {height}" height="{height}" '
        f'preserveAspectRatio="none">{paths}<path id="hits" d=""/></svg><i id="head"></i></div>'
    )


def _path(items: Iterable[Segment | Event], end: int, y: int) -> str:
    """Strokes as wide as the stretches are long, none narrower than one step; those that touch are one."""
    drawn: list[list[int]] = []
    for item in sorted(items, key=lambda item: item.start_ms):
        a = min(item.start_ms * _WIDTH // end, _WIDTH - 1)
        b = max(a + 1, item.end_ms * _WIDTH // end)
        if drawn and a <= drawn[-1][1]:
            drawn[-1][1] = max(drawn[-1][1], b)
        else:
            drawn.append([a, b])
    return "".join(f"M{a} {y}h{b - a}" for a, b in drawn)
