"""METS and PREMIS against their schemas, IDREFs included, and against the files that they describe."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import xmlschema
from hypothesis import HealthCheck, given, settings
from lxml import etree

from speechpipe import formats
from speechpipe.transcript import Transcript
from speechpipe.transcript_data import Media, Revision, Rights, Step
from tests.transcripts import INTERVIEW, NOTHING_SAID, any_transcripts, spoken_transcripts

SCHEMAS = Path(__file__).resolve().parents[1] / "data" / "schemas"
NS = {"m": "http://www.loc.gov/METS/", "p": "http://www.loc.gov/premis/v3", "x": "http://www.w3.org/1999/xlink"}
HREF = "{http://www.w3.org/1999/xlink}href"
CORRECTED = dataclasses.replace(INTERVIEW, revision=Revision("Kari <Nordmann>", "2026-02-01T08:00:00Z", "all of it"))
KNOWN = {"sha256": INTERVIEW.media.sha256, "size": 1_000_000, "duration_ms": 40_000}
BARE = Transcript(Media("\x00"), "no_audio")
ODD = dataclasses.replace(
    INTERVIEW,
    media=Media("b\udce5nd & <1>.wav"),
    steps=(Step("x" * 3, "", "", ended="yesterday"),),
    rights=Rights(may_train=False, may_transcribe=True),
    title="\x01",
)
TRANSCRIPTS = {"interview": INTERVIEW, "nothing": NOTHING_SAID, "corrected": CORRECTED, "bare": BARE, "odd": ODD}
every = pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS)


def package(transcript: Transcript, *names: str) -> tuple[Any, dict[str, bytes]]:
    files = formats.compose(transcript, [*(names or ("vtt", "alto", "json", "srt")), "mets"], "reel 12.wav")
    return etree.fromstring(files.pop("reel 12.wav.mets.xml")), files


@pytest.fixture(scope="module")
def by_libxml2() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(SCHEMAS / "mets-premis.offline.xsd")))


@pytest.fixture(scope="module")
def by_xmlschema() -> xmlschema.XMLSchema:
    local = (SCHEMAS / "common" / "xlink.xsd").resolve().as_uri()
    return xmlschema.XMLSchema(
        str(SCHEMAS / "mets-premis.offline.xsd"),
        allow="local",
        uri_mapper=lambda uri: local if uri.endswith("/xlink.xsd") else uri,
    )


@every
def test_it_is_valid(transcript: Transcript, by_libxml2: etree.XMLSchema) -> None:
    by_libxml2.assertValid(package(transcript)[0])
    by_libxml2.assertValid(package(transcript, "txt")[0])
    by_libxml2.assertValid(etree.fromstring(formats.write(transcript, "mets")))


@every
def test_every_reference_in_it_resolves(transcript: Transcript, by_xmlschema: xmlschema.XMLSchema) -> None:
    by_xmlschema.validate(io.BytesIO(etree.tostring(package(transcript)[0])))


def test_a_broken_reference_would_be_found(by_xmlschema: xmlschema.XMLSchema) -> None:
    mets, _ = package(INTERVIEW)
    mets.find(".//m:file[@ADMID]", NS).set("ADMID", "nowhere")
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        by_xmlschema.validate(io.BytesIO(etree.tostring(mets)))


def test_a_premis_element_out_of_order_would_be_found(by_libxml2: etree.XMLSchema) -> None:
    mets, _ = package(INTERVIEW)
    characteristics = mets.find(".//p:objectCharacteristics", NS)
    characteristics.append(characteristics.find("p:compositionLevel", NS))
    assert not by_libxml2.validate(mets)


def test_the_published_schemas_agree(formats_suite: Path) -> None:
    """That of PREMIS as its publisher has it, and the earlier ones of ALTO 4."""
    folder = formats_suite / "schemas"
    mets = etree.XMLSchema(etree.parse(str(folder / "mets-premis.offline.xsd")))
    altos = [etree.XMLSchema(etree.parse(str(folder / f"alto-4-{minor}.offline.xsd"))) for minor in (1, 2, 3, 4)]
    for transcript in TRANSCRIPTS.values():
        described, files = package(transcript)
        mets.assertValid(described)
        for alto in altos:
            alto.assertValid(etree.fromstring(files["reel 12.wav.alto.xml"]))


@pytest.mark.extra
@every
def test_jing_finds_no_error(transcript: Transcript, tmp_path: Path) -> None:
    mets, files = package(transcript)
    (tmp_path / "mets.xml").write_bytes(etree.tostring(mets))
    (tmp_path / "alto.xml").write_bytes(files["reel 12.wav.alto.xml"])
    for schema, name in (("mets-premis", "mets.xml"), ("alto-4-4", "alto.xml")):
        command = ["jing", str(SCHEMAS / f"{schema}.offline.xsd"), name]
        found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert found.returncode == 0, found.stdout[:500]


@pytest.mark.extra
def test_jing_would_find_a_broken_reference(tmp_path: Path) -> None:
    mets, files = package(INTERVIEW)
    broken = etree.tostring(mets).replace(b'FILEID="media"', b'FILEID="nowhere"')
    (tmp_path / "mets.xml").write_bytes(broken)
    (tmp_path / "alto.xml").write_bytes(files["reel 12.wav.alto.xml"].replace(b'TAGREFS="lane0"', b'TAGREFS="lane9"'))
    for schema, name in (("mets-premis", "mets.xml"), ("alto-4-4", "alto.xml")):
        command = ["jing", str(SCHEMAS / f"{schema}.offline.xsd"), name]
        found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert found.returncode == 1 and ("nowhere" in found.stdout or "lane9" in found.stdout)


def test_each_file_has_its_name_size_and_digest() -> None:
    mets, files = package(INTERVIEW)
    group = mets.find(".//m:fileGrp[@USE='transcript']", NS)
    told = {
        unquote(file.find("m:FLocat", NS).get(HREF)): (file.get("SIZE"), file.get("CHECKSUM"), file.get("MIMETYPE"))
        for file in group
    }
    assert told == {
        name: (str(len(content)), hashlib.sha256(content).hexdigest(), media_type)
        for (name, content), media_type in zip(
            files.items(), ["text/vtt", "application/xml", "application/json", "application/x-subrip"], strict=True
        )
    }
    digests = [fixity.text for fixity in mets.iterfind(".//p:messageDigest", NS)]
    assert digests == [INTERVIEW.media.sha256, *(digest for _, digest, _ in told.values())]


def test_each_cue_is_placed_in_the_sound_and_in_the_alto() -> None:
    mets, files = package(INTERVIEW)
    alto = etree.fromstring(files["reel 12.wav.alto.xml"])
    ids = {element.get("ID") for element in alto.iter() if element.get("ID")}
    areas = mets.findall(".//m:par", NS)
    assert len(areas) == 9
    for sound, text in areas:
        assert sound.get("BETYPE") == "TIME" and sound.get("BEGIN") < sound.get("END")
        assert text.get("BEGIN") in ids
    alone, _ = package(INTERVIEW, "vtt")
    assert alone.find(".//m:par", NS) is None and len(alone.findall(".//m:area", NS)) == 9
    turns = [div.get("LABEL") for div in mets.iterfind(".//m:div[@TYPE='turn']", NS)]
    assert turns[:2] == ["Channel 1", "Channel 2"]


def test_events_agents_and_rights_are_those_of_the_transcript() -> None:
    mets, _ = package(CORRECTED)
    details = [detail.text for detail in mets.iterfind(".//p:eventDetail", NS)]
    assert details[1] == "automatic speech recognition; model example/asr, revision 0123456789abcdef"
    assert details[-1] == "correction by a person; all of it"
    agents = [
        (a.findtext("p:agentName", None, NS), a.findtext("p:agentType", None, NS))
        for a in mets.iterfind(".//p:agent", NS)
    ]
    assert agents[1] == ("faster-whisper", "software") and agents[-1] == ("Kari <Nordmann>", "person")
    notes = [note.text for note in mets.iterfind(".//p:otherRightsNote", NS)]
    assert notes == [f"Rights: {INTERVIEW.rights.statement}", "Access: reading room only"]
    (granted,) = mets.iterfind(".//p:rightsGranted", NS)
    assert (granted.findtext("p:act", None, NS), granted.findtext("p:restriction", None, NS)) == (
        "publish",
        "not allowed",
    )
    linked = {value.text for value in mets.iterfind(".//p:linkingAgentIdentifierValue", NS)}
    assert linked == {value.text for value in mets.iterfind(".//p:agentIdentifierValue", NS)}


def test_files_that_stand_already_are_described_too() -> None:
    files = formats.compose(INTERVIEW, ["mets"], "a.wav", beside={"a.wav.vtt": b"WEBVTT\n", "a.wav.mets.xml": b"old"})
    assert list(files) == ["a.wav.mets.xml"]
    mets = etree.fromstring(files["a.wav.mets.xml"])
    assert [place.get(HREF) for place in mets.iterfind(".//m:FLocat", NS)][1:] == ["a.wav.vtt"]


def test_nothing_is_known_of_rights_and_so_nothing_is_said() -> None:
    mets, _ = package(NOTHING_SAID)
    assert mets.find(".//m:rightsMD", NS) is None


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(any_transcripts | spoken_transcripts)
def test_whatever_the_texts_it_is_valid_and_its_references_lead_somewhere(
    by_libxml2: etree.XMLSchema, transcript: Transcript
) -> None:
    described, _ = package(transcript, "vtt", "alto")
    by_libxml2.assertValid(described)
    ids = {element.get("ID") for element in described.iter() if element.get("ID")}
    ids |= {element.get("ID") for element in etree.fromstring(formats.write(transcript, "alto")).iter("{*}TextLine")}
    for element in described.iter():
        named = " ".join(element.get(name) or "" for name in ("ADMID", "DMDID", "FILEID")).split()
        assert set(named) <= ids
        if element.get("BETYPE") == "IDREF" and element.getparent().getparent().getparent().get("TYPE") == "cue":
            assert element.get("BEGIN") in ids
