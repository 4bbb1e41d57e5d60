"""The rules of each delivery format that a schema or a parser does not check."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import webvtt
from jsonschema import Draft202012Validator
from lxml import etree

from speechpipe import formats
from speechpipe.errors import UsageError
from speechpipe.formats.captions.vtt import timestamp
from speechpipe.transcript import Transcript
from speechpipe.transcript_data import Event, Media, Revision, Segment, Step, Word
from tests.transcripts import INTERVIEW, NOTHING_SAID, spoken

NS = {"a": "http://www.loc.gov/standards/alto/ns-v4#", "t": "urn:speechpipe:alto-timeline:1"}


def one(text: str, **more: Any) -> Transcript:
    return Transcript(Media("a.wav", duration_ms=60_000), "speech", (Segment(0, 0, 3_000, text, **more),))


def vtt(transcript: Transcript) -> str:
    return formats.write(transcript, "vtt").decode()


def alto(transcript: Transcript) -> Any:
    return etree.fromstring(formats.write(transcript, "alto"), etree.XMLParser(resolve_entities=False))


# ---- WebVTT ----


@pytest.mark.parametrize(
    ("milliseconds", "written"),
    [
        (0, "00:00:00.000"),
        (59_999, "00:00:59.999"),
        (60_000, "00:01:00.000"),
        (3_599_999, "00:59:59.999"),
        (3_600_000, "01:00:00.000"),
        (16_777_217, "04:39:37.217"),
        (360_000_000, "100:00:00.000"),
    ],
)
def test_timestamps_are_exact(milliseconds: int, written: str) -> None:
    assert timestamp(milliseconds) == written


def test_vtt_escapes_markup() -> None:
    assert vtt(one("a < b & c > d --> </v>")).endswith("\na &lt; b &amp; c &gt; d --&gt; &lt;/v&gt;\n")


@pytest.mark.parametrize("name", ["tape --> 2.wav", "---->.wav", "a\n\n-->\nb.wav"])
def test_a_note_cannot_be_ended_by_what_it_tells(name: str) -> None:
    text = vtt(dataclasses.replace(NOTHING_SAID, media=Media(name)))
    assert "-->" not in text
    assert text.count("\n\n") == 1


def test_the_note_tells_where_the_text_comes_from() -> None:
    note = vtt(INTERVIEW).split("\n\n")[1]
    for told in (
        "40.000 s",
        "nb, se",
        "example/asr",
        "0123456789abcdef",
        "Word alignment: speechpipe 0.1.0",
        "Created",
    ):
        assert told in note
    assert vtt(INTERVIEW).count("NOTE") == 1


@pytest.mark.parametrize(
    ("channel", "speaker", "voice"),
    [
        (None, None, None),
        (0, None, "Channel 1"),
        (1, None, "Channel 2"),
        (1, "Máret", "Máret"),
        (None, "R&B > all\n--> x", "R&amp;B &gt; all --&gt; x"),
        (None, " \n\x00", None),
    ],
)
def test_the_voice_is_the_speaker_or_the_channel(channel: int | None, speaker: str | None, voice: str | None) -> None:
    last = vtt(one("Hei.", channel=channel, speaker=speaker)).splitlines()[-1]
    assert last == ("Hei." if voice is None else f"<v {voice}>Hei.</v>")


def test_a_line_of_digits_only_is_marked() -> None:
    assert vtt(one("1985")).endswith("\n<c>1985</c>\n")
    assert vtt(one("1985", channel=0)).endswith("\n<v Channel 1>1985</v>\n")
    assert vtt(one("i 1985")).endswith("\ni 1985\n")


def test_webvtt_py_reads_it() -> None:
    read = webvtt.from_buffer(io.StringIO(vtt(INTERVIEW)))
    assert [caption.identifier for caption in read] == [str(number) for number in range(1, 10)]
    assert (read[0].text, read[0].start, read[0].end) == ("[musikk]", "00:00:00.000", "00:00:02.300")
    assert [caption.voice for caption in read[1:3]] == ["Channel 1", "Channel 2"]
    assert read[5].text == "1985"


def test_no_settings_styles_or_inner_timestamps() -> None:
    text = vtt(INTERVIEW)
    assert not any(word in text for word in ("STYLE", "REGION", "align:", "line:", "<00:"))
    assert all(len(line.split(" ")) == 3 for line in text.splitlines() if "-->" in line)


# ---- ALTO ----


def test_a_pixel_is_a_millisecond_and_a_lane_a_row() -> None:
    root = alto(INTERVIEW)
    page = root.find(".//a:Page", NS)
    assert (page.get("WIDTH"), page.get("HEIGHT"), page.get("PAGECLASS")) == ("40000", "2", "audio")
    assert root.findtext(".//a:MeasurementUnit", None, NS) == "pixel"
    timeline = root.find(".//t:timeline", NS)
    assert dict(timeline.attrib) == {
        "unit": "ms",
        "pixelsPerUnit": "1",
        "start": "HPOS",
        "duration": "WIDTH",
        "lane": "VPOS",
        "media": "reel <12> & more.wav",
        "mediaDuration": "40000",
    }
    word = root.find(".//a:String[@CONTENT='Velkommen']", NS)
    assert (word.get("HPOS"), word.get("WIDTH"), word.get("VPOS"), word.get("WC")) == ("2500", "260", "0", "0.9")


def test_blocks_are_turns_in_order_of_time_with_language_and_voice() -> None:
    root = alto(INTERVIEW)
    space = root.find(".//a:PrintSpace", NS)
    assert [etree.QName(block).localname for block in space][:3] == ["Illustration", "TextBlock", "TextBlock"]
    positions = [int(block.get("HPOS")) for block in space]
    assert positions == sorted(positions)
    labels = {tag.get("ID"): (tag.get("TYPE"), tag.get("LABEL")) for tag in root.iterfind(".//a:RoleTag", NS)}
    blocks = space.findall("a:TextBlock", NS)
    assert labels[blocks[0].get("TAGREFS")] == ("channel", "Channel 1")
    assert [block.get("LANG") for block in blocks[:3]] == ["nb", "se", "nb"]
    assert len(blocks[1].findall("a:TextLine", NS)) == 2


def test_music_on_two_channels_is_one_illustration_over_all_rows() -> None:
    (picture,) = alto(INTERVIEW).iterfind(".//a:Illustration[@TYPE='music']", NS)
    assert (picture.get("TYPE"), picture.get("WIDTH"), picture.get("HEIGHT")) == ("music", "2300", "2")


def test_page_confidence_is_the_mean_of_what_is_written() -> None:
    said = (Word("a", 0, 10, 0.5), Word("b", 10, 20, 1.0), Word("c", None, None, 0.0), Word("d", 20, 30, 7.0))
    root = alto(one("a b c d", words=said))
    assert root.find(".//a:Page", NS).get("PC") == "0.75"
    assert [string.get("WC") for string in root.iterfind(".//a:String", NS)] == ["0.5", "1", None, None]
    assert "PC" not in alto(NOTHING_SAID).find(".//a:Page", NS).attrib


def test_a_step_becomes_a_processing_that_the_page_refers_to() -> None:
    root = alto(INTERVIEW)
    entries = root.findall(".//a:Processing", NS)
    assert [entry.findtext("a:processingCategory", None, NS) for entry in entries] == [
        "preOperation",
        "contentGeneration",
        "postOperation",
    ]
    settings = entries[1].findtext("a:processingStepSettings", None, NS)
    assert settings == "model=example/asr; revision=0123456789abcdef; beam_size=5"
    assert root.find(".//a:Page", NS).get("PROCESSINGREFS").split() == [entry.get("ID") for entry in entries]


def test_a_date_that_is_none_is_left_out() -> None:
    odd = dataclasses.replace(NOTHING_SAID, steps=(Step("transcribe", "x", "1", ended="yesterday"),))
    assert alto(odd).find(".//a:processingDateTime", NS) is None
    assert alto(INTERVIEW).findtext(".//a:processingDateTime", None, NS) == "2026-01-15T12:01:00Z"


def test_lines_are_marked_corrected_once_a_person_did() -> None:
    assert all(line.get("CS") is None for line in alto(INTERVIEW).iterfind(".//a:TextLine", NS))
    corrected = dataclasses.replace(INTERVIEW, revision=Revision("Kari", "2026-02-01"))
    assert all(line.get("CS") == "true" for line in alto(corrected).iterfind(".//a:TextLine", NS))


def test_an_unknown_duration_is_not_made_up() -> None:
    page = alto(Transcript(Media("a.wav"), "no_audio")).find(".//a:Page", NS)
    assert "WIDTH" not in page.attrib


def test_cue_numbers_are_those_of_the_vtt() -> None:
    root = alto(INTERVIEW)
    lines = [*root.iterfind(".//a:TextLine", NS), *root.iterfind(".//a:Illustration[@TYPE='music']", NS)]
    assert sorted(int(line.get("ID")[1:]) for line in lines) == list(range(1, 10))
    for block in vtt(INTERVIEW).rstrip().split("\n\n")[2:]:
        number, times, *_ = block.split("\n")
        (line,) = (line for line in lines if int(line.get("ID")[1:]) == int(number))
        start = int(line.get("HPOS"))
        assert times == f"{timestamp(start)} --> {timestamp(start + int(line.get('WIDTH')))}"


# ---- text ----


def test_txt_has_a_line_a_turn() -> None:
    talk = (
        spoken(0, "En to", 0, speaker="Anna"),
        spoken(1, "tre.", 700, speaker="Anna"),
        spoken(2, "Ny tanke.", 9_000, speaker="Anna"),
        spoken(3, "Ja\nvel.", 10_000, speaker="Bo"),
    )
    text = formats.write(Transcript(Media("a.wav"), "speech", talk), "txt").decode()
    assert text.splitlines()[:4] == ["Anna: En to tre.", "Anna: Ny tanke.", "Bo: Ja vel.", ""]
    assert formats.write(one("Hei."), "txt").decode().splitlines()[0] == "Hei."


# ---- JSON ----


def test_json_is_for_people_too() -> None:
    content = formats.write(INTERVIEW, "json").decode()
    assert '"text": "Velkommen til «Lyd & bilde», Máret. Hvor er du født?"' in content
    assert list(json.loads(content))[:3] == ["schema_version", "media", "outcome"]


def test_a_number_that_is_none_is_not_known() -> None:
    sick = one("a", avg_logprob=float("-inf"), no_speech_prob=float("nan"))
    (segment,) = formats.read(formats.write(sick, "json"), "json").segments
    assert (segment.avg_logprob, segment.no_speech_prob, segment.text) == (None, None, "a")


def changed(**changes: Any) -> bytes:
    return json.dumps({**json.loads(formats.write(NOTHING_SAID, "json")), **changes}).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe", "codec can't decode"),
        (b"[]", "not an object"),
        (b"{}", "schema_version is None"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (b"9" * 10_000, "limit"),
        (changed(schema_version="2.0"), "'2.0', not '1.1'"),
        (changed(media=None), "transcript.media: not an object"),
        (changed(media={}), "transcript.media"),
        (changed(outcome="failed"), "'failed' is none of speech"),
        (changed(surprise=1), "unknown fields surprise"),
        (changed(complete=1), "transcript.complete"),
        (changed(segments="abc"), "transcript.segments: not a list"),
        (changed(segments=[{"id": 0, "start_ms": 5, "end_ms": 1, "text": ""}]), "not a span of time"),
        (changed(segments=[{"id": True, "start_ms": 0, "end_ms": 1, "text": ""}]), "segments[0].id"),
        (
            changed(segments=[{"id": 0, "start_ms": 0, "end_ms": 1, "text": "", "temperature": 10**400}]),
            "too large",
        ),
        (changed(warnings=["x"]).replace(b'"x"', b"NaN"), "NaN is no number"),
        (changed(warnings=["x"]).replace(b'"x"', b"1e999"), "1e999 is no number"),
        (changed(warnings=[{"x" * 100_000: 1}]), "is not of type str"),
    ],
)
def test_what_is_no_transcript_is_said_in_a_line(content: bytes, reason: str) -> None:
    with pytest.raises(UsageError) as raised:
        formats.read(content, "json")
    message = str(raised.value)
    assert "\n" not in message
    assert len(message) < 400
    assert reason in message or (reason == "is not of type str" and message.startswith("This is no transcript"))


def test_a_byte_order_mark_from_an_editor_is_taken() -> None:
    assert formats.read(b"\xef\xbb\xbf" + formats.write(INTERVIEW, "json"), "json") == INTERVIEW


def test_the_published_schema_is_made_from_the_classes(root: Path) -> None:
    from speechpipe.formats.schema import text

    assert (root / "speechpipe" / "transcript.schema.json").read_text(encoding="utf-8") == text()


def test_schema_and_classes_agree_field_by_field(root: Path) -> None:
    from speechpipe import transcript_data as classes

    published = json.loads((root / "speechpipe" / "transcript.schema.json").read_text(encoding="utf-8"))
    described = {**published["$defs"], "TranscriptData": published}
    kinds = {name: kind for name, kind in vars(classes).items() if dataclasses.is_dataclass(kind)}
    assert described.keys() == kinds.keys()
    for name, kind in kinds.items():
        fields = [field.name for field in dataclasses.fields(kind)]
        extra = ["schema_version"] if name == "TranscriptData" else []
        assert list(described[name]["properties"]) == extra + fields, name
        assert described[name]["additionalProperties"] is False
        needed = [f.name for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING]
        assert described[name]["required"] == extra + needed, name


@pytest.mark.parametrize(
    "spoil",
    [
        {"outcome": "failed"},
        {"schema_version": "2.0"},
        {"surprise": 1},
        {"complete": None},
        {"segments": [{"id": 0, "start_ms": -1, "end_ms": 1, "text": ""}]},
        {"events": [{"start_ms": 0, "end_ms": 1, "kind": "birdsong"}]},
        {"media": {"sha256": "x"}},
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(spoil: dict[str, Any], root: Path) -> None:
    schema = json.loads((root / "speechpipe" / "transcript.schema.json").read_text(encoding="utf-8"))
    validator = Draft202012Validator(schema)
    assert validator.is_valid(json.loads(changed()))
    assert not validator.is_valid(json.loads(changed(**spoil)))
    with pytest.raises(UsageError):
        formats.read(changed(**spoil), "json")


def test_silence_and_noise_are_no_captions() -> None:
    heard = (Event(0, 900, "silence"), Event(0, 900, "noise"), Event(5, 5, "music"), Event(0, 900, "tone"))
    assert "-->" not in vtt(dataclasses.replace(NOTHING_SAID, events=heard))


@pytest.mark.parametrize("text", ["<i>a</i>", "side <12> b", r"{\an8}top", "{y:i}x", "1 < 2", "a <"])
def test_subrip_has_nothing_that_players_take_for_a_tag(text: str) -> None:
    said = dataclasses.replace(INTERVIEW, segments=(Segment(0, 0, 1_000, text),), events=())
    content = formats.write(said, "srt").decode()
    assert not re.search(r"[<{]\S", content)
    assert content.split("\n")[2].replace("< ", "<").replace("{ ", "{") == text.replace("< ", "<")
