"""PREMIS 3: files, what was done to them, by which software or person, and what may be done with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Union

from lxml import etree

from speechpipe.formats.archive.alto import XSI
from speechpipe.formats.provenance import rights as rights_told
from speechpipe.formats.provenance import told
from speechpipe.formats.text import clean
from speechpipe.transcript_data import Media, Step, TranscriptData

PREMIS = "http://www.loc.gov/premis/v3"
#: What our steps are called in words.
EVENTS = {
    "decode": "decoding",
    "chunk": "detection of speech",
    "transcribe": "automatic speech recognition",
    "align": "word alignment",
}
#: Where the standard wants a date and none is known, in the Extended Date/Time Format.
NO_DATE = "XXXX"

Content = Union[str, "Sequence[tuple[str, Content]]", None]
Fields = list[tuple[str, Content]]


def of_media(media: Media, identifier: str) -> Any:
    """The recording as a file."""
    fixity = _fixity(media.sha256) if media.sha256 else []
    size: Fields = [] if media.size is None else [("size", str(media.size))]
    named: Fields = [("format", [("formatDesignation", [("formatName", media.container or "unknown")])])]
    characteristics: Fields = [("compositionLevel", "0"), *fixity, *size, *named]
    return _file(identifier, characteristics, media.name, [])


def of_file(name: str, content_sha256: str, size: int, media_type: str, identifiers: Mapping[str, str]) -> Any:
    """A file of the package; ``identifiers`` has its own (``self``), that of the recording and of the event."""
    characteristics: Fields = [
        ("compositionLevel", "0"),
        *_fixity(content_sha256),
        ("size", str(size)),
        ("format", [("formatDesignation", [("formatName", media_type)])]),
    ]
    related: Fields = [
        ("relationshipType", "derivation"),
        ("relationshipSubType", "has source"),
        ("relatedObjectIdentifier", _local("relatedObjectIdentifier", identifiers["media"])),
    ]
    if "event" in identifiers:
        related.append(("relatedEventIdentifier", _local("relatedEventIdentifier", identifiers["event"])))
    return _file(identifiers["self"], characteristics, name, [("relationship", related)])


def of_step(step: Step, identifier: str, agent: str, source: str, outcomes: Iterable[str]) -> Any:
    """An event of processing; its model is part of the detail."""
    model = told(step).removeprefix(f"{step.software} {step.version}").removeprefix(", ")
    detail = "; ".join(part for part in (EVENTS.get(step.what, step.what), model) if part)
    when = step.ended or step.started
    return _event(identifier, "creation", when, detail, agent, "executing program", source, outcomes)


def of_correction(transcript: TranscriptData, identifier: str, agent: str, source: str, outcomes: Iterable[str]) -> Any:
    """The event of a person's correction."""
    revision = transcript.revision
    if revision is None:
        raise ValueError("nobody has corrected this transcript")
    detail = "; ".join(["correction by a person", *([revision.note] if revision.note else [])])
    return _event(identifier, "modification", revision.at, detail, agent, "implementer", source, outcomes)


def of_agent(identifier: str, name: str, kind: str, version: str | None = None, note: str | None = None) -> Any:
    told_of: Fields = [("agentName", name), ("agentType", kind)]
    told_of += [("agentVersion", version)] if version else []
    told_of += [("agentNote", note)] if note else []
    return _tree("agent", [("agentIdentifier", _local("agentIdentifier", identifier)), *told_of], version="3.0")


def of_rights(transcript: TranscriptData, identifier: str) -> Any | None:
    """The rights statement of the repository; None where nothing is known."""
    known = transcript.rights
    permissions = {"transcribe": known.may_transcribe, "publish": known.may_publish, "train": known.may_train}
    granted: Fields = [
        ("rightsGranted", [("act", act), *([] if allowed else [("restriction", "not allowed")])])
        for act, allowed in permissions.items()
        if allowed is not None
    ]
    notes: Fields = [("otherRightsNote", f"{name}: {text}") for name, text in rights_told(transcript)]
    if not granted and not notes:
        return None
    statement: Fields = [
        ("rightsStatementIdentifier", _local("rightsStatementIdentifier", identifier)),
        ("rightsBasis", "other"),
        ("otherRightsInformation", [("otherRightsBasis", "statement of the repository"), *notes]),
        *granted,
    ]
    return _tree("rights", [("rightsStatement", statement)], version="3.0")


def _file(identifier: str, characteristics: Fields, name: str, related: Fields) -> Any:
    element = _tree(
        "object",
        [
            ("objectIdentifier", _local("objectIdentifier", identifier)),
            ("objectCharacteristics", characteristics),
            ("originalName", name),
            *related,
        ],
        version="3.0",
    )
    element.set(f"{{{XSI}}}type", "premis:file")
    return element


def _event(
    identifier: str,
    kind: str,
    when: str | None,
    detail: str,
    agent: str,
    role: str,
    source: str,
    outcomes: Iterable[str],
) -> Any:
    linked = [(source, "source"), *((outcome, "outcome") for outcome in outcomes)]
    return _tree(
        "event",
        [
            ("eventIdentifier", _local("eventIdentifier", identifier)),
            ("eventType", kind),
            ("eventDateTime", when or NO_DATE),
            ("eventDetailInformation", [("eventDetail", detail)]),
            ("eventOutcomeInformation", [("eventOutcome", "success")]),
            ("linkingAgentIdentifier", [*_local("linkingAgentIdentifier", agent), ("linkingAgentRole", role)]),
            *(
                ("linkingObjectIdentifier", [*_local("linkingObjectIdentifier", one), ("linkingObjectRole", as_what)])
                for one, as_what in linked
            ),
        ],
        version="3.0",
    )


def _fixity(sha256: str) -> Fields:
    return [("fixity", [("messageDigestAlgorithm", "SHA-256"), ("messageDigest", sha256)])]


def _local(name: str, value: str) -> Fields:
    return [(f"{name}Type", "local"), (f"{name}Value", value)]


def _tree(tag: str, content: Content, **attributes: str) -> Any:
    element = etree.Element(f"{{{PREMIS}}}{tag}", attributes, nsmap={"premis": PREMIS, "xsi": XSI})
    _fill(element, content)
    return element


def _fill(element: Any, content: Content) -> None:
    if isinstance(content, str):
        element.text = clean(content)
    for tag, inner in content if content is not None and not isinstance(content, str) else ():
        _fill(etree.SubElement(element, f"{{{PREMIS}}}{tag}"), inner)
