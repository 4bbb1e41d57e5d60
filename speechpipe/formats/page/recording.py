"""A page by itself to hear, read and search a recording: player, captions, transcript that follows; no network.

The sound is found by its name beside the page, or chosen by the reader. The text stands in the page's own markup, so
that it can be read, searched, printed and indexed without the script. What has the attribute ``data-t`` is the page's
own word, which the script puts into the reader's language.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from string import Template

from speechpipe.formats.captions.cues import Cue, cues
from speechpipe.formats.names import file_name
from speechpipe.formats.page.markup import overview, said, span_of, text
from speechpipe.formats.provenance import findings, provenance, rights, statement
from speechpipe.formats.text import address, clean
from speechpipe.formats.turns import lanes
from speechpipe.settings.captions import Captions
from speechpipe.transcript_data import TranscriptData

#: Nothing is loaded from anywhere but the recording: from beside the page, or as the reader chose it.
POLICY = (
    "default-src 'none'; script-src '{script}'; style-src '{style}'; media-src 'self' file: blob:; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
#: "Video" streams that are a picture of the sleeve.
_STILL = {"mjpeg", "png", "bmp", "gif", "webp"}
_PERMISSIONS = {"may_transcribe": "be transcribed", "may_publish": "be published", "may_train": "train models"}


def write(transcript: TranscriptData, captions: Captions) -> bytes:
    shaped = cues(transcript, captions)
    kind = "video" if is_film(transcript) else "audio"
    style, script = asset("html_viewer.css"), asset("html_viewer.js")
    name = file_name(transcript)
    words, times = said(transcript)
    page = Template(asset("html_page.html")).substitute(
        policy=POLICY.format(script=_digest(script), style=_digest(style)),
        title=text(clean(transcript.title or "") or clean(name) or "Recording"),
        style=style,
        script=script,
        marks="\n".join(_marks(transcript)),
        kind=kind,
        source=f"./{address(name)}",  # so that what looks like a scheme is none
        name=text(name),
        overview=overview(transcript),
        transcript=words or '<p class="nothing" data-t>There is no text.</p>',
        about="\n".join(f"<li><bdi>{text(line)}</bdi></li>" for line in _about(transcript)),
        words=_json(interface()),
        data=_json({**_recording(transcript, name), **times, **_cues(transcript, shaped)}),
    )
    # Were the page put into composed form (NFC), this mark would eat the end of a tag.
    return page.replace(">\u0338", ">&#x338;").encode()


def is_film(transcript: TranscriptData) -> bool:
    return any(stream.kind == "video" and stream.codec not in _STILL for stream in transcript.media.streams)


@cache
def asset(name: str) -> str:
    """A file of this package."""
    return files("speechpipe.formats.page").joinpath(name).read_text("utf-8")


@cache
def interface() -> dict[str, list[str]]:
    """The page's own words by language, in the same order in each; ``html_words.tsv`` has a column a language."""
    rows = [line.split("\t") for line in asset("html_words.tsv").splitlines()]
    return {column[0]: list(column[1:]) for column in zip(*rows, strict=True)}


def _marks(transcript: TranscriptData) -> list[str]:
    """What everybody must see: who made the text, who may have it, what lacks."""
    lines = [f'<p class="mark">{_told(statement(transcript), " corrected by ")}</p>']
    lines += [
        f'<p class="rights"><span data-t>{name}</span>: <bdi>{text(told)}</bdi></p>'
        for name, told in rights(transcript)
    ]
    return lines + [f'<p class="finding">{_told(finding, ": ")}</p>' for finding in findings(transcript)]


def _told(sentence: str, end: str) -> str:
    """A sentence of ours and, behind this end of it, what is not ours."""
    ours, parting, rest = sentence.partition(end)
    if not parting:
        return f"<span data-t>{text(sentence)}</span>"
    word = end.rstrip(": ")
    return f'<span data-t>{text(ours + word)}</span>{end[len(word) :]}<bdi lang="en">{text(rest)}</bdi>'


def _about(transcript: TranscriptData) -> list[str]:
    told = provenance(transcript)
    for field, deed in _PERMISSIONS.items():
        if (may := getattr(transcript.rights, field)) is not None:
            told.append(f"It {'may' if may else 'must not'} {deed}.")
    if transcript.revision is not None and transcript.revision.note:
        told.append(f"Note: {transcript.revision.note}")
    return told + [warning for warning in transcript.warnings if clean(warning) not in told]


def _recording(transcript: TranscriptData, name: str) -> dict[str, object]:
    media = {"name": clean(name), "size": transcript.media.size, "end": span_of(transcript)}
    return {**media, "languages": transcript.languages}


def _cues(transcript: TranscriptData, shaped: list[Cue]) -> dict[str, object]:
    """``cues``: start and end in ms, number of the lane or -1, text."""
    places = {lane: number for number, lane in enumerate(lanes(transcript))}
    rows = [
        [cue.start_ms, cue.end_ms, -1 if cue.lane is None else places[cue.lane], "\n".join(cue.line_texts)]
        for cue in shaped
    ]
    return {"lanes": [clean(lane.name or "") for lane in places], "cues": rows}


def _digest(content: str) -> str:
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"


def _json(value: object) -> str:
    """JSON that no parser of HTML or JavaScript reads as anything else."""
    plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", plain)
