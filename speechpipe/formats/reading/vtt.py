"""WebVTT that a person may have corrected, read back: cues, voices, word times where there are any, provenance."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from speechpipe.formats.captions.words_vtt import NOTE
from speechpipe.formats.provenance import is_told
from speechpipe.formats.reading import cued, webvtt
from speechpipe.formats.reading.cue_text import Piece, pieces
from speechpipe.formats.text import clean, tokens
from speechpipe.transcript_data import TranscriptData, Word

_FORMATTING = re.compile(r"<(?:[biu]|lang|ruby)[.>\s]|<[a-z]+\.[^\s<>]*[\s>]")
#: ``line:0``, ``align:start``: what a setting of a cue looks like.
_SETTING = re.compile(r"(?:vertical|line|position|size|align|region):[!-~]+")


def read(content: bytes) -> TranscriptData:
    """Raises UsageError: it is no WebVTT, or some of its text would be lost."""
    try:
        file = webvtt.parse(cued.decoded(content))
    except ValueError as error:
        raise cued.refuse(str(error), "WebVTT") from error
    if file.dropped:
        line, text = file.dropped[0]
        raise cued.refuse(f"line {line} has no times that can be read ({text[:60]!r})", "WebVTT")
    told, comments = _notes(file.notes)
    left = [f"What stands behind WEBVTT was left out: {clean(file.header)}"] if file.header else []
    left += [f"A comment was left out: {comment}" for comment in comments]
    left += [f"What players are told at line {line} was left out: {clean(text)}" for line, text in file.layout]
    if names := [clean(cue.id) for cue in file.cues if cue.id and not cue.id.isdecimal()]:
        left.append(f"Names of cues were left out: {', '.join(names)}")
    repairs = []
    seen = set()
    for cue in file.cues:
        if misplaced := next((part for part in cue.settings.split() if not _SETTING.fullmatch(part)), None):
            raise cued.refuse(f"line {cue.line} has text behind the times ({misplaced[:60]!r})", "WebVTT")
        if cue.id and cue.id in seen:
            repairs.append(("has the number of an earlier one", cued.place(cue.id, cue.start_ms)))
        seen.add(cue.id)
        for what, found in (("a place on the screen", cue.settings), ("formatting", _FORMATTING.search(cue.text))):
            if found:
                repairs.append((f"has {what}, which was left out", cued.place(cue.id, cue.start_ms)))
    return cued.transcript((one for cue in file.cues for one in _read(cue)), told, repairs, left)


def _notes(notes: Sequence[str]) -> tuple[list[str], list[str]]:
    """Of the comments, the lines of our provenance and what a person wrote."""
    told: list[str] = []
    comments = []
    for note in notes:
        lines = [line for line in map(clean, note.split("\n")) if line]
        ours = [line for line in lines if is_told(line) or line in NOTE]
        if not told and any(map(is_told, ours)):
            told, lines = ours, [line for line in lines if line not in ours]
        comments += lines if told is ours else [" ".join(lines)]
    return told, [comment for comment in comments if comment]


def _read(cue: webvtt.Cue) -> Iterator[cued.Read]:
    """One for each voice of the cue."""
    by_voice: list[list[Piece]] = []
    for piece in pieces(cue.text):
        if by_voice and (by_voice[-1][0].voice == piece.voice or not piece.text.strip()):
            by_voice[-1].append(piece)
        elif by_voice and not "".join(p.text for p in by_voice[-1]).strip():
            by_voice[-1] = [piece]
        else:
            by_voice.append([piece])
    for own in by_voice or [[]]:
        text = "".join(piece.text for piece in own)
        voice = own[0].voice if own else None
        yield cued.Read(cue.id, cue.start_ms, cue.end_ms, text, voice, _words(own, cue))


def _words(own: list[Piece], cue: webvtt.Cue) -> tuple[Word, ...]:
    """The words with the times that stamps give them: each to the next stamp; () where the cue has no stamps.

    Without a stamp of its own only the first word has a time: the cue's.
    """
    if not any(piece.stamp_ms is not None for piece in own):
        return ()
    found: list[tuple[str, int | None]] = []
    stamps: list[int] = []
    open_word = False  # the last piece ended within a word
    for piece in own:
        if piece.stamp_ms is not None and (not stamps or piece.stamp_ms != stamps[-1]):
            stamps.append(piece.stamp_ms)
            fresh: int | None = piece.stamp_ms
        else:
            fresh = cue.start_ms if not found and not stamps else None
        texts = tokens(piece.text)
        for place, text in enumerate(texts):
            if place == 0 and open_word and not piece.text[:1].isspace():
                found[-1] = (found[-1][0] + text, found[-1][1])
            else:
                found.append((text, fresh))
                fresh = None
        open_word = bool(texts) and not piece.text[-1:].isspace() if piece.text else open_word
    ends = [*stamps, cue.end_ms]
    return tuple(_word(text, start, ends) for text, start in found)


def _word(text: str, start: int | None, ends: list[int]) -> Word:
    if start is None:
        return Word(text)
    for end in ends:
        if end > start:
            return Word(text, start, end)
    return Word(text, start, start)
