"""SubRip read back. It has no names; its provenance stands in our last cues."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile

from speechpipe.formats.captions.srt import CREDIT_MS
from speechpipe.formats.provenance import NOT_REVIEWED, ORIGIN_UNKNOWN, OUTCOMES, WITHHELD, is_told
from speechpipe.formats.reading import cued
from speechpipe.formats.text import clean
from speechpipe.transcript_data import TranscriptData

_STAMP = r"(\d{1,10}):(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
#: Behind the times some editors write a place: ``X1:100 X2:200``.
_TIMES = re.compile(rf"\s*{_STAMP}\s*-->\s*{_STAMP}((?:\s+[XY][12]:\d+)*)(?:\s+(.*\S))?\s*", re.ASCII)
_ALMOST_TIMES = re.compile(r"\s*-?\d+:\d[^<>]*-->")
#: Tags of HTML, and the overrides of SubStation Alpha that editors leave: ``{\\an8}``, ``{\\i1\\b0}``.
_MARKUP = re.compile(
    r"</?[ibu]>|</font>|<font(?:\s+(?:color|face|size)\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s<>]+))*\s*>"
    r"|\{(?:\\(?:an?\d+|[ibuskqr]\d*|K\d+|k[fo]\d+|f[se]\d+|fs[cp][xy]?-?[\d.]+|fr[xyz]?-?[\d.]+|(?:x|y)?(?:bord|shad)[\d.]+"
    r"|be\d+|blur[\d.]+|p\d+|[1-4]?(?:c|a|alpha)&H[0-9A-F]+&|fn[^\\{}]*|(?:pos|move|org|fade?|i?clip|t)\([^(){}]*\)))+\}",
    re.IGNORECASE,
)
_CREDIT = re.compile(r"\[(.*)\]")
#: What one of them is, where they are there; a person may have taken out the first.
_BEGIN = (
    *(NOT_REVIEWED, "Machine-generated transcript; corrected by ", "Transcript; corrected by ", ORIGIN_UNKNOWN),
    *(*OUTCOMES.values(), "Incomplete", WITHHELD, "Source:"),
)
#: A line of provenance whatever it is of, where it stands in the row of them.
_NAMED = re.compile(r"[^:]*:.*")


def read(content: bytes) -> TranscriptData:
    """Raises UsageError: it is no SubRip, or some of its text would be lost."""
    lines = cued.decoded(content).replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd").split("\n")
    repairs: list[tuple[str, str]] = []
    found = list(_cues(lines, repairs))
    credits = _credits(found)
    said = [one for place, one in enumerate(found) if place not in credits]
    left = [f"A comment was left out: {line}" for line in credits.values() if not is_told(line)]
    return cued.transcript(said, list(credits.values()), repairs, left)


def _credits(found: list[cued.Read]) -> dict[int, str]:
    """The lines of provenance among the last cues, by their places; a person's own cue in brackets is text."""
    texts = takewhile(bool, (_CREDIT.fullmatch(clean(one.text)) for one in reversed(found)))
    lines = [text[1] for text in texts if text][::-1]
    first = len(found) - len(lines)
    told = {first + at: line for at, line in enumerate(lines) if is_told(line)}
    if not any(line.startswith(_BEGIN) for line in told.values()):
        return {}
    for at, line in enumerate(lines, first):
        before = found[at - 1] if at - 1 in told else None
        in_row = before is not None and found[at].start_ms in (before.end_ms, before.start_ms + CREDIT_MS)
        if in_row and found[at].end_ms - found[at].start_ms == CREDIT_MS and _NAMED.fullmatch(line):
            told[at] = line
    return dict(sorted(told.items()))


def _cues(lines: list[str], repairs: list[tuple[str, str]]) -> Iterator[cued.Read]:
    """Each line of times begins a cue; a number on the line before it is its number."""
    starts: list[tuple[int, re.Match[str]]] = []
    for at, line in enumerate(lines):
        found, before = _TIMES.fullmatch(line), lines[at - 1].strip() if at else ""
        # What stands right behind the times, or has more behind it amid a text, is what somebody said.
        is_text = bool(starts and starts[-1][0] == at - 1) or (
            found and found[10] and before and not before.isdecimal()
        )
        if found and not is_text:
            starts.append((at, found))
    for at, found in starts:
        if found[10]:
            raise cued.refuse(f"line {at + 1} has text behind the times ({found[10][:60]!r})", "SubRip")
    begins = list(_begins(lines, [at for at, _ in starts]))
    lost = next((at for at in range(begins[0] if begins else len(lines)) if lines[at].strip()), None)
    if lost is not None:
        raise cued.refuse(f"line {lost + 1} has no times that can be read ({lines[lost][:60]!r})", "SubRip")
    for place, (at, found) in enumerate(starts):
        body = lines[at + 1 : begins[place + 1] if place + 1 < len(starts) else len(lines)]
        while body and not body[-1].strip():
            body.pop()
        for number in range(at + 2, at + 1 + len(body)):  # amid a text it is what somebody said
            line, before = lines[number], lines[number - 1].strip()
            if _ALMOST_TIMES.match(line) and (not before or before.isdecimal()):
                raise cued.refuse(f"line {number + 1} has no times that can be read ({line[:60]!r})", "SubRip")
        start, end = _ms(found.groups()[:4]), _ms(found.groups()[4:8])
        text = "\n".join(body)
        one = cued.Read(lines[begins[place]].strip() if begins[place] < at else "", start, end, _MARKUP.sub("", text))
        if not all(line.strip() for line in body):
            repairs.append(("has a blank line in it; what follows was taken as its text", one.where))
        if found[9]:
            repairs.append(("has a place on the screen, which was left out", one.where))
        if one.text != text:
            repairs.append(("has formatting, which was left out", one.where))
        yield one


def _begins(lines: list[str], times: list[int]) -> Iterator[int]:
    """Where each cue begins: at a number on the line before its times. Right behind text it must be the next number,
    since it may be what somebody said."""
    last = 0
    for place, at in enumerate(times, 1):
        number = lines[at - 1].strip() if at else ""
        is_number = number.isdecimal() and len(number) <= 9
        if is_number and (at == 1 or not lines[at - 2].strip() or int(number) in (place, last + 1)):
            last = int(number)
            yield at - 1
        else:
            last += 1
            yield at


def _ms(parts: tuple[str, ...]) -> int:
    hours, minutes, seconds, fraction = parts
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(fraction.ljust(3, "0"))
