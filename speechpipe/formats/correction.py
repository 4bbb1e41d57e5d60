"""A person's correction laid over what it corrects: what stands unchanged keeps all that the machine knew of it.

A segment whose cues are all as they were stays as it was. Each other cue of the corrected file becomes a segment of its
own. Of its words, those that stayed keep time and confidence; one that replaced others is spread over their time and
says so (``interpolated``); an added one has no time. Times that the person gave are ``human``.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from speechpipe.errors import UsageError
from speechpipe.formats.captions import Cue, cues, music, music_label, shares, words_of
from speechpipe.formats.changes import changes, matches
from speechpipe.formats.provenance import withhold
from speechpipe.formats.text import clean, visible_length
from speechpipe.formats.turns import CUED, Lane, lane_of, lanes
from speechpipe.settings import Captions
from speechpipe.transcript import Event, Revision, Segment, Transcript, Word


@dataclass(frozen=True, slots=True)
class _Old:
    """A word of the original, where it stood and in which cue."""

    word: Word
    cue: Cue


def corrected(
    original: Transcript, read: Transcript, revision: Revision, limits: Captions, exact_ends: bool = False
) -> Transcript:
    """The original with what a person changed in a file of it; the original itself where nothing was changed.

    Args:
        read: that file, as its reader gives it. limits: what shaped the cues when the file was written.
        exact_ends: the file has the ends of words, not only their starts.

    Raises:
        UsageError: the two are of different recordings.
    """
    check_same_recording(original, read)
    label = music_label(original.languages)
    heard = [(s.start_ms, s.end_ms) for s in read.segments if not s.speaker and clean(s.text) == label]
    heard += [(event.start_ms, event.end_ms) for event in read.events if event.kind == "music"]
    new = [s for s in read.segments if s.speaker or clean(s.text) != label]
    shown = withhold(original, limits.withhold)
    made = cues(shown, limits)
    old = [cue for cue in made if cue.segment is not None]
    segments = _merged(shown, old, new, exact_ends)
    events = _events(original, heard)
    if segments is None and events == original.events:
        return original
    if segments is None:
        ordered = original.segments
    else:
        held = [s for s in original.segments if not set(limits.withhold).isdisjoint(s.flags)]
        in_time = sorted((*segments, *held), key=lambda segment: segment.start_ms)
        ordered = tuple(replace(segment, id=number) for number, segment in enumerate(in_time, 1))
    return replace(
        original,
        outcome="speech" if ordered else ("no_speech" if original.outcome == "speech" else original.outcome),
        segments=ordered,
        events=events,
        warnings=original.warnings + tuple(line for line in read.warnings if line not in original.warnings),
        revision=revision,
    )


def settled(transcript: Transcript) -> Transcript:
    """Segments whose text a person changed beside their words: the words follow the text. Itself where none is."""
    changed = {
        index: replace(segment, words=tuple(_within(segment)))
        for index, segment in enumerate(transcript.segments)
        if segment.words and " ".join(w.text for w in segment.words) != segment.text and clean(segment.text)
    }
    if not any(changed[index].words != transcript.segments[index].words for index in changed):
        return transcript
    return replace(
        transcript, segments=tuple(changed.get(index, segment) for index, segment in enumerate(transcript.segments))
    )


def with_human_times(original: Transcript, read: Transcript) -> Transcript:
    """``read``, the same transcript as JSON: words with times that the original does not have get human ones."""
    spans = {(s.channel, word.start_ms, word.end_ms) for s in original.segments for word in s.words}

    def judged(segment: Segment, word: Word) -> Word:
        given = word.start_ms is not None and word.timing != "interpolated"
        moved = given and (segment.channel, word.start_ms, word.end_ms) not in spans
        return replace(word, timing="human") if moved else word

    return replace(
        read,
        segments=tuple(
            replace(segment, words=tuple(judged(segment, word) for word in segment.words)) for segment in read.segments
        ),
    )


def check_same_recording(original: Transcript, read: Transcript) -> None:
    """Raises UsageError: their digests differ or, where one is not known, their names."""
    ours, theirs = original.media, read.media
    if ours.sha256 and theirs.sha256:
        differ = ours.sha256 != theirs.sha256
    else:
        differ = bool(ours.name and theirs.name) and _plain(ours.name) != _plain(theirs.name)
    if differ:
        raise UsageError(
            f"These are transcripts of different recordings: {theirs.name} and {ours.name}.",
            cure="Give the transcript that was corrected with --original.",
        )


def _events(original: Transcript, heard: Sequence[tuple[int, int]]) -> tuple[Event, ...]:
    """The original's events; music is where the person left it."""
    stretches = set(heard)
    same = stretches & set(music(original.events))
    if stretches == set(music(original.events)):
        return original.events
    kept = [
        event
        for event in original.events
        if event.kind != "music" or any(start <= event.start_ms and event.end_ms <= end for start, end in same)
    ]
    return tuple(kept + [Event(start, max(start, end), "music") for start, end in sorted(stretches - same)])


def _merged(
    original: Transcript, old: Sequence[Cue], new: Sequence[Segment], exact_ends: bool
) -> tuple[Segment, ...] | None:
    """The segments, or None where every cue is as it was."""
    named = any(segment.speaker or segment.channel is not None for segment in new)
    alike = matches([_key(cue, named) for cue in old], [_read_key(segment, named) for segment in new])
    pairs = [(i, j) for i, j in alike if _same_times(old[i], new[j], exact_ends)]
    same = {j: old[i] for i, j in pairs}
    if len(same) == len(new) == len(old):
        return None
    stood = {i for i, _ in pairs}
    standing = {id(cue.segment) for cue in old} - {id(cue.segment) for i, cue in enumerate(old) if i not in stood}
    words = _words(old, new, same, exact_ends)
    by_name = {lane.name: lane for lane in lanes(original)}
    found: list[Segment] = [
        segment for segment in original.segments if id(segment) in standing or not words_of(segment)
    ]
    last: Segment | None = None
    for j, segment in enumerate(new):
        source = same[j].segment if j in same else words[j][1] or last
        last = source or last
        if j in same and id(source) in standing:
            continue
        lane = by_name.get(lane_of(segment).name, lane_of(segment)) if named or source is None else lane_of(source)
        found.append(_segment(segment, words[j][0], source, lane))
    return tuple(found)


def _segment(read: Segment, words: tuple[Word, ...], source: Segment | None, lane: Lane) -> Segment:
    language = source.language if source is not None else read.language
    return Segment(
        id=0,
        start_ms=read.start_ms,
        end_ms=read.end_ms,
        text=read.text,
        words=words,
        language=language,
        channel=lane.channel,
        speaker=lane.speaker,
        flags=(CUED,),
    )


def _same_times(old: Cue, new: Segment, exact_ends: bool) -> bool:
    """Whether the file gives the words of a cue, where it gives them any, the times that they had."""
    given = (_Given(new, word, exact_ends) for word in new.words)
    return all(one.at(word) for one, word in zip(given, old.words, strict=False))


def _key(cue: Cue, named: bool) -> str:
    return f"{cue.start_ms} {cue.end_ms} {cue.lane.name if named and cue.lane else None} {_plain(cue.text)}"


def _read_key(segment: Segment, named: bool) -> str:
    lane = lane_of(segment).name if named else None
    return f"{segment.start_ms} {segment.end_ms} {lane} {_plain(segment.text)}"


def _plain(text: str) -> str:
    """``text`` as it is in every format: SubRip has a space more behind what might begin a tag."""
    return clean(text).replace("< ", "<").replace("{ ", "{")


def _words(
    old: Sequence[Cue], new: Sequence[Segment], same: Mapping[int, Cue], exact_ends: bool
) -> list[tuple[tuple[Word, ...], Segment | None]]:
    """For each new cue its words, and the old segment that most likely is their source."""
    before = [_Old(word, cue) for cue in old for word in cue.words]
    after = [(segment, word) for segment in new for word in words_of(segment)]
    given = [_Given(segment, word, exact_ends) for segment, word in after]
    found: list[tuple[Word, Cue | None]] = [(one.word, None) for one in given]
    old_texts, new_texts = [one.word.text for one in before], [word.text for _, word in after]
    for i, j in matches(old_texts, new_texts):
        found[j] = given[j].kept(before[i]), before[i].cue
    for a, b, c, d in changes(old_texts, new_texts):
        found[c:d] = [(word, None) for word in _replacing([one.word for one in before[a:b]], given[c:d])]
    starts = [cue.start_ms for cue in old]
    result: list[tuple[tuple[Word, ...], Segment | None]] = []
    at = 0
    for j, segment in enumerate(new):
        count = len(words_of(segment))
        own = found[at : at + count]
        at += count
        if j in same:
            result.append((same[j].words, same[j].segment))
            continue
        source = next((cue for _, cue in own if cue is not None), None)
        near = source or _nearest(old, starts, segment.start_ms)
        result.append((tuple(_fitted([w for w, _ in own], segment, source)), near.segment if near else None))
    return result


def _nearest(old: Sequence[Cue], starts: Sequence[int], start_ms: int) -> Cue | None:
    """The cue that begins nearest to this time."""
    place = bisect_left(starts, start_ms)
    return min(old[max(0, place - 1) : place + 1], key=lambda cue: abs(cue.start_ms - start_ms), default=None)


@dataclass(frozen=True, slots=True)
class _Given:
    """A word of the corrected file."""

    segment: Segment
    word: Word
    exact_ends: bool

    def kept(self, old: _Old) -> Word:
        """The old word, with the person's time where it has another."""
        return old.word if self.at(old.word) else replace(self.word, confidence=old.word.confidence, timing="human")

    def at(self, old: Word) -> bool:
        """Whether the file gives no other time than the old one."""
        start, end = self.word.start_ms, self.word.end_ms
        if start is None or start == old.start_ms:
            return not (self.exact_ends and start is not None) or end == old.end_ms
        # A file with stamps only says nothing of a word that begins with its cue.
        return not self.exact_ends and start == self.segment.start_ms

    def replacing(self, old: Sequence[Word]) -> Word | None:
        """The word with the time the file gives it; None where it gives none."""
        if self.word.start_ms is None or (not self.exact_ends and self.word.start_ms == self.segment.start_ms):
            return None
        there = next((word for word in old if self.at(word)), None)
        if there is not None:
            return replace(there, text=self.word.text, confidence=None)
        return replace(self.word, confidence=None, timing="human")


def _replacing(old: Sequence[Word], new: Sequence[_Given]) -> Iterator[Word]:
    """Words in the place of others: with their own time, or, cue by cue, spread over the time of those."""
    timed = sorted((w for w in old if w.start_ms is not None), key=_start)
    starts = [_start(word) for word in timed]
    for _, group in groupby(new, key=lambda one: id(one.segment)):
        cue = list(group)
        first, last = bisect_left(starts, cue[0].segment.start_ms), bisect_right(starts, cue[0].segment.end_ms)
        within = timed[first:last]
        ends = [word.end_ms for word in within if word.end_ms is not None]
        weights = [visible_length(one.word.text) or 1 for one in cue]
        spread = shares(_start(within[0]), max(ends), weights) if within else []
        for place, one in enumerate(cue):
            own = one.replacing(within)
            if own is not None:
                yield own
            elif spread:
                yield Word(one.word.text, *spread[place], None, "interpolated")
            else:
                yield Word(one.word.text)


def _start(word: Word) -> int:
    return word.start_ms or 0


def _fitted(words: Sequence[Word], segment: Segment, old: Cue | None) -> Iterator[Word]:
    """The words of a cue that a person moved move with it; what then lies outside of its cue has no time."""
    shift = 0
    if old is not None and segment.end_ms - segment.start_ms == old.end_ms - old.start_ms:
        shift = segment.start_ms - old.start_ms
    for word in words:
        if word.start_ms is None or word.end_ms is None:
            yield word
            continue
        if shift and word.timing != "human":
            start = max(0, word.start_ms + shift)
            word = replace(word, start_ms=start, end_ms=max(start, word.end_ms + shift), timing="human")
        inside = segment.start_ms <= (word.start_ms or 0) and (word.start_ms or 0) <= segment.end_ms
        yield word if inside or word.timing == "human" else Word(word.text)


def _within(segment: Segment) -> Iterator[Word]:
    """The words of a segment's text, with the times of its words where these are the same or replaced."""
    texts = clean(segment.text).split(" ")
    found: list[Word] = [Word(text) for text in texts]
    old = [word.text for word in segment.words]
    for i, j in matches(old, texts):
        found[j] = segment.words[i]
    for a, b, c, d in changes(old, texts):
        given = [_Given(segment, Word(text), False) for text in texts[c:d]]
        found[c:d] = _replacing(segment.words[a:b], given)
    yield from found
