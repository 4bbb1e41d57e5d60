"""METS 1.12 with PREMIS 3: which files make up the package, where they come from, and where in the sound each cue is.

Written last, since it holds the digests of the others.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from typing import Any

from lxml import etree

from speechpipe.formats.archive import premis
from speechpipe.formats.archive.alto import DATE, XSI
from speechpipe.formats.archive.xml import add, set_known
from speechpipe.formats.captions.cues import Cue, cues
from speechpipe.formats.captions.vtt import timestamp
from speechpipe.formats.provenance import created, findings, rights, settings_digest, statement, told
from speechpipe.formats.text import address, clean
from speechpipe.formats.turns import turns
from speechpipe.settings.captions import Captions
from speechpipe.transcript_data import TranscriptData

METS = "http://www.loc.gov/METS/"
XLINK = "http://www.w3.org/1999/xlink"
HREF = f"{{{XLINK}}}href"
DC = "http://purl.org/dc/elements/1.1/"
SCHEMAS = (
    f"{METS} http://www.loc.gov/standards/mets/mets.xsd {premis.PREMIS} http://www.loc.gov/standards/premis/premis.xsd"
)


def describe(
    transcript: TranscriptData, captions: Captions, files: Mapping[str, bytes], types: Mapping[str, str]
) -> bytes:
    """The METS of a package.

    Args:
        files: the content of each other file by its name. types: each file's media type.
    """
    known = (transcript.identifier, transcript.media.sha256 and f"sha256:{transcript.media.sha256}")
    identity = next(
        (clean(name) for name in known if name and clean(name)), clean(transcript.media.name) or "recording"
    )
    mets = etree.Element(
        f"{{{METS}}}mets",
        nsmap={None: METS, "xlink": XLINK, "dc": DC, "premis": premis.PREMIS, "xsi": XSI},  # type: ignore[dict-item]
    )
    mets.set(f"{{{XSI}}}schemaLocation", SCHEMAS)
    label = next((text for name in (transcript.title, transcript.media.name) if (text := clean(name or ""))), None)
    set_known(mets, OBJID=identity, TYPE="audio transcript", LABEL=label)
    _header(mets, transcript)
    _description(mets, transcript)
    ids = {name: f"file{number}" for number, name in enumerate(files, 1)}
    admin = _Admin(_add(mets, "amdSec", ID="amd1"), identity)
    _administrative(admin, transcript, files, types, ids)
    _files(_add(mets, "fileSec"), transcript, files, types, ids, admin)
    alto = next((id_ for name, id_ in ids.items() if name.endswith(".alto.xml")), None)
    _structure(mets, transcript, cues(transcript, captions), ids, alto)
    return _bytes(mets)


def _bytes(mets: Any) -> bytes:
    content: bytes = etree.tostring(mets, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    return content


class _Admin:
    """The administrative section, and the IDs of what stands in it."""

    def __init__(self, element: Any, identity: str) -> None:
        self.element, self.identity = element, identity
        self.ids: dict[str, str] = {}

    def add(self, section: str, kind: str, key: str, content: Any) -> None:
        self.ids[key] = f"md{len(self.ids) + 1}"
        wrapped = _add(self.element, section, ID=self.ids[key])
        wrap = _add(wrapped, "mdWrap", MDTYPE=f"PREMIS:{kind}", MDTYPEVERSION="3.0")
        _add(wrap, "xmlData").append(content)

    def name(self, what: str) -> str:
        return f"{self.identity}/{what}"

    def of(self, *prefixes: str) -> str | None:
        """The IDs of all that begin so, for ADMID."""
        return " ".join(id_ for key, id_ in self.ids.items() if key.startswith(prefixes)) or None


def _header(mets: Any, transcript: TranscriptData) -> None:
    made = transcript.revision.at if transcript.revision else created(transcript)
    header = _add(mets, "metsHdr", CREATEDATE=made if made and DATE.fullmatch(made) else None)
    for software in dict.fromkeys(f"{step.software} {step.version}" for step in transcript.steps):
        agent = _add(header, "agent", ROLE="CREATOR", TYPE="OTHER", OTHERTYPE="SOFTWARE")
        _add(agent, "name", text=software)
    if transcript.revision:
        _add(_add(header, "agent", ROLE="EDITOR", TYPE="INDIVIDUAL"), "name", text=transcript.revision.by)


def _description(mets: Any, transcript: TranscriptData) -> None:
    """In Dublin Core: what it is, in which languages, what may be done, and what a reader must know."""
    wrap = _add(_add(mets, "dmdSec", ID="dmd1"), "mdWrap", MDTYPE="DC")
    data = _add(wrap, "xmlData")
    described = [("title", transcript.title), ("identifier", transcript.identifier)]
    described += [("language", language) for language in transcript.languages]
    described += [("rights", f"{name}: {text}") for name, text in rights(transcript)]
    described += [("description", text) for text in (statement(transcript), *findings(transcript))]
    if digest := settings_digest(transcript):
        described.append(("description", f"Settings: {digest}"))
    for name, text in described:
        if text and clean(text):
            add(data, f"{{{DC}}}{name}", text)


def _administrative(
    admin: _Admin,
    transcript: TranscriptData,
    files: Mapping[str, bytes],
    types: Mapping[str, str],
    ids: Mapping[str, str],
) -> None:
    """The order is that of the schema: techMD, rightsMD, digiprovMD."""
    media, outcomes = admin.name("media"), [admin.name(id_) for id_ in ids.values()]
    steps = list(enumerate(transcript.steps, 1))
    last = {"event": admin.name(f"event/{len(steps)}")} if steps else {}
    admin.add("techMD", "OBJECT", "tech/media", premis.of_media(transcript.media, media))
    for name, content in files.items():
        identifiers = {"self": admin.name(ids[name]), "media": media, **last}
        digest = hashlib.sha256(content).hexdigest()
        described = premis.of_file(name, digest, len(content), types[name], identifiers)
        admin.add("techMD", "OBJECT", f"tech/{ids[name]}", described)
    if (rights := premis.of_rights(transcript, admin.name("rights"))) is not None:
        admin.add("rightsMD", "RIGHTS", "rights", rights)
    for number, step in steps:
        agent = admin.name(f"agent/{number}")
        event = premis.of_step(step, admin.name(f"event/{number}"), agent, media, outcomes)
        admin.add("digiprovMD", "EVENT", f"event/{number}", event)
        described = premis.of_agent(agent, step.software, "software", step.version, told(step))
        admin.add("digiprovMD", "AGENT", f"agent/{number}", described)
    if transcript.revision:
        person, name = admin.name("agent/person"), admin.name("event/correction")
        event = premis.of_correction(transcript, name, person, media, outcomes)
        admin.add("digiprovMD", "EVENT", "event/correction", event)
        admin.add("digiprovMD", "AGENT", "agent/person", premis.of_agent(person, transcript.revision.by, "person"))


def _files(
    section: Any,
    transcript: TranscriptData,
    files: Mapping[str, bytes],
    types: Mapping[str, str],
    ids: Mapping[str, str],
    admin: _Admin,
) -> None:
    media = transcript.media
    source = _add(
        _add(section, "fileGrp", USE="source"),
        "file",
        ID="media",
        ADMID=admin.of("tech/media", "rights"),
        MIMETYPE=mimetypes.guess_type(media.name)[0],
        SIZE=media.size,
        CHECKSUM=media.sha256,
        CHECKSUMTYPE="SHA-256" if media.sha256 else None,
    )
    _location(source, media.name)
    group = _add(section, "fileGrp", USE="transcript") if files else None
    for name, content in files.items():
        described: dict[str, Any] = {
            "MIMETYPE": types[name],
            "SIZE": len(content),
            "CHECKSUM": hashlib.sha256(content).hexdigest(),
        }
        admid = admin.of(f"tech/{ids[name]}", "rights", "event/")
        _location(_add(group, "file", ID=ids[name], ADMID=admid, **described, CHECKSUMTYPE="SHA-256"), name)


def _location(file: Any, name: str) -> None:
    place = _add(file, "FLocat", LOCTYPE="URL")
    place.set(f"{{{XLINK}}}type", "simple")
    place.set(HREF, address(name))


def _structure(
    mets: Any, transcript: TranscriptData, made: list[Cue], ids: Mapping[str, str], alto: str | None
) -> None:
    recording = _add(_add(mets, "structMap", TYPE="LOGICAL"), "div", TYPE="recording", DMDID="dmd1")
    set_known(recording, LABEL=transcript.media.name)
    for id_ in ("media", *ids.values()):
        _add(recording, "fptr", FILEID=id_)
    of_segment: dict[int, list[Cue]] = {}
    for cue in made:
        of_segment.setdefault(id(cue.segment), []).append(cue)
    parts: list[tuple[str, str | None, list[Cue]]] = [("music", None, [cue]) for cue in made if cue.segment is None]
    for turn in turns(transcript):
        parts.append(("turn", turn.lane.name, [cue for s in turn.segments for cue in of_segment[id(s)]]))
    for kind, label, lines in sorted(parts, key=lambda part: part[2][0].number):
        outer = recording if kind == "music" else _add(recording, "div", TYPE=kind, LABEL=label)
        for cue in lines:
            _cue(_add(outer, "div", TYPE="music" if kind == "music" else "cue"), cue, alto)


def _cue(div: Any, cue: Cue, alto: str | None) -> None:
    """Where the cue is in the sound, and in the ALTO beside it."""
    pointer = _add(div, "fptr")
    together = _add(pointer, "par") if alto else pointer
    times = {"BEGIN": timestamp(cue.start_ms), "END": timestamp(cue.end_ms)}
    _add(together, "area", FILEID="media", **times, BETYPE="TIME")
    if alto:
        _add(together, "area", FILEID=alto, BEGIN=f"c{cue.number:06d}", BETYPE="IDREF")


def _add(parent: Any, tag: str, text: str | None = None, **attributes: object) -> Any:
    return add(parent, f"{{{METS}}}{tag}", text, **attributes)
