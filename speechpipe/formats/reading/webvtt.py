"""The parser of WebVTT files, by the letter of its standard (W3C, WebVTT: The Web Video Text Tracks Format, section 6).

What the standard has players drop in silence is told of in ``dropped``, since here it may be a person's work.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_TIMING = re.compile(
    r"[ \t\f]*(\d{2,}|\d+(?=:\d\d:)):(\d\d)(?::(\d\d))?\.(\d{3})[ \t\f]*-->"
    r"[ \t\f]*(\d{2,}|\d+(?=:\d\d:)):(\d\d)(?::(\d\d))?\.(\d{3})(?!\d)(.*)",
    re.ASCII,
)
_STAMP = re.compile(r"(\d{2,}|\d+(?=:\d\d:)):(\d\d)(?::(\d\d))?\.(\d{3})", re.ASCII)
_BLANK = " \t\f"


@dataclass(frozen=True, slots=True)
class Cue:
    """A cue as it stands in the file; ``text`` is still marked up. ``line``: that of its times, from 1."""

    id: str
    start_ms: int
    end_ms: int
    settings: str
    text: str
    line: int


@dataclass(slots=True)
class File:
    """``header``: what is behind WEBVTT; ``notes``: the comments, without the word NOTE; ``layout``: line and text of
    styles and regions; ``dropped``: the same of what is none of all this.
    """

    header: str = ""
    cues: list[Cue] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    layout: list[tuple[int, str]] = field(default_factory=list)
    dropped: list[tuple[int, str]] = field(default_factory=list)


def parse(text: str) -> File:
    """The cues of a file.

    Raises:
        ValueError: it does not begin as WebVTT must.
    """
    text = text.removeprefix("\ufeff").replace("\0", "\ufffd").replace("\r\n", "\n").replace("\r", "\n")
    if not re.match(r"WEBVTT(?![^ \t\n])", text):
        raise ValueError("it does not begin with WEBVTT")
    lines = text.split("\n")
    file = File()
    file.header = lines[0][6:].strip(_BLANK)
    at = 1
    if at < len(lines) and lines[at]:
        # The header goes on, up to a blank line or the first times.
        while at < len(lines) and lines[at] and "-->" not in lines[at]:
            at += 1
        file.header = "\n".join([file.header, *lines[1:at]]).strip("\n")
    while at < len(lines):
        if lines[at]:
            at = _block(lines, at, file)
        else:
            at += 1
    return file


def _block(lines: list[str], at: int, file: File) -> int:
    """Read the block that begins at this line; the line behind it."""
    first, arrow = at, None
    while at < len(lines) and lines[at]:
        if "-->" in lines[at]:
            if at - first > 1 or arrow is not None:
                break  # times within a text begin the next block
            arrow = at
        at += 1
    body = lines[first:at]
    if arrow is not None:
        timing = _times(lines[arrow])
        if timing is not None:
            text = "\n".join(lines[arrow + 1 : at])
            file.cues.append(Cue("\n".join(lines[first:arrow]), *timing, text, arrow + 1))
            return at
    elif re.match(r"NOTE(?![^ \t])", body[0]):
        file.notes.append("\n".join([body[0][4:].strip(_BLANK), *body[1:]]).strip("\n"))
        return at
    elif len(body) > 1 and body[0].rstrip(_BLANK) in {"STYLE", "REGION"}:
        file.layout.append((first + 1, "\n".join(body)))
        return at
    file.dropped.append(((arrow if arrow is not None else first) + 1, "\n".join(body)))
    return at


def _times(line: str) -> tuple[int, int, str] | None:
    found = _TIMING.match(line)
    if found is None:
        return None
    start, end = _ms(found.groups()[:4]), _ms(found.groups()[4:8])
    return None if start is None or end is None else (start, end, found.group(9).strip(_BLANK))


def time_stamp(text: str) -> int | None:
    """Milliseconds of ``HH:MM:SS.mmm`` or ``MM:SS.mmm``; None where it is none."""
    found = _STAMP.fullmatch(text)
    return None if found is None else _ms(found.groups())


def _ms(parts: tuple[str | Any, ...]) -> int | None:
    first, second, third, fraction = parts
    hours, minutes, seconds = ("0", first, second) if third is None else (first, second, third)
    # No recording has more hours than ten digits tell; longer ones would only take time to multiply.
    if len(hours) > 10 or len(minutes) != 2 or minutes > "59" or seconds > "59":
        return None
    return int(hours) * 3_600_000 + int(minutes) * 60_000 + int(seconds + fraction)
