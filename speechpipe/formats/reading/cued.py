"""From the cues of a file to a transcript: each stays a segment of its own, and every repair is told of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from speechpipe.errors import UsageError, one_line
from speechpipe.formats.captions.cues import music_label
from speechpipe.formats.captions.vtt import timestamp
from speechpipe.formats.provenance import known
from speechpipe.formats.text import clean, tokens
from speechpipe.formats.turns import CUED
from speechpipe.transcript_data import Event, Segment, TranscriptData, Word

_CHANNEL = re.compile(r"Channel (\d{1,4})")
#: Of one kind of repair, so many are told one by one.
_TOLD = 5


@dataclass(frozen=True, slots=True)
class Read:
    """What one voice says in one cue. ``name``: the cue's number; ``words``: with times of their own, where the file
    has them."""

    name: str
    start_ms: int
    end_ms: int
    text: str
    voice: str | None = None
    words: tuple[Word, ...] = ()
    language: str | None = None

    @property
    def where(self) -> str:
        return place(self.name, self.start_ms)


def transcript(
    read: Iterable[Read], note: Sequence[str], repairs: Iterable[tuple[str, str]] = (), left: Sequence[str] = ()
) -> TranscriptData:
    """A transcript of these cues.

    Args:
        note: lines of provenance, as a writer of ours left them. repairs: kind and place of what was repaired so far.
        left: sentences with what no transcript holds.
    """
    told = known(note)
    label = music_label(told.languages)
    mended = list(repairs)
    heard, said = [], []
    for one in read:
        if not clean(one.text):
            mended.append(("has no text; it was left out", one.where))
        elif one.voice is None and clean(one.text) == label:
            heard.append(Event(one.start_ms, max(one.start_ms, one.end_ms), "music"))
        else:
            if one.end_ms < one.start_ms:
                mended.append(("ends before it begins; it was given no duration", one.where))
                one = replace(one, end_ms=one.start_ms)
            said.append(one)
    if any(after.start_ms < before.start_ms for before, after in pairwise(said)):
        late = next(after for before, after in pairwise(said) if after.start_ms < before.start_ms)
        mended.append(("and others stood out of order; they were sorted", late.where))
        said.sort(key=lambda one: one.start_ms)
    mended += _overlaps(said)
    spoken = told.languages[0] if len(told.languages) == 1 else None
    segments = tuple(_segment(number, one, spoken) for number, one in enumerate(said, 1))
    return replace(
        told,
        outcome="speech" if segments else ("no_speech" if told.outcome == "speech" else told.outcome),
        segments=segments,
        events=tuple(heard),
        warnings=(*told.warnings, *left, *_summary(mended)),
    )


def split_voice(voice: str | None) -> tuple[int | None, str | None]:
    """Channel (from 0) and speaker of a voice's name; ``Channel 2`` is what we call a channel without a speaker."""
    if voice is None or not clean(voice):
        return None, None
    found = _CHANNEL.fullmatch(clean(voice))
    return (int(found.group(1)) - 1, None) if found and int(found.group(1)) else (None, clean(voice))


def decoded(content: bytes) -> str:
    """The text of a file.

    Raises:
        UsageError: it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            found = "it is UTF-16"
        else:
            found = f"byte {error.start} of {len(content)} is not of UTF-8"
        raise UsageError(f"The encoding is not UTF-8: {found}.", cure="Save it again, as UTF-8.") from error


def refuse(reason: str, format_: str) -> UsageError:
    """The error of a file that cannot be read as this format."""
    return UsageError(f"This is no {format_} that can be read: {one_line(reason)}.", cure="Correct it, then try again.")


def _segment(number: int, one: Read, spoken: str | None) -> Segment:
    channel, speaker = split_voice(one.voice)
    timed = any(word.start_ms is not None for word in one.words)
    return Segment(
        id=number,
        start_ms=one.start_ms,
        end_ms=one.end_ms,
        text=" ".join(tokens(one.text)),
        words=one.words if timed else (),
        language=one.language or spoken,
        channel=channel,
        speaker=speaker,
        flags=(CUED,),
    )


def _overlaps(said: Sequence[Read]) -> list[tuple[str, str]]:
    last: dict[str | None, Read] = {}
    found = []
    for one in said:
        before = last.get(one.voice)
        if before is not None and one.start_ms < before.end_ms:
            found.append(("begins before the cue before it has ended; both were kept as they are", one.where))
        last[one.voice] = one
    return found


def _summary(mended: Sequence[tuple[str, str]]) -> list[str]:
    """A line for each repair, and one for the rest of many of one kind."""
    by_kind: dict[str, list[str]] = {}
    for kind, where in mended:
        by_kind.setdefault(kind, []).append(where)
    lines = []
    for kind, places in by_kind.items():
        lines += [clean(f"{where} {kind}.") for where in places[:_TOLD]]
        if more := len(places) - _TOLD:
            lines += [f"{more} more: the cue {kind}."] if more > 0 else []
    return lines


def place(name: str, start_ms: int) -> str:
    """How a repair calls a cue."""
    return f"Cue {clean(name)[:40]} at {timestamp(start_ms)}" if clean(name) else f"The cue at {timestamp(start_ms)}"
