"""SubRip read back. It has no names; its provenance stands in our last cues."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import dropwhile, takewhile

from speechpipe.formats import cued
from speechpipe.formats.provenance import NOT_REVIEWED, ORIGIN_UNKNOWN, OUTCOMES, WITHHELD
from speechpipe.formats.text import clean
from speechpipe.transcript import Transcript

_STAMP = r"(\d{1,10}):(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
_TIMES = re.compile(rf"\s*{_STAMP}\s*-->\s*{_STAMP}(?:\s.*)?", re.ASCII)
_MARKUP = re.compile(r"</?(?:[ibu]|font)(?:\s[^<>]*)?>", re.IGNORECASE)
_CREDIT = re.compile(r"\[(.*)\]")
#: How the first of them begins.
_FIRST = (
    *(NOT_REVIEWED, "Machine-generated transcript; corrected by ", "Transcript; corrected by ", ORIGIN_UNKNOWN),
    *(*OUTCOMES.values(), "Incomplete", WITHHELD),
)
_NAMED = ("Title: ", "Identifier: ", "Source: ")


def read(content: bytes) -> Transcript:
    """Raises UsageError: it is no SubRip, or some of its text would be lost."""
    lines = cued.decoded(content).replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd").split("\n")
    repairs: list[tuple[str, str]] = []
    found = list(_cues(lines, repairs))
    credits = _credits(found)
    return cued.transcript(found[: len(found) - len(credits)], credits, repairs)


def _credits(found: list[cued.Read]) -> list[str]:
    """The lines of provenance in the last cues."""
    texts = takewhile(bool, (_CREDIT.fullmatch(clean(one.text)) for one in reversed(found)))
    lines = [text[1] for text in texts if text][::-1]
    named = _NAMED if any(line.startswith("Source: ") for line in lines) else ()  # where the first was taken out
    return list(dropwhile(lambda line: not line.startswith((*_FIRST, *named)), lines))


def _cues(lines: list[str], repairs: list[tuple[str, str]]) -> Iterator[cued.Read]:
    """Each line of times begins a cue; a number on the line before it is its number."""
    starts = [(at, found) for at, line in enumerate(lines) if (found := _TIMES.fullmatch(line))]
    begins = [at - 1 if at and lines[at - 1].strip().isdigit() else at for at, _ in starts]
    lost = next((at for at in range(begins[0] if begins else len(lines)) if lines[at].strip()), None)
    if lost is not None:
        raise cued.refuse(f"line {lost + 1} has no times that can be read ({lines[lost][:60]!r})", "SubRip")
    for place, (at, found) in enumerate(starts):
        body = lines[at + 1 : begins[place + 1] if place + 1 < len(starts) else len(lines)]
        while body and not body[-1].strip():
            body.pop()
        wrong = next((line for line in body if "-->" in line and re.match(r"\s*-?\d+:\d", line)), None)
        if wrong is not None:
            raise cued.refuse(
                f"line {at + 2 + body.index(wrong)} has no times that can be read ({wrong[:60]!r})", "SubRip"
            )
        start, end = _ms(found.groups()[:4]), _ms(found.groups()[4:])
        text = "\n".join(body)
        one = cued.Read(lines[begins[place]].strip() if begins[place] < at else "", start, end, _MARKUP.sub("", text))
        if not all(line.strip() for line in body):
            repairs.append(("has a blank line in it; what follows was taken as its text", one.where))
        if one.text != text:
            repairs.append(("has formatting, which was left out", one.where))
        yield one


def _ms(parts: tuple[str, ...]) -> int:
    hours, minutes, seconds, fraction = parts
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(fraction.ljust(3, "0"))
