"""What holds for every transcript, however hostile its texts."""

from __future__ import annotations

import io
import json
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import webvtt
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from lxml import etree

from speechpipe import formats
from speechpipe.errors import UsageError
from speechpipe.formats.captions.cues import Cue, cues
from speechpipe.formats.captions.vtt import timestamp
from speechpipe.formats.text import clean, tokens, visible_length
from speechpipe.settings.captions import Captions
from speechpipe.transcript import Transcript
from tests.transcripts import any_transcripts, spoken_transcripts, texts

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "tests" / "data" / "schemas"
DEFAULTS = Captions.model_validate({})
limits = st.builds(
    Captions,
    max_lines=st.integers(1, 3),
    max_line_chars=st.integers(10, 60),
    min_cue_ms=st.integers(0, 2000),
    max_cue_ms=st.integers(1000, 9000),
    max_chars_per_second=st.floats(5, 30),
    min_gap_ms=st.integers(0, 300),
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
both = any_transcripts | spoken_transcripts


@cache
def json_validator() -> Draft202012Validator:
    schema = json.loads((ROOT / "speechpipe" / "transcript.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@cache
def alto_by_libxml2() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(SCHEMAS / "alto-4-4.offline.xsd")))


@cache
def alto_with_idrefs() -> xmlschema.XMLSchema:
    local = (SCHEMAS / "common" / "xlink.xsd").as_uri()
    return xmlschema.XMLSchema(
        str(SCHEMAS / "alto-4-4.offline.xsd"),
        allow="local",
        uri_mapper=lambda uri: local if uri.endswith("/xlink.xsd") else uri,
    )


def parsed(content: bytes) -> Any:
    return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))


def of_lane(made: list[Cue]) -> dict[object, list[Cue]]:
    lanes: dict[object, list[Cue]] = {}
    for cue in made:
        if cue.segment is not None:
            lanes.setdefault(cue.lane, []).append(cue)
    return lanes


# ---- text ----


@given(texts)
def test_clean_text_is_one_line_that_xml_takes(text: str) -> None:
    cleaned = clean(text)
    assert cleaned == clean(cleaned)
    assert len(cleaned.splitlines()) <= 1
    assert cleaned == cleaned.strip(" ")
    assert "  " not in cleaned
    cleaned.encode()
    element = etree.Element("a", b=cleaned)
    element.text = cleaned
    again = parsed(etree.tostring(element))
    assert (again.text or "", again.get("b")) == (cleaned, cleaned)


@given(st.lists(st.text("abcæøå&<>1-«»\u00a0", min_size=1), max_size=20))
def test_ordinary_text_is_left_letter_for_letter(words: list[str]) -> None:
    assert clean(" ".join(words)) == " ".join(words)
    assert tokens(" ".join(words)) == words


@given(texts, texts)
def test_visible_length_is_never_more_than_the_characters(a: str, b: str) -> None:
    assert 0 <= visible_length(a) <= len(a)
    assert (
        visible_length(a + " " + b) == visible_length(a) + 1 + visible_length(b) or "\u200d" in a or "\U0001f1f3" in a
    )


# ---- captions ----


@settings(deadline=None, max_examples=60)
@given(both, limits)
def test_no_word_is_lost_or_doubled(transcript: Transcript, limits: Captions) -> None:
    made = cues(transcript, limits)
    for segment in transcript.segments:
        mine = [cue.text for cue in made if cue.segment is segment]
        assert " ".join(mine) == clean(segment.text)


@settings(deadline=None, max_examples=60)
@given(both, limits)
def test_cues_are_numbered_in_order_and_never_overlap_in_a_lane(transcript: Transcript, limits: Captions) -> None:
    made = cues(transcript, limits)
    assert [cue.number for cue in made] == list(range(1, len(made) + 1))
    assert all(a.start_ms <= b.start_ms for a, b in pairwise(made))
    assert all(0 <= cue.start_ms < cue.end_ms for cue in made)
    for mine in of_lane(made).values():
        assert all(a.end_ms <= b.start_ms for a, b in pairwise(mine))
        for a, b in pairwise(mine):
            assert b.start_ms - a.end_ms >= limits.min_gap_ms or "gap" in a.beyond


@settings(deadline=None, max_examples=60)
@given(spoken_transcripts, limits)
def test_a_limit_holds_or_the_cue_says_that_it_does_not(transcript: Transcript, limits: Captions) -> None:
    for cue in cues(transcript, limits):
        duration = cue.end_ms - cue.start_ms
        if cue.segment is None:
            continue
        for broken, name in (
            (duration < limits.min_cue_ms, "short"),
            (duration > limits.max_cue_ms, "long"),
            (visible_length(cue.text) > limits.max_chars_per_second * duration / 1000 + 1e-6, "speed"),
        ):
            assert not broken or name in cue.beyond
        # Lines give way only to a word that is longer than a line, which then stands alone.
        assert len(cue.lines) <= limits.max_lines
        for line, text in zip(cue.lines, cue.line_texts, strict=True):
            assert visible_length(text) <= limits.max_line_chars or (len(line) == 1 and "lines" in cue.beyond)
        if any(word.start_ms is not None for word in cue.words):
            assert duration <= limits.max_cue_ms


@settings(deadline=None, max_examples=60)
@given(spoken_transcripts)
def test_words_keep_their_times(transcript: Transcript) -> None:
    for cue in cues(transcript, DEFAULTS):
        segment = cue.segment
        if segment is not None and segment.words:
            assert {(w.start_ms, w.end_ms) for w in cue.words} <= {(w.start_ms, w.end_ms) for w in segment.words}


# ---- files ----


@settings(deadline=None, max_examples=60)
@given(both)
def test_vtt_is_read_as_it_was_meant(transcript: Transcript) -> None:
    content = formats.write(transcript, "vtt").decode()
    made = cues(transcript, DEFAULTS)
    assert content.split("\n")[:3] == ["WEBVTT", "", "NOTE"]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]", content)
    assert content.count("-->") == len(made)
    assert not re.search(r"\n\n\n", content)
    blocks = content.rstrip("\n").split("\n\n")
    assert len(blocks) == 2 + len(made)
    for block, cue in zip(blocks[2:], made, strict=True):
        number, _, *payload = block.split("\n")
        assert number == str(cue.number)
        assert len(payload) == len(cue.lines)
        assert not any(line.strip().isdigit() for line in payload)
        assert visible("\n".join(payload)) == "\n".join(cue.line_texts)
    captions = webvtt.from_buffer(io.StringIO(content)).captions
    assert [(c.identifier, c.start, c.end) for c in captions] == [
        (str(cue.number), timestamp(cue.start_ms), timestamp(cue.end_ms)) for cue in made
    ]


def visible(payload: str) -> str:
    """What a player shows of a cue: tags removed, escapes resolved."""
    bare = re.sub(r"<[^>]*>", "", payload)
    return bare.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@settings(deadline=None, max_examples=60)
@given(both)
def test_alto_is_valid_and_holds_every_word(transcript: Transcript) -> None:
    root = parsed(formats.write(transcript, "alto"))
    alto_by_libxml2().assertValid(root)
    ns = {"a": "http://www.loc.gov/standards/alto/ns-v4#"}
    made = cues(transcript, DEFAULTS)
    written = {line.get("ID"): line for line in root.iterfind(".//a:TextLine", ns)}
    spoken = {f"c{cue.number:06d}": cue for cue in made if cue.segment is not None}
    assert written.keys() == spoken.keys()
    for name, cue in spoken.items():
        strings = written[name].findall("a:String", ns)
        assert [string.get("CONTENT") for string in strings] == [word.text for word in cue.words]
        assert len(written[name].findall("a:SP", ns)) == len(strings) - 1
        for string, word in zip(strings, cue.words, strict=True):
            known = word.start_ms is not None
            assert string.get("HPOS") == (str(word.start_ms) if known else None)
            assert ("WIDTH" in string.attrib) == known
            assert known or "WC" not in string.attrib
    music = {f"c{cue.number:06d}" for cue in made if cue.segment is None}
    pictures = [(picture.get("ID"), picture.get("TYPE")) for picture in root.iterfind(".//a:Illustration", ns)]
    assert {name for name, kind in pictures if kind == "music"} == music
    heard = sorted(event.kind for event in transcript.events if event.kind != "music")
    assert sorted(kind for _, kind in pictures if kind != "music") == heard


@settings(deadline=None, max_examples=20)
@given(both)
def test_every_reference_in_alto_resolves(transcript: Transcript) -> None:
    alto_with_idrefs().validate(io.BytesIO(formats.write(transcript, "alto")))


@settings(deadline=None, max_examples=60)
@given(both)
def test_txt_holds_all_that_was_said(transcript: Transcript) -> None:
    lines = formats.write(transcript, "txt").decode().split("\n")
    said = " ".join(lines)
    assert all(clean(segment.text) in said for segment in transcript.segments)
    assert lines[-1] == ""
    assert any(line.startswith(("[Machine-generated", "[Transcript; ", "[It is not known")) for line in lines)


@settings(deadline=None, max_examples=60)
@given(both)
def test_json_is_lossless_and_valid(transcript: Transcript) -> None:
    content = formats.write(transcript, "json")
    content.decode()
    assert formats.read(content, "json") == transcript
    json_validator().validate(json.loads(content))


@settings(deadline=None, max_examples=100)
@given(junk, st.data())
def test_a_transcript_with_something_else_in_it_is_refused_or_read(junk: Any, data: st.DataObject) -> None:
    """Whatever is put in place of a value: read, or a UsageError; what is read, the schema takes, and back."""
    plain = json.loads(formats.write(data.draw(spoken_transcripts), "json"))
    spot: Any = plain
    while isinstance(spot, dict | list) and spot:
        keys = list(spot) if isinstance(spot, dict) else range(len(spot))
        key = data.draw(st.sampled_from(keys))
        if data.draw(st.booleans()) or not isinstance(spot[key], dict | list) or not spot[key]:
            spot[key] = junk
            break
        spot = spot[key]
    content = json.dumps(plain).encode()
    try:
        transcript = formats.read(content, "json")
    except UsageError:
        return
    assert formats.read(formats.write(transcript, "json"), "json") == transcript


@given(st.binary(max_size=200) | texts.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_refused_in_one_line(content: bytes) -> None:
    try:
        formats.read(content, "json")
    except UsageError as error:
        assert "\n" not in str(error)
        assert str(error).startswith("This is no transcript: ")
    else:
        raise AssertionError("bytes that are no transcript were read")
