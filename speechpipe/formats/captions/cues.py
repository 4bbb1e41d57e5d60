"""Words become cues: what stands on the screen together, for how long, on which lines.

Rules and their defaults are those of subtitling guidelines (``settings.Captions``). Every limit may give way, in the
order reading speed, minimum duration, line length, but no word is dropped, no known time is moved by more than the
gap between two cues, and the cue says which limits it breaks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from speechpipe.formats.captions import breaks
from speechpipe.formats.captions.breaks import Spans
from speechpipe.formats.text import clean, tokens, visible_length
from speechpipe.formats.turns import CUED, Lane, in_order, lane_of, lanes
from speechpipe.settings.captions import Captions
from speechpipe.transcript_data import Event, Segment, TranscriptData, Word

#: What stands in the cue of music, by language; English where the language is not here.
MUSIC = {
    "da": "musik",
    "de": "Musik",
    "en": "music",
    "fi": "musiikki",
    "nb": "musikk",
    "nn": "musikk",
    "no": "musikk",
    "se": "musihkka",
    "sv": "musik",
}


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption. ``number`` runs from 1 through all formats; ``end_ms`` is exclusive and after ``start_ms``.

    ``lines`` hold the words with their own times, unknown ones included; ``segment`` is where they come from, ``None``
    for music. ``beyond`` names the limits that the cue breaks: "speed", "short", "long", "lines", "gap".
    """

    number: int
    start_ms: int
    end_ms: int
    lines: tuple[tuple[Word, ...], ...]
    segment: Segment | None = None
    beyond: tuple[str, ...] = ()

    @property
    def lane(self) -> Lane | None:
        return None if self.segment is None else lane_of(self.segment)

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for line in self.lines for word in line)

    @property
    def line_texts(self) -> tuple[str, ...]:
        return tuple(" ".join([word.text for word in line]) for line in self.lines)

    @property
    def text(self) -> str:
        """The words on one line. Over all cues of a segment, joined by spaces, this is the segment's clean text."""
        return " ".join(self.line_texts)


@dataclass(slots=True)
class _Draft:
    """A cue before its times are fitted to its neighbours'. ``length``: visible characters, ``widest``: of its widest
    line; ``fixed``: as it is."""

    start_ms: int
    end_ms: int
    lines: tuple[tuple[Word, ...], ...]
    segment: Segment
    length: int
    widest: int
    timed: bool
    fixed: bool


def cues(transcript: TranscriptData, limits: Captions) -> list[Cue]:
    """The cues of all lanes and of music, by start; those of one lane never overlap, unless a person gave them so."""
    found = _music(transcript)
    by_lane: dict[Lane, list[Segment]] = {lane: [] for lane in lanes(transcript)}
    for segment in in_order(transcript.segments):
        if (lane := lane_of(segment)) in by_lane:
            by_lane[lane].append(segment)
    for segments in by_lane.values():
        drafts = [draft for segment in segments for draft in _drafts(segment, limits)]
        found += _timed(drafts, limits, _end_of(transcript))
    found.sort(key=lambda cue: cue.start_ms)
    return [
        Cue(number, cue.start_ms, cue.end_ms, cue.lines, cue.segment, cue.beyond) for number, cue in enumerate(found, 1)
    ]


def _end_of(transcript: TranscriptData) -> int | None:
    """No cue may end later: the recording's end, or where speech was found after that."""
    duration = transcript.media.duration_ms
    return None if duration is None else max([duration, *(segment.end_ms for segment in transcript.segments)])


def _drafts(segment: Segment, limits: Captions) -> list[_Draft]:
    """The segment cut into cues that last as long as their words."""
    words = words_of(segment)
    if not words:
        return []
    lengths = [visible_length(word.text) for word in words]
    costs = breaks.costs_of_breaks([word.text for word in words], segment.language)
    fixed = limits.keep_cues and CUED in segment.flags
    if fixed or limits.whole_segments:
        lines = breaks.cut_lines(words, lengths, costs, limits)
        timed = any(word.start_ms is not None for word in words)
        length = sum(lengths) + len(words) - 1
        widest = _widest(lines, lengths)
        return [_Draft(segment.start_ms, segment.end_ms, lines, segment, length, widest, timed, fixed)]
    spans = _spans(words, lengths, segment)
    edges = breaks.cut_cues(words, lengths, spans, costs, limits)
    drafts = []
    for a, b in pairwise(edges):
        lines = breaks.cut_lines(words[a:b], lengths[a:b], costs[a:b], limits)
        end, length = max(end for _, end in spans[a:b]), sum(lengths[a:b]) + b - a - 1
        widest, timed = _widest(lines, lengths[a:b]), breaks.has_time(words, a, b)
        drafts.append(_Draft(spans[a][0], end, lines, segment, length, widest, timed, False))
    return drafts


def _widest(lines: Sequence[Sequence[Word]], lengths: Sequence[int]) -> int:
    ends = list(accumulate((len(line) for line in lines), initial=0))
    return max(sum(lengths[a:b]) + b - a - 1 for a, b in pairwise(ends))


def words_of(segment: Segment) -> list[Word]:
    """The segment's words, cleaned; where they do not add up to its text, that text's words without times."""
    words = [
        word if text == word.text else dataclasses.replace(word, text=text)
        for word in segment.words
        if (text := clean(word.text))
    ]
    if " ".join([word.text for word in words]) == clean(segment.text):
        return words
    return [Word(text) for text in tokens(segment.text)]


def _spans(words: Sequence[Word], lengths: Sequence[int], segment: Segment) -> Spans:
    """When each word is shown: its own time, else its share, by length, of the time its unknown run has.

    Only cues are shaped by these shares: no word is given one as its time.
    """
    spans: Spans = []
    at = 0
    while at < len(words):
        start, end = words[at].start_ms, words[at].end_ms
        if start is not None and end is not None:
            spans.append((start, end))
            at += 1
            continue
        stop = next((i for i in range(at, len(words)) if words[i].start_ms is not None), len(words))
        low = spans[-1][1] if spans else segment.start_ms
        known = words[stop].start_ms if stop < len(words) else segment.end_ms
        spans += shares(low, max(low, known or 0), [length + 1 for length in lengths[at:stop]])
        at = stop
    return spans


def shares(start: int, end: int, weights: Sequence[int]) -> Spans:
    """The time from ``start`` to ``end`` shared out by weight, without gaps."""
    total = sum(weights)
    return list(pairwise([start + (end - start) * passed // total for passed in accumulate(weights, initial=0)]))


def _timed(drafts: Sequence[_Draft], limits: Captions, latest: int | None) -> list[Cue]:
    """One lane's cues, in order: starts made distinct, ends lengthened for reading and cut before the next."""
    starts = [draft.start_ms for draft in drafts]
    if not all(draft.fixed for draft in drafts):
        _make_distinct(starts, latest)
    pace = 1000 / limits.max_chars_per_second if limits.max_chars_per_second else 0.0
    timed: list[Cue] = []
    for i, draft in enumerate(drafts):
        start, following = starts[i], starts[i + 1] if i + 1 < len(starts) else None
        end = draft.end_ms
        if not draft.fixed:
            reading_ms = max(limits.min_cue_ms, -int(-draft.length * pace // 1))
            longest = limits.max_cue_ms
            end = max(end, start + (reading_ms if longest is None else min(reading_ms, longest)))
            if longest is not None and draft.timed:
                end = min(end, start + longest)
            if following is not None:
                end = min(end, following - min(limits.min_gap_ms, max(0, following - start) // 2))
        end = max(start + 1, end if latest is None else min(end, latest))
        beyond = _beyond(draft, start, end, following, limits)
        timed.append(Cue(0, start, end, draft.lines, draft.segment, beyond))
    return timed


def _make_distinct(starts: list[int], latest: int | None) -> None:
    """Move ``starts`` as little as need be to rise strictly and to leave each cue a millisecond."""
    for i in range(1, len(starts)):
        starts[i] = max(starts[i], starts[i - 1] + 1)
    if latest is not None and latest >= len(starts):
        for i in reversed(range(len(starts))):
            starts[i] = min(starts[i], (starts[i + 1] if i + 1 < len(starts) else latest) - 1)


def _beyond(draft: _Draft, start: int, end: int, following: int | None, limits: Captions) -> tuple[str, ...]:
    duration, wide = end - start, limits.max_line_chars
    broken = []
    if limits.max_chars_per_second and draft.length * 1000 > limits.max_chars_per_second * duration:
        broken.append("speed")
    if duration < limits.min_cue_ms:
        broken.append("short")
    if limits.max_cue_ms is not None and duration > limits.max_cue_ms:
        broken.append("long")
    too_many = limits.max_lines is not None and len(draft.lines) > limits.max_lines
    if too_many or (wide is not None and draft.widest > wide):
        broken.append("lines")
    if following is not None and following - end < limits.min_gap_ms:
        broken.append("gap")
    return tuple(broken)


def line_length(line: Iterable[Word]) -> int:
    return sum(visible_length(word.text) + 1 for word in line) - 1


def music_label(languages: Iterable[str]) -> str:
    """What stands in the cue of music of a recording in these languages."""
    primary = (language.split("-")[0] for language in languages)
    return f"[{next((MUSIC[name] for name in primary if name in MUSIC), MUSIC['en'])}]"


def _music(transcript: TranscriptData) -> list[Cue]:
    """A cue for each stretch of music, on whichever channels it is heard."""
    label = Word(music_label(transcript.languages))
    return [Cue(0, start, end, ((label,),)) for start, end in music(transcript.events)]


def music(events: Iterable[Event]) -> list[tuple[int, int]]:
    """The stretches of music in ms, overlapping ones made one."""
    stretches: list[tuple[int, int]] = []
    for event in sorted(events, key=lambda event: event.start_ms):
        if event.kind != "music" or event.start_ms == event.end_ms:
            continue
        if stretches and event.start_ms <= stretches[-1][1]:
            stretches[-1] = (stretches[-1][0], max(stretches[-1][1], event.end_ms))
        else:
            stretches.append((event.start_ms, event.end_ms))
    return stretches
