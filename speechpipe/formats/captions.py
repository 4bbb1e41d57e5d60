"""Words become cues: what stands on the screen together, for how long, on which lines.

Rules and their defaults are those of subtitling guidelines (``settings.Captions``). Every limit may give way, in the
order reading speed, minimum duration, line length, but no word is dropped, no known time is moved by more than the
gap between two cues, and the cue says which limits it breaks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from speechpipe.formats import breaks
from speechpipe.formats.text import clean, tokens, visible_length
from speechpipe.formats.turns import Lane, in_order, lane_of, lanes
from speechpipe.settings import Captions
from speechpipe.transcript import Event, Segment, Transcript, Word

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
        return tuple(" ".join(word.text for word in line) for line in self.lines)

    @property
    def text(self) -> str:
        """The words on one line. Over all cues of a segment, joined by spaces, this is the segment's clean text."""
        return " ".join(self.line_texts)


def cues(transcript: Transcript, limits: Captions) -> list[Cue]:
    """The cues of all lanes and of music, by start; those of one lane never overlap."""
    found = _music(transcript)
    for lane in lanes(transcript):
        segments = in_order(s for s in transcript.segments if lane_of(s) == lane)
        drafts = [cue for segment in segments for cue in _draft(segment, limits)]
        found += _timed(drafts, limits, _end_of(transcript))
    ordered = sorted(found, key=lambda cue: cue.start_ms)
    return [dataclasses.replace(cue, number=number) for number, cue in enumerate(ordered, 1)]


def _end_of(transcript: Transcript) -> int | None:
    """No cue may end later: the recording's end, or where speech was found after that."""
    duration = transcript.media.duration_ms
    return None if duration is None else max([duration, *(segment.end_ms for segment in transcript.segments)])


def _draft(segment: Segment, limits: Captions) -> list[Cue]:
    """The segment cut into cues that last as long as their words."""
    words = _words(segment)
    if not words:
        return []
    spans = _spans(words, segment)
    cuts = breaks.cut_cues(words, spans, limits)
    return [
        Cue(0, spans[a][0], max(end for _, end in spans[a:b]), breaks.cut_lines(words[a:b], limits), segment)
        for a, b in pairwise(cuts)
    ]


def _words(segment: Segment) -> list[Word]:
    """The segment's words, cleaned; where they do not add up to its text, that text's words without times."""
    words = [dataclasses.replace(word, text=text) for word in segment.words if (text := clean(word.text))]
    if " ".join(word.text for word in words) == clean(segment.text):
        return words
    return [Word(text) for text in tokens(segment.text)]


def _spans(words: list[Word], segment: Segment) -> list[tuple[int, int]]:
    """When each word is shown: its own time, else its share, by length, of the time its unknown run has.

    Only cues are shaped by these shares: no word is given one as its time.
    """
    spans: list[tuple[int, int]] = []
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
        spans += _shares(low, max(low, known or 0), [visible_length(word.text) + 1 for word in words[at:stop]])
        at = stop
    return spans


def _shares(start: int, end: int, weights: list[int]) -> list[tuple[int, int]]:
    total, passed, edges = sum(weights), 0, [start]
    for weight in weights:
        passed += weight
        edges.append(start + (end - start) * passed // total)
    return list(pairwise(edges))


def _timed(drafts: list[Cue], limits: Captions, latest: int | None) -> list[Cue]:
    """One lane's cues, in order: starts made distinct, ends lengthened for reading and cut before the next."""
    starts = _distinct([cue.start_ms for cue in drafts], latest)
    timed: list[Cue] = []
    for i, (cue, start) in enumerate(zip(drafts, starts, strict=True)):
        following = starts[i + 1] if i + 1 < len(starts) else None
        length = visible_length(cue.text)
        reading_ms = max(limits.min_cue_ms, -int(-length * 1000 // limits.max_chars_per_second))
        end = max(cue.end_ms, start + min(reading_ms, limits.max_cue_ms))
        if any(word.start_ms is not None for word in cue.words):
            end = min(end, start + limits.max_cue_ms)
        if following is not None:
            end = min(end, following - min(limits.min_gap_ms, (following - start) // 2))
        end = max(start + 1, end if latest is None else min(end, latest))
        timed.append(dataclasses.replace(cue, start_ms=start, end_ms=end, beyond=()))
        timed[-1] = dataclasses.replace(timed[-1], beyond=_beyond(timed[-1], following, limits))
    return timed


def _distinct(starts: list[int], latest: int | None) -> list[int]:
    """``starts`` moved as little as need be to rise strictly and to leave each cue a millisecond."""
    for i in range(1, len(starts)):
        starts[i] = max(starts[i], starts[i - 1] + 1)
    if latest is not None and latest >= len(starts):
        for i in reversed(range(len(starts))):
            starts[i] = min(starts[i], (starts[i + 1] if i + 1 < len(starts) else latest) - 1)
    return starts


def _beyond(cue: Cue, following: int | None, limits: Captions) -> tuple[str, ...]:
    duration = cue.end_ms - cue.start_ms
    broken = {
        "speed": visible_length(cue.text) * 1000 > limits.max_chars_per_second * duration,
        "short": duration < limits.min_cue_ms,
        "long": duration > limits.max_cue_ms,
        "lines": len(cue.lines) > limits.max_lines
        or any(visible_length(text) > limits.max_line_chars for text in cue.line_texts),
        "gap": following is not None and following - cue.end_ms < limits.min_gap_ms,
    }
    return tuple(name for name, is_broken in broken.items() if is_broken)


def _music(transcript: Transcript) -> list[Cue]:
    """A cue for each stretch of music, on whichever channels it is heard."""
    languages = (language.split("-")[0] for language in transcript.languages)
    label = Word(f"[{next((MUSIC[name] for name in languages if name in MUSIC), MUSIC['en'])}]")
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
