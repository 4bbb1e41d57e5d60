"""The canonical model refuses what cannot be, and keeps everything else."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from speechpipe import formats
from speechpipe.transcript import Transcript
from speechpipe.transcript_data import SCHEMA_VERSION, Event, Media, Revision, Rights, Segment, Word
from tests.transcripts import INTERVIEW, NOTHING_SAID


@pytest.mark.parametrize("span", [(None, 5), (5, None), (-1, 5), (6, 5)])
def test_a_span_that_cannot_be_is_refused(span: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match=r"known together|not a span"):
        Word("a", *span)
    if None not in span:
        with pytest.raises(ValueError, match="not a span"):
            Segment(0, *span, "a")
        with pytest.raises(ValueError, match="not a span"):
            Event(*span, "music")


@pytest.mark.parametrize("span", [(None, None), (0, 0), (0, 1)])
def test_a_span_that_can_be_is_taken(span: tuple[Any, Any]) -> None:
    assert (Word("a", *span).start_ms, Word("a", *span).end_ms) == span


@pytest.mark.parametrize("thing", [INTERVIEW, INTERVIEW.media, INTERVIEW.segments[0], INTERVIEW.words[0]])
def test_nothing_can_be_changed(thing: object) -> None:
    name = dataclasses.fields(thing)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(thing, name, None)
    assert not hasattr(thing, "__dict__")


def test_text_words_and_confidence_are_those_of_the_segments() -> None:
    said = (Word("a", 0, 1, 0.5), Word("b", 1, 2, None), Word("c", 2, 3, 1.0))
    talk = Transcript(Media("x"), "speech", (Segment(0, 0, 3, "a b c", said), Segment(1, 4, 5, "d")))
    assert talk.text == "a b c\nd"
    assert talk.words == said
    assert talk.confidence == 0.75


def test_unknown_confidence_is_none_not_zero() -> None:
    assert NOTHING_SAID.confidence is None
    assert NOTHING_SAID.text == ""
    assert NOTHING_SAID.words == ()


def test_machine_generated_until_someone_corrected_it() -> None:
    assert INTERVIEW.machine_generated
    assert not dataclasses.replace(INTERVIEW, revision=Revision("Kari", "2026-02-01")).machine_generated


@pytest.mark.parametrize("transcript", [INTERVIEW, NOTHING_SAID], ids=["interview", "nothing-said"])
def test_through_plain_data_and_back(transcript: Transcript) -> None:
    plain = transcript.to_dict()
    assert plain["schema_version"] == SCHEMA_VERSION
    assert Transcript.from_dict(json.loads(json.dumps(plain))) == transcript
    assert set(plain) == {"schema_version", *(field.name for field in dataclasses.fields(Transcript))}


def test_no_speech_has_an_empty_list_of_segments() -> None:
    assert NOTHING_SAID.to_dict()["segments"] == []


def test_what_has_a_default_may_be_left_out() -> None:
    short = {"schema_version": SCHEMA_VERSION, "media": {"name": "a"}, "outcome": "silent"}
    assert Transcript.from_dict(short) == Transcript(Media("a"), "silent")


def test_an_older_transcript_without_title_and_rights_is_read() -> None:
    old = {key: value for key, value in INTERVIEW.to_dict().items() if key not in ("identifier", "title", "rights")}
    read = Transcript.from_dict({**old, "schema_version": "1.0"})
    assert read == dataclasses.replace(INTERVIEW, identifier=None, title=None, rights=Rights())


def test_a_whole_number_is_a_number() -> None:
    plain = INTERVIEW.to_dict()
    plain["segments"][0]["temperature"] = 0
    (temperature,) = {segment.temperature for segment in Transcript.from_dict(plain).segments[:1]}
    assert temperature == 0.0
    assert isinstance(temperature, float)


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (["schema_version"], "0.9", "schema_version"),
        (["outcome"], None, "transcript.outcome"),
        (["outcome"], [], "transcript.outcome"),
        (["segments", 0, "id"], 1.5, "transcript.segments[0].id"),
        (["segments", 0, "id"], True, "transcript.segments[0].id"),
        (["segments", 0, "temperature"], True, "transcript.segments[0].temperature"),
        (["segments", 0, "text"], None, "transcript.segments[0].text"),
        (["segments", 0, "words"], {}, "transcript.segments[0].words"),
        (["segments", 0, "words", 2, "timing"], "guessed", "transcript.segments[0].words[2].timing"),
        (["segments", 0, "flags"], [1], "transcript.segments[0].flags[0]"),
        (["events", 1, "kind"], "birdsong", "transcript.events[1].kind"),
        (["steps", 0, "settings"], [], "transcript.steps[0].settings"),
        (["media", "streams"], None, "transcript.media.streams"),
        (["media", "host"], "machine", "transcript.media"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(path: list[Any], value: Any, where: str) -> None:
    plain = json.loads(formats.write(INTERVIEW, "json"))
    spot = plain
    for key in path[:-1]:
        spot = spot[key]
    spot[path[-1]] = value
    with pytest.raises(ValueError, match=where.replace("[", r"\[")):
        Transcript.from_dict(plain)


def test_a_missing_value_is_named() -> None:
    plain = INTERVIEW.to_dict()
    del plain["media"]["name"]
    with pytest.raises(ValueError, match="media.*name"):
        Transcript.from_dict(plain)
