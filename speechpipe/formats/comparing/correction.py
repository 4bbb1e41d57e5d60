"""A person's correction laid over what it corrects: what stands unchanged keeps all that the machine knew of it.

A segment whose cues are all as they were stays as it was. Each other cue of the corrected file becomes a segment of its
own. Its words have the times that they had in its time (``word_times``).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from speechpipe import formats
from speechpipe.errors import UsageError
from speechpipe.formats.captions.cues import Cue, cues, music, music_label, words_of
from speechpipe.formats.comparing.changes import matches
from speechpipe.formats.comparing.pairing import paired, plain
from speechpipe.formats.comparing.word_times import Known
from speechpipe.formats.provenance import told, withhold
from speechpipe.formats.text import clean
from speechpipe.formats.turns import CUED, Lane, lane_of, lanes
from speechpipe.settings.captions import Captions
from speechpipe.transcript_data import Event, Revision, Segment, TranscriptData, Word


def corrected(
    original: TranscriptData, read: TranscriptData, revision: Revision, limits: Captions, exact_ends: bool = False
) -> TranscriptData:
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


def laid_over(
    original: TranscriptData, read: TranscriptData, name: str, revision: Revision, limits: Captions
) -> TranscriptData:
    """As ``corrected``, of a file of the format ``name``; what that file holds and no transcript does is a change too,
    which stands in the warnings."""
    found = corrected(original, read, revision, limits, exact_ends=name == "alto")
    ours = formats.read(formats.write(original, name, limits), name)
    left = tuple(line for line in read.warnings if line not in (*ours.warnings, *original.warnings))
    before, now = _about(ours), _about(read)
    new = {what: said for what, said in now.items() if said and said != before.get(what)}
    left += tuple(f"The file says of itself “{what}: {said}”; that was left out." for what, said in new.items())
    if found is original and not left:
        return original
    return replace(found, warnings=tuple(dict.fromkeys((*found.warnings, *left))), revision=revision)


def _about(transcript: TranscriptData) -> dict[str, str]:
    """What a file says of itself, and is not a person's to correct in it."""
    media, rights = transcript.media, transcript.rights
    known = {"Title": transcript.title, "Identifier": transcript.identifier, "Source": media.name}
    known |= {"Length": str(media.duration_ms or ""), "Languages": ", ".join(transcript.languages)}
    known |= {"Rights": rights.statement, "Access": rights.access, "Incomplete": transcript.incomplete_reason}
    if transcript.revision is not None:
        known["Corrected by"] = f"{transcript.revision.by}, {transcript.revision.at}"
    made = [f"{step.what}: {told(step)} {step.ended or ''} {dict(step.settings) or ''}" for step in transcript.steps]
    return {name: clean(text or "") for name, text in {**known, "Made by": "; ".join(made)}.items()}


def check_same_recording(original: TranscriptData, read: TranscriptData) -> None:
    """Raises UsageError: their digests differ or, where one is not known, their names."""
    ours, theirs = original.media, read.media
    if ours.sha256 and theirs.sha256:
        differ = ours.sha256 != theirs.sha256
    else:
        differ = bool(ours.name and theirs.name) and plain(ours.name) != plain(theirs.name)
    if differ:
        raise UsageError(
            f"These are transcripts of different recordings: {theirs.name} and {ours.name}.",
            cure="Give the transcript that was corrected with --original.",
        )


def _events(original: TranscriptData, heard: Sequence[tuple[int, int]]) -> tuple[Event, ...]:
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
    original: TranscriptData, old: Sequence[Cue], new: Sequence[Segment], exact_ends: bool
) -> tuple[Segment, ...] | None:
    """The segments, or None where every cue is as it was."""
    named = any(segment.speaker or segment.channel is not None for segment in new)
    alike = matches([_key(cue, named) for cue in old], [_read_key(segment, named) for segment in new])
    known = Known.of(old)
    same = {
        j: old[i]
        for i, j in alike
        if known.same_times(old[i].words, new[j], exact_ends) and not (exact_ends and _spoken_anew(old[i], new[j]))
    }
    if len(same) == len(new) == len(old):
        return None
    stood = {cue.number for cue in same.values()}
    standing = {id(cue.segment) for cue in old} - {id(cue.segment) for cue in old if cue.number not in stood}
    pairing = paired(old, new, same, named)
    starts = [cue.start_ms for cue in old]
    by_name = {lane.name: lane for lane in lanes(original)}
    found: list[Segment] = [
        segment for segment in original.segments if id(segment) in standing or not words_of(segment)
    ]
    last: Segment | None = None
    for j, segment in enumerate(new):
        heard = pairing.heard.get(j, ())
        cue = pairing.pairs.get(j) or next((cue for _, cue in heard), None) or _nearest(old, starts, segment.start_ms)
        source = last = cue.segment if cue is not None else last
        if j in same and id(source) in standing:
            continue
        if j in same:
            words = same[j].words
        else:
            words = known.words(segment, [word for word, _ in heard], pairing.shifts.get(j, 0), exact_ends)
        lane = by_name.get(lane_of(segment).name, lane_of(segment)) if named or source is None else lane_of(source)
        language = segment.language if source is None or (exact_ends and segment.language) else source.language
        found.append(_segment(segment, words, language, lane))
    return tuple(found)


def _spoken_anew(old: Cue, new: Segment) -> bool:
    """Whether the file, if it tells the language of each caption, tells another."""
    return new.language is not None and old.segment is not None and new.language != old.segment.language


def _segment(read: Segment, words: tuple[Word, ...], language: str | None, lane: Lane) -> Segment:
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


def _key(cue: Cue, named: bool) -> str:
    return f"{cue.start_ms} {cue.end_ms} {cue.lane.name if named and cue.lane else None} {plain(cue.text)}"


def _read_key(segment: Segment, named: bool) -> str:
    lane = lane_of(segment).name if named else None
    return f"{segment.start_ms} {segment.end_ms} {lane} {plain(segment.text)}"


def _nearest(old: Sequence[Cue], starts: Sequence[int], start_ms: int) -> Cue | None:
    """The cue that begins nearest to this time."""
    place = bisect_left(starts, start_ms)
    return min(old[max(0, place - 1) : place + 1], key=lambda cue: abs(cue.start_ms - start_ms), default=None)
