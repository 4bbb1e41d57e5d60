"""ALTO 4.4, with time in the place of space: one pixel is one millisecond, a lane of speech is a row.

Page = recording, TextBlock = turn, TextLine = cue, String = word, Illustration = music. The tag ``timeline`` declares
this in every file. A word whose time is unknown has no HPOS, WIDTH and WC.
"""

from __future__ import annotations

import json
import math
import re
from itertools import count
from typing import Any

from lxml import etree

from speechpipe.formats.captions import Cue, cues
from speechpipe.formats.provenance import findings, statement
from speechpipe.formats.text import clean
from speechpipe.formats.turns import Turn, lanes, turns
from speechpipe.settings import Captions
from speechpipe.transcript import Step, Transcript, Word

ALTO = "http://www.loc.gov/standards/alto/ns-v4#"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
TIMELINE = "urn:speechpipe:alto-timeline:1"
SCHEMA = "http://www.loc.gov/standards/alto/v4/alto-4-4.xsd"

#: ALTO's categories for our steps.
CATEGORIES = {"decode": "preOperation", "chunk": "preOperation", "transcribe": "contentGeneration"}
_LANGUAGE = re.compile(r"[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*")
_DATE = re.compile(r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-][01]\d:[0-5]\d)?")


def write(transcript: Transcript, captions: Captions) -> bytes:
    alto = etree.Element(f"{{{ALTO}}}alto", nsmap={None: ALTO, "xsi": XSI})  # type: ignore[dict-item]
    alto.set(f"{{{XSI}}}schemaLocation", f"{ALTO} {SCHEMA}")
    alto.set("SCHEMAVERSION", "4.4")
    _description(alto, transcript)
    _tags(alto, transcript)
    _page(_add(alto, "Layout"), transcript, cues(transcript, captions))
    content: bytes = etree.tostring(alto, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    return content


def _description(alto: Any, transcript: Transcript) -> None:
    description = _add(alto, "Description")
    _add(description, "MeasurementUnit", "pixel")
    source = _add(description, "sourceImageInformation")
    _add(source, "fileName", transcript.media.name)
    if transcript.media.sha256:
        _add(source, "fileIdentifier", f"sha256:{transcript.media.sha256}")
    for number, step in enumerate(transcript.steps, 1):
        _processing(_add(description, "Processing", ID=f"step{number}"), step)


def _processing(processing: Any, step: Step) -> None:
    _add(processing, "processingCategory", CATEGORIES.get(step.what, "postOperation"))
    when = step.ended or step.started
    if when and _DATE.fullmatch(when):
        _add(processing, "processingDateTime", when)
    _add(processing, "processingStepDescription", step.what)
    model = {
        "model": step.model,
        "revision": step.model_revision,
        "sha256": step.model_sha256,
        "licence": step.model_licence,
    }
    settings = {key: value for key, value in {**model, **step.settings}.items() if value is not None}
    if settings:
        shown = {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
        _add(processing, "processingStepSettings", "; ".join(f"{key}={value}" for key, value in shown.items()))
    software = _add(processing, "processingSoftware")
    _add(software, "softwareName", step.software)
    _add(software, "softwareVersion", step.version)


def _tags(alto: Any, transcript: Transcript) -> None:
    tags = _add(alto, "Tags")
    for row, lane in enumerate(lanes(transcript)):
        if lane.name:
            _add(tags, "RoleTag", ID=f"lane{row}", TYPE="speaker" if lane.speaker else "channel", LABEL=lane.name)
    _add(tags, "OtherTag", ID="status", TYPE="status", LABEL=statement(transcript))
    for number, finding in enumerate(findings(transcript), 1):
        _add(tags, "OtherTag", ID=f"finding{number}", TYPE="finding", LABEL=finding)
    mapping = _add(tags, "OtherTag", ID="timeline", TYPE="timeline", LABEL="time mapping")
    timeline = etree.SubElement(_add(mapping, "XmlData"), f"{{{TIMELINE}}}timeline", nsmap={None: TIMELINE})  # type: ignore[dict-item]
    known = {"media": transcript.media.name, "mediaDuration": transcript.media.duration_ms}
    fixed = {"unit": "ms", "pixelsPerUnit": 1, "start": "HPOS", "duration": "WIDTH", "lane": "VPOS"}
    _set(timeline, **fixed, **known)


def _page(layout: Any, transcript: Transcript, made: list[Cue]) -> None:
    rows = {lane: row for row, lane in enumerate(lanes(transcript))}
    height, width = max(1, len(rows)), transcript.media.duration_ms
    known = [wc for cue in made for word in cue.words if (wc := _confidence(word)) is not None]
    page = _add(layout, "Page", ID="p1", PHYSICAL_IMG_NR=1, PAGECLASS="audio", WIDTH=width, HEIGHT=height)
    steps = " ".join(f"step{number}" for number, _ in enumerate(transcript.steps, 1))
    _set(page, PROCESSINGREFS=steps or None, PC=_number(sum(known) / len(known)) if known else None)
    space = _add(page, "PrintSpace", HPOS=0, VPOS=0, WIDTH=width, HEIGHT=height)

    of_segment: dict[int, list[Cue]] = {}
    for cue in made:
        of_segment.setdefault(id(cue.segment), []).append(cue)
    # In order of their first cue's number, so of time: turns, and music as a block of its own.
    blocks: list[tuple[list[Cue], Turn | None]] = [([cue], None) for cue in made if cue.segment is None]
    blocks += [([cue for s in turn.segments for cue in of_segment[id(s)]], turn) for turn in turns(transcript)]
    block_numbers, word_numbers = count(1), count(1)
    for lines, turn in sorted(blocks, key=lambda block: block[0][0].number):
        if turn is None:
            music = _box(lines[0].start_ms, lines[0].end_ms, 0, height)
            _add(space, "Illustration", ID=_cue_id(lines[0]), TYPE="music", **music)
            continue
        row = rows[turn.lane]
        span = _box(lines[0].start_ms, max(cue.end_ms for cue in lines), row)
        block = _add(space, "TextBlock", ID=f"t{next(block_numbers):06d}", **span)
        spoken = turn.language if turn.language and _LANGUAGE.fullmatch(turn.language) else None
        _set(block, TAGREFS=f"lane{row}" if turn.lane.name else None, LANG=spoken)
        for cue in lines:
            line = _add(block, "TextLine", ID=_cue_id(cue), **_box(cue.start_ms, cue.end_ms, row))
            _set(line, CS=None if transcript.machine_generated else "true")
            _strings(line, cue, row, word_numbers)


def _strings(line: Any, cue: Cue, row: int, numbers: count[int]) -> None:
    for place, word in enumerate(cue.words):
        if place:
            _add(line, "SP")
        confidence = _confidence(word)
        string = _add(line, "String", ID=f"w{next(numbers):06d}", **_box(word.start_ms, word.end_ms, row))
        _set(string, CONTENT=word.text, WC=None if confidence is None else _number(confidence))


def _cue_id(cue: Cue) -> str:
    return f"c{cue.number:06d}"


def _box(start_ms: int | None, end_ms: int | None, row: int, height: int = 1) -> dict[str, Any]:
    width = end_ms - start_ms if start_ms is not None and end_ms is not None else None
    return {"HPOS": start_ms, "VPOS": row, "WIDTH": width, "HEIGHT": height}


def _confidence(word: Word) -> float | None:
    """The word's confidence where ALTO may state it: of a word with a time, and a number from 0 to 1."""
    if word.start_ms is None or word.confidence is None or not math.isfinite(word.confidence):
        return None
    return word.confidence if 0 <= word.confidence <= 1 else None


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _add(parent: Any, tag: str, text: str | None = None, **attributes: object) -> Any:
    element = etree.SubElement(parent, f"{{{ALTO}}}{tag}")
    element.text = None if text is None else clean(text)
    _set(element, **attributes)
    return element


def _set(element: Any, **attributes: object) -> None:
    """Set what is known, as text that XML may hold."""
    for name, value in attributes.items():
        if value is not None:
            element.set(name, clean(str(value)))
