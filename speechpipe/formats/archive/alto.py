"""ALTO 4.4, with time in the place of space: one pixel is one millisecond, a lane of speech is a row.

Page = recording, TextBlock = turn, TextLine = cue, String = word, Illustration = music and other events. The tag
``timeline`` declares this in every file (docs/alto.md). A word whose time is unknown has no HPOS, WIDTH and WC.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import count
from typing import Any

from lxml import etree

from speechpipe.formats.archive.xml import add, set_known
from speechpipe.formats.captions.cues import Cue, cues
from speechpipe.formats.provenance import findings, settings_digest, statement
from speechpipe.formats.text import clean
from speechpipe.formats.turns import Lane, lanes, turns
from speechpipe.settings.captions import Captions
from speechpipe.transcript_data import Event, Step, TranscriptData, Word

ALTO = "http://www.loc.gov/standards/alto/ns-v4#"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
TIMELINE = "urn:speechpipe:alto-timeline:1"
SCHEMA = "http://www.loc.gov/standards/alto/v4/alto-4-4.xsd"

#: ALTO's categories for our steps.
CATEGORIES = {"decode": "preOperation", "chunk": "preOperation", "transcribe": "contentGeneration"}
_LANGUAGE = re.compile(r"[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*")
DATE = re.compile(r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-][01]\d:[0-5]\d)?")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
#: The layout is put in its place as text: a tree of hundreds of thousands of elements takes four times as long.
_PLACE = b"<Layout/>"


def write(transcript: TranscriptData, captions: Captions) -> bytes:
    alto = etree.Element(f"{{{ALTO}}}alto", nsmap={None: ALTO, "xsi": XSI})  # type: ignore[dict-item]
    alto.set(f"{{{XSI}}}schemaLocation", f"{ALTO} {SCHEMA}")
    alto.set("SCHEMAVERSION", "4.4")
    _description(alto, transcript)
    _tags(alto, transcript)
    _add(alto, "Layout")
    frame: bytes = etree.tostring(alto, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    layout = "\n".join(_layout(transcript, cues(transcript, captions)))
    return frame.replace(_PLACE, layout.encode(), 1)


def _description(alto: Any, transcript: TranscriptData) -> None:
    description = _add(alto, "Description")
    _add(description, "MeasurementUnit", "pixel")
    source = _add(description, "sourceImageInformation")
    _add(source, "fileName", transcript.media.name)
    if transcript.media.sha256:
        _add(source, "fileIdentifier", f"sha256:{transcript.media.sha256}")
    if transcript.identifier and clean(transcript.identifier):
        _add(source, "documentIdentifier", transcript.identifier)
    for number, step in enumerate(transcript.steps, 1):
        _processing(_add(description, "Processing", ID=f"step{number}"), step)


def _processing(processing: Any, step: Step) -> None:
    _add(processing, "processingCategory", CATEGORIES.get(step.what, "postOperation"))
    when = step.ended or step.started
    if when and DATE.fullmatch(when):
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


def _tags(alto: Any, transcript: TranscriptData) -> None:
    tags = _add(alto, "Tags")
    for row, lane in enumerate(lanes(transcript)):
        if lane.name:
            kind, channel = ("speaker" if lane.speaker else "channel"), lane.channel
            also = None if channel is None else f"Channel {channel + 1}"
            _add(tags, "RoleTag", ID=f"lane{row}", TYPE=kind, LABEL=lane.name, DESCRIPTION=also)
    _add(tags, "OtherTag", ID="status", TYPE="status", LABEL=statement(transcript))
    for number, finding in enumerate(findings(transcript), 1):
        _add(tags, "OtherTag", ID=f"finding{number}", TYPE="finding", LABEL=finding)
    rights = transcript.rights
    known = {"title": transcript.title, "languages": " ".join(transcript.languages)}
    known |= {"rights": rights.statement, "access": rights.access}
    for kind, label in {**known, "settings": settings_digest(transcript)}.items():
        if label and clean(label):
            uri = label if re.fullmatch(r"https?://[!-~]+", label) else None
            _add(tags, "OtherTag", ID=kind, TYPE=kind, LABEL=label, URI=uri)
    mapping = _add(tags, "OtherTag", ID="timeline", TYPE="timeline", LABEL="time mapping")
    timeline = etree.SubElement(_add(mapping, "XmlData"), f"{{{TIMELINE}}}timeline", nsmap={None: TIMELINE})  # type: ignore[dict-item]
    fixed = {"unit": "ms", "pixelsPerUnit": 1, "start": "HPOS", "duration": "WIDTH", "lane": "VPOS"}
    media = {"media": transcript.media.name, "mediaDuration": transcript.media.duration_ms}
    set_known(timeline, **fixed, **media)


def _layout(transcript: TranscriptData, made: list[Cue]) -> Iterator[str]:
    rows = {lane: row for row, lane in enumerate(lanes(transcript))}
    height, width = max(1, len(rows)), transcript.media.duration_ms
    known = [wc for cue in made for word in cue.words if (wc := _confidence(word)) is not None]
    box = (f' WIDTH="{width}"' if width is not None else "") + f' HEIGHT="{height}"'
    steps = " ".join(f"step{number}" for number, _ in enumerate(transcript.steps, 1))
    of_page = f' PROCESSINGREFS="{steps}"' if steps else ""
    of_page += f' PC="{_number(sum(known) / len(known))}"' if known else ""
    yield "<Layout>"
    yield f'    <Page ID="p1" PHYSICAL_IMG_NR="1" PAGECLASS="audio"{box}{of_page}>'
    yield f'      <PrintSpace HPOS="0" VPOS="0"{box}>'
    for _, lines in sorted(_blocks(transcript, made, rows), key=lambda block: block[0]):
        yield from lines
    yield "      </PrintSpace>\n    </Page>\n  </Layout>"


def _blocks(transcript: TranscriptData, made: list[Cue], rows: dict[Lane, int]) -> Iterator[tuple[int, list[str]]]:
    """Events and turns, each with its start."""
    height = max(1, len(rows))
    corrected = "" if transcript.machine_generated else ' CS="true"'
    of_segment: dict[int, list[Cue]] = {}
    for cue in made:
        if cue.segment is None:
            music = _box(cue.start_ms, cue.end_ms, 0, height)
            yield cue.start_ms, [f'        <Illustration ID="{_cue_id(cue)}" TYPE="music"{music}/>']
        else:
            of_segment.setdefault(id(cue.segment), []).append(cue)
    others = [event for event in transcript.events if event.kind != "music"]
    for number, event in enumerate(sorted(others, key=lambda event: event.start_ms), 1):
        where = _box(event.start_ms, event.end_ms, *_rows_of(event, rows))
        yield event.start_ms, [f'        <Illustration ID="e{number:06d}" TYPE="{event.kind}"{where}/>']
    word_numbers = count(1)
    for number, turn in enumerate(turns(transcript), 1):
        lines = [cue for segment in turn.segments for cue in of_segment[id(segment)]]
        row, start = rows[turn.lane], lines[0].start_ms
        tag = f' TAGREFS="lane{row}"' if turn.lane.name else ""
        spoken = turn.language if turn.language and _LANGUAGE.fullmatch(turn.language) else None
        language = f' LANG="{spoken}"' if spoken else ""
        span = _box(start, max(cue.end_ms for cue in lines), row)
        block = [f'        <TextBlock ID="t{number:06d}"{span}{tag}{language}>']
        for cue in lines:
            line = _box(cue.start_ms, cue.end_ms, row)
            block.append(f'          <TextLine ID="{_cue_id(cue)}"{line}{corrected}>')
            block.append("<SP/>\n".join(_strings(cue, row, word_numbers)))
            block.append("          </TextLine>")
        yield start, [*block, "        </TextBlock>"]


def _rows_of(event: Event, rows: dict[Lane, int]) -> tuple[int, int]:
    """First row and number of rows of an event: those of its channel, or all."""
    mine = [row for lane, row in rows.items() if lane.channel == event.channel and event.channel is not None]
    return (min(mine), len(mine)) if mine else (0, max(1, len(rows)))


def _strings(cue: Cue, row: int, numbers: count[int]) -> Iterator[str]:
    for word in cue.words:
        confidence = _confidence(word)
        wc = "" if confidence is None else f' WC="{_number(confidence)}"'
        text = word.text if word.text.isalnum() else word.text.translate(_ESCAPES)
        box = _box(word.start_ms, word.end_ms, row)
        yield f'            <String ID="w{next(numbers):06d}"{box} CONTENT="{text}"{wc}/>'


def _cue_id(cue: Cue) -> str:
    return f"c{cue.number:06d}"


def _box(start_ms: int | None, end_ms: int | None, row: int, height: int = 1) -> str:
    if start_ms is None or end_ms is None:
        return f' VPOS="{row}" HEIGHT="{height}"'
    return f' HPOS="{start_ms}" VPOS="{row}" WIDTH="{end_ms - start_ms}" HEIGHT="{height}"'


def _confidence(word: Word) -> float | None:
    """The word's confidence where ALTO may state it: of a word with a time, and a number from 0 to 1."""
    if word.start_ms is None or word.confidence is None:
        return None
    return word.confidence if 0 <= word.confidence <= 1 else None


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _add(parent: Any, tag: str, text: str | None = None, **attributes: object) -> Any:
    return add(parent, f"{{{ALTO}}}{tag}", text, **attributes)
