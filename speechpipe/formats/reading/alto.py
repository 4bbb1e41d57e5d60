"""ALTO with our time mapping, read back: each TextLine is a segment with its words, their times and confidences."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from operator import itemgetter
from typing import Any, get_args

from speechpipe.formats.archive import xml
from speechpipe.formats.archive.alto import ALTO, TIMELINE
from speechpipe.formats.provenance import known
from speechpipe.formats.reading import cued
from speechpipe.formats.reading.alto_contents import check_layout, left_out
from speechpipe.formats.text import tokens
from speechpipe.formats.turns import CUED, Lane
from speechpipe.transcript_data import Event, EventKind, Media, Rights, Segment, Step, TranscriptData, Word

_NUMBER = re.compile(r"(\d{1,15})(?:\.0*)?", re.ASCII)
_STRING = f"{{{ALTO}}}String"
#: How ``processingStepSettings`` tells of a step's model.
_MODEL = {"model": "model", "revision": "model_revision", "sha256": "model_sha256", "licence": "model_licence"}


def read(content: bytes) -> TranscriptData:
    """Raises UsageError: it is no ALTO of a recording."""
    try:
        return _transcript(xml.parse(content, comments=True))
    except (ValueError, OverflowError) as error:
        raise cued.refuse(str(error), "ALTO") from error


def _transcript(root: Any) -> TranscriptData:
    if root.tag != f"{{{ALTO}}}alto":
        raise ValueError(f"its root element is {root.tag!r}, not alto of version 4")
    timeline = next(root.iter(f"{{{TIMELINE}}}timeline"), None)
    if timeline is None:
        raise ValueError("it does not say that its places are times (no tag timeline): it describes a page")
    kinds = [(tag.get("TYPE"), tag.get("LABEL")) for tag in _all(root, "Tags", "OtherTag")]
    tags: dict[str, Any] = dict(kinds)
    lanes = {tag.get("ID"): _lane(tag) for tag in _all(root, "Tags", "RoleTag")}
    told = known([label for kind, label in kinds if kind in {"status", "finding"}])
    for layout in root.iter(f"{{{ALTO}}}Layout"):
        check_layout(layout)
    events = tuple(_events(root))
    repairs = list(left_out(root))
    segments = _segments(root, lanes, repairs)
    spoken = dict.fromkeys(segment.language for segment in segments if segment.language)
    source = f"{{{ALTO}}}Description/{{{ALTO}}}sourceImageInformation/{{{ALTO}}}"
    digest = root.findtext(f"{source}fileIdentifier", "")
    return replace(
        told,
        media=Media(
            timeline.get("media", ""),
            sha256=digest.removeprefix("sha256:") if digest.startswith("sha256:") else None,
            duration_ms=_whole(timeline, "mediaDuration"),
        ),
        outcome="speech" if segments else ("no_speech" if told.outcome == "speech" else told.outcome),
        segments=segments,
        events=events,
        languages=tuple(tags["languages"].split()) if tags.get("languages") else tuple(spoken),
        steps=tuple(_step(processing) for processing in _all(root, "Description", "Processing")),
        warnings=told.warnings + tuple(repairs),
        identifier=root.findtext(f"{source}documentIdentifier"),
        title=tags.get("title"),
        rights=Rights(tags.get("rights"), tags.get("access")),
    )


def _segments(root: Any, lanes: dict[str, Lane], repairs: list[str]) -> tuple[Segment, ...]:
    found: list[dict[str, Any]] = []
    for block in root.iter(f"{{{ALTO}}}TextBlock"):
        named = [lanes[tag] for tag in (block.get("TAGREFS") or "").split() if tag in lanes]
        if block.get("TAGREFS") and not named:
            raise ValueError(f"line {block.sourceline}: no RoleTag has the ID {block.get('TAGREFS')[:40]!r}")
        lane = named[0] if named else Lane(None, None)
        for line in _all(block, "TextLine"):
            words = tuple(_words(line))
            if not words:
                repairs.append(f"Line {line.get('ID')} has no words; it was left out.")
                continue
            start, end = _span(line)
            if start is None or end is None:
                times = [at for word in words for at in (word.start_ms, word.end_ms) if at is not None]
                if not times:
                    raise ValueError(f"line {line.sourceline}: a TextLine without HPOS and WIDTH, and no word has them")
                start, end = min(times), max(times)
                repairs.append(f"Line {line.get('ID')} has no times; it was given those of its words.")
            text = " ".join(word.text for word in words)
            timed = any(word != Word(word.text) for word in words)
            language = line.get("LANG") or block.get("LANG")
            found.append(
                {
                    "start_ms": start,
                    "end_ms": end,
                    "text": text,
                    "words": words if timed else (),
                    "language": language,
                    "channel": lane.channel,
                    "speaker": lane.speaker,
                }
            )
    found.sort(key=itemgetter("start_ms"))
    return tuple(Segment(number, flags=(CUED,), **told) for number, told in enumerate(found, 1))


def _words(line: Any) -> Iterator[Word]:
    """The words; a person may have put several into one String, which then share its time with none of their own."""
    for string in line.iterchildren(_STRING):
        texts = tokens(string.get("CONTENT", ""))
        if len(texts) == 1:
            yield Word(texts[0], *_span(string), _confidence(string))
        else:
            yield from (Word(text) for text in texts)


def _events(root: Any) -> Iterator[Event]:
    """Illustrations whose type is a kind of event; the row tells the channel where it is not all of them."""
    page = next(root.iter(f"{{{ALTO}}}Page"), None)
    height = page.get("HEIGHT") if page is not None else None
    channels = {tag.get("ID"): _lane(tag).channel for tag in _all(root, "Tags", "RoleTag")}
    for picture in root.iter(f"{{{ALTO}}}Illustration"):
        start, end = _span(picture)
        kind = picture.get("TYPE")
        if kind in get_args(EventKind) and start is not None and end is not None:
            channel = None if picture.get("HEIGHT") == height else channels.get(f"lane{picture.get('VPOS')}")
            yield Event(start, end, kind, channel)


def _lane(tag: Any) -> Lane:
    channel, _ = cued.split_voice(tag.get("DESCRIPTION"))
    if tag.get("TYPE") == "channel":
        return Lane(cued.split_voice(tag.get("LABEL"))[0], None)
    return Lane(channel, tag.get("LABEL") if tag.get("TYPE") == "speaker" else None)


def _step(processing: Any) -> Step:
    told = processing.findtext(f"{{{ALTO}}}processingStepSettings") or ""
    parts = dict(part.split("=", 1) for part in told.split("; ") if "=" in part)
    model = {field: parts.pop(name) for name, field in _MODEL.items() if name in parts}
    return Step(
        what=processing.findtext(f"{{{ALTO}}}processingStepDescription") or "",
        software=processing.findtext(f".//{{{ALTO}}}softwareName") or "",
        version=processing.findtext(f".//{{{ALTO}}}softwareVersion") or "",
        settings={name: _value(text) for name, text in parts.items()},
        ended=processing.findtext(f"{{{ALTO}}}processingDateTime"),
        **model,
    )


def _value(text: str) -> Any:
    """A setting as it was before it was written: numbers and lists as JSON, words as they are."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if not isinstance(value, float) or value - value == 0 else text


def _span(element: Any) -> tuple[int | None, int | None]:
    start, width = _whole(element, "HPOS"), _whole(element, "WIDTH")
    return (None, None) if start is None or width is None else (start, start + width)


def _whole(element: Any, name: str) -> int | None:
    """Milliseconds; through a floating-point number some would be lost."""
    text = element.get(name)
    if text is None:
        return None
    if text.isdecimal() and text.isascii() and len(text) <= 15:
        return int(text)
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"line {element.sourceline}: {name} is {text[:40]!r}, no number of milliseconds")
    return int(found.group(1))


def _confidence(string: Any) -> float | None:
    told = string.get("WC")
    try:
        confidence = float(told) if told else None
    except ValueError:
        confidence = -1
    if confidence is None or 0 <= confidence <= 1:
        return confidence
    raise ValueError(f"line {string.sourceline}: WC is {told[:40]!r}, no number from 0 to 1")


def _all(parent: Any, *path: str) -> Iterable[Any]:
    """The elements at the end of this path of names."""
    elements: Iterable[Any] = parent.iterfind("/".join(f"{{{ALTO}}}{name}" for name in path))
    return elements
