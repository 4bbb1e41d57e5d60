"""The page: what it says, where it finds the sound, what it marks, and what it lets nobody put in."""

from __future__ import annotations

import dataclasses
import json
import re
from base64 import b64encode
from hashlib import sha256
from itertools import accumulate
from typing import Any, get_args

import lxml.html
import pytest

from speechpipe import formats, languages
from speechpipe.flags import FLAGS
from speechpipe.formats.captions.cues import cues
from speechpipe.formats.page import recording
from speechpipe.settings.captions import Captions
from speechpipe.transcript import Transcript
from speechpipe.transcript_data import Event, EventKind, Media, Revision, Rights, Segment, Step, Stream, Word
from tests.transcripts import INTERVIEW, NOTHING_SAID, spoken

HOSTILE = '</script><script>alert(1)</script> "\' onerror=alert(1) x=" <!-- ]]> \u2028 \u202e &lt;'


def page(transcript: Transcript, **captions: Any) -> Any:
    content = formats.write(transcript, "html", Captions.model_validate(captions))
    return lxml.html.document_fromstring(content.decode())


def data(of: Any) -> dict[str, Any]:
    (script,) = of.xpath("//script[@id='data']")
    read: dict[str, Any] = json.loads(script.text)
    return read


def told(of: Any, path: str) -> list[str]:
    return [" ".join(element.text_content().split()) for element in of.xpath(path)]


def one(*segments: Segment, **more: Any) -> Transcript:
    return Transcript(Media("a.wav", duration_ms=60_000), "speech", segments, **more)


# ---- what it says ----


def test_every_word_is_an_element_in_order_of_time() -> None:
    spans = told(page(INTERVIEW), "//*[@class='said']/span")
    assert spans == " ".join(s.text for s in sorted(INTERVIEW.segments, key=lambda s: s.start_ms)).split()


def test_times_and_confidences_of_words_add_up_to_those_of_the_transcript() -> None:
    read = data(page(INTERVIEW))
    words = [w for s in INTERVIEW.segments for w in (s.words or [Word(text) for text in s.text.split()])]
    known = [w for w in words if w.start_ms is not None]
    assert list(accumulate(step for step in read["starts"] if step is not None)) == [w.start_ms for w in known]
    assert [step is None for step in read["starts"]] == [w.start_ms is None for w in words]
    assert [n for n in read["lasts"] if n is not None] == [w.end_ms - w.start_ms for w in known if w.end_ms is not None]
    assert read["sure"] == [None if w.confidence is None else 90 for w in words]
    assert read["segments"] == [ms for s in INTERVIEW.segments for ms in (s.start_ms, s.end_ms)]
    assert read["end"] == 40_000


def test_cues_are_those_of_every_other_format() -> None:
    read = data(page(INTERVIEW, preset="broadcast"))
    made = cues(INTERVIEW, Captions(preset="broadcast"))
    assert [row[:2] for row in read["cues"]] == [[cue.start_ms, cue.end_ms] for cue in made]
    assert [row[3] for row in read["cues"]] == ["\n".join(cue.line_texts) for cue in made]
    names = [*read["lanes"], None]
    assert [names[row[2]] for row in read["cues"]] == [cue.lane.name if cue.lane else None for cue in made]


def test_it_says_who_made_it_and_who_may_have_it_above_all() -> None:
    marks = told(page(INTERVIEW), "//header/p")
    assert marks == [
        "Machine-generated transcript; not reviewed by a person.",
        "Rights: http://rightsstatements.org/vocab/InC/1.0/",
        "Access: reading room only",
    ]


def test_it_tells_provenance_permissions_and_warnings_once() -> None:
    rights = Rights("In copyright", "closed", True, False, False)
    revision = Revision("Kari", "2026-02-01T08:00:00Z", "Names checked.")
    lines = told(page(dataclasses.replace(INTERVIEW, rights=rights, revision=revision)), "//footer//li")
    for line in (
        "Recognition: faster-whisper 1.2.1, model example/asr, revision 0123456789abcdef",
        "It may be transcribed.",
        "It must not be published.",
        "It must not train models.",
        "Note: Names checked.",
        "The container says 41.000 s, 40.000 s were decoded.",
        "Machine-generated transcript; corrected by Kari, 2026-02-01T08:00:00Z.",
    ):
        assert lines.count(line) == 1, line


def test_what_is_withheld_is_listed_and_not_in_the_page() -> None:
    loop = spoken(0, "secret secret", 1_000, flags=("repetition",))
    made = page(one(loop, spoken(1, "said", 9_000)), withhold=("repetition",))
    assert "secret" not in lxml.html.tostring(made, encoding="unicode")
    assert told(made, "//header/*[@class='finding']") == ["Withheld: 00:00:01.000 to 00:00:01.600 (repetition)"]
    assert len(told(made, "//li[contains(., 'Withheld')]")) == 1


def test_nothing_said_is_said() -> None:
    made = page(NOTHING_SAID)
    assert told(made, "//*[@id='transcript']/p") == ["There is no text."]
    assert "No speech was found in the recording." in told(made, "//header/p")


@pytest.mark.parametrize(
    ("title", "name", "shown"),
    [("A tape", "a.wav", "A tape"), (None, "a.wav", "a.wav"), (" \0", "a.wav", "a.wav"), (None, "", "transcript")],
)
def test_it_is_called_by_its_title_or_else_its_file(title: str | None, name: str, shown: str) -> None:
    made = page(dataclasses.replace(NOTHING_SAID, title=title, media=Media(name)))
    assert told(made, "//title") == told(made, "//h1") == [shown]


# ---- lanes, languages, events, flags, confidence ----


def test_a_turn_begins_with_its_speaker_and_language_and_has_its_lane() -> None:
    made = page(INTERVIEW)
    assert told(made, "//*[@class='who']")[:2] == ["Channel 1 Norwegian Bokmål", "Channel 2 Northern Sámi"]
    assert [e.get("data-lane") for e in made.xpath("//*[@data-lane]")] == list("01101001")
    assert [e.get("lang") for e in made.xpath("//*[@class='said']")][:3] == ["nb", "se", "se"]


def test_a_language_is_named_only_where_there_are_several() -> None:
    alone = page(one(spoken(0, "said", 0, language="nb", speaker="Anna")))
    assert told(alone, "//*[@class='who']") == ["Anna"]
    assert alone.xpath("//*[@class='said']/@lang") == ["nb"]


@pytest.mark.parametrize("code", ['x" onclick="alert(1)', "not a language", "", "e", "nb_NO", "nb\n"])
def test_what_is_no_language_code_is_no_attribute(code: str) -> None:
    made = page(one(spoken(0, "said", 0, language=code), spoken(1, "more", 9_000)))
    assert made.xpath("//*[@class='said']/@lang") == ["", ""]
    assert made.xpath("//@onclick") == []


def test_flags_are_told_in_words_the_gravest_first_and_neutral_ones_apart() -> None:
    segment = spoken(0, "said", 0, flags=("cued", "their <own>", "low_logprob", "repetition", "\0"))
    made = page(one(segment))
    assert told(made, "//*[@class='flag']") == ["their <own>", FLAGS["repetition"], FLAGS["low_logprob"]]
    assert told(made, "//*[@class='flag n']") == [FLAGS["cued"]]


def test_unsure_words_are_marked_in_two_degrees() -> None:
    sure = (0.0, 0.499, 0.5, 0.749, 0.75, 1.0, None)
    words = tuple(Word(f"w{i}", i * 100, i * 100 + 90, value) for i, value in enumerate(sure))
    made = page(one(Segment(0, 0, 1_000, " ".join(w.text for w in words), words)))
    assert [e.get("class") for e in made.xpath("//*[@class='said']/span")] == ["u", "u", "d", "d", None, None, None]
    assert data(made)["sure"] == [0, 50, 50, 75, 75, 100, None]


def test_events_stand_where_they_are_heard() -> None:
    events = (
        Event(0, 2_000, "music", 0),
        Event(1_500, 3_000, "music", 1),
        Event(5_000, 9_000, "silence", 0),
        Event(6_000, 8_000, "silence", 1),
        Event(3_700_000, 3_701_000, "unreadable"),
    )
    made = page(one(spoken(0, "said", 3_500), events=events))
    order = [e.get("class") for e in made.xpath("//*[@id='transcript']/*")][1:]
    assert order == ["event music", "seg l0 first", "event silence", "event silence", "event unreadable"]
    assert told(made, "//*[starts-with(@class, 'event')]") == [
        "Music, channel 1 and 2: 0:00 to 0:03",
        "Silence, channel 1: 0:05 to 0:09",
        "Silence, channel 2: 0:06 to 0:08",
        "The recording could not be read here: 1:01:40 to 1:01:41",
    ]


def test_the_overview_draws_each_lane_and_event_to_scale() -> None:
    (svg,) = page(INTERVIEW).xpath("//*[@id='overview']/svg")
    assert [path.get("class") for path in svg] == ["l0", "l1", "music", "silence", None]
    assert svg[1].get("d").startswith("M300 18h75M415 18h135")  # 6 s and 8.3 s of 40 s in 2,000
    assert told(page(INTERVIEW), "//*[@class='rows']/li") == ["Channel 1", "Channel 2", "Music", "Silence"]


def test_many_speakers_share_the_last_row_and_short_stretches_are_seen() -> None:
    many = one(*(spoken(i, "said", i * 1_000, speaker=f"S{i}") for i in range(50)))
    rows = told(page(many), "//*[@class='rows']/li")
    assert rows == ["S0", "S1", "S2", "S3", "S4", "S5", "S6", "Others"]
    tiny = Transcript(Media("a.wav", duration_ms=36_000_000), "speech", (spoken(0, "said", 35_999_000),))
    assert page(tiny).xpath("//path[@class='l0']/@d") == ["M1999 6h1"]


def test_no_length_no_overview() -> None:
    assert page(Transcript(Media("a.wav"), "silent")).xpath("//svg") == []


# ---- in the reader's language ----


def everything() -> list[Any]:
    """Pages that together hold all of the page's own words."""
    events = tuple(Event(i, i + 1, kind, i % 2) for i, kind in enumerate(get_args(EventKind)))
    both = (*events, Event(0, 1, "music", 0), Event(0, 1, "music", 1))
    segments = tuple(spoken(i, "said", i, speaker=f"S{i}" if i else None, flags=tuple(FLAGS)) for i in range(9))
    full = one(*segments, spoken(9, "said", 9_000, channel=1), events=both, complete=False, rights=Rights("a", "b"))
    revised = dataclasses.replace(INTERVIEW, revision=Revision("Kari", "2026-02-01T08:00:00Z"))
    loop = dataclasses.replace(INTERVIEW, segments=(spoken(0, "a", 0, flags=("repetition",)),))
    silent = [dataclasses.replace(NOTHING_SAID, outcome=outcome) for outcome in ("no_speech", "silent", "no_audio")]
    made = [page(t) for t in (full, INTERVIEW, revised, dataclasses.replace(revised, steps=()), *silent)]
    return [*made, page(loop, withhold=("repetition",))]


def own_words() -> set[str]:
    marked = [element for made in everything() for element in made.xpath("//*[@data-t]")]
    shown = {element.get("aria-label") or " ".join(element.text_content().split()) for element in marked}
    in_script = re.findall(r'\bt\("([^"]+)"', recording.asset("html_viewer.js"))
    unknown_to_browsers = {languages.name(code) for code in ("se", "sma", "smj")}
    return {re.sub(r"\d+", "{}", text) for text in shown} | set(in_script) | unknown_to_browsers


def test_every_word_of_its_own_is_in_the_table_and_nothing_else() -> None:
    assert own_words() ^ set(recording.interface()["en"]) == set()


def test_the_table_is_whole_in_every_language() -> None:
    table = recording.interface()
    assert list(table) == ["en", "nb", "nn", "sv", "da", "fi", "de", "fr"]
    assert len(set(table["en"])) == len(table["en"])
    for words in table.values():
        assert [text.count("{}") for text in words] == [text.count("{}") for text in table["en"]]
        assert all(text == text.strip() != "" for text in words)
    assert set(FLAGS.values()) <= set(table["en"])


def test_what_is_not_its_own_is_not_taken_for_it() -> None:
    made = page(one(spoken(0, "Music", 0, speaker="Channel 1", flags=("Music",)), title="Music"))
    for element in made.xpath("//h1 | //*[@class='said']/span | //*[@class='who']/bdi | //*[@class='flag']"):
        assert element.get("data-t") is None, element.text
    corrected = page(dataclasses.replace(INTERVIEW, revision=Revision("Kari by Ola", "2026-02-01T08:00:00Z")))
    assert told(corrected, "//*[@class='mark']/bdi") == ["Kari by Ola, 2026-02-01T08:00:00Z."]


# ---- where the sound is ----


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("reel 12.wav", "./reel%2012.wav"),
        ("javascript:alert(1)", "./javascript%3Aalert%281%29"),
        ("//elsewhere.example/a.wav", "./a.wav"),
        ("..\\..\\a.wav", "./a.wav"),
        ("a?b#c%20.wav", "./a%3Fb%23c%2520.wav"),
        ('a"b.wav', "./a%22b.wav"),
        ("A\u030a.wav", "./A%CC%8A.wav"),  # decomposed, as some file systems have it: not another name
        ("b\udce5nd.wav", "./b%E5nd.wav"),  # Latin-1
        ("\ud800.wav", "./%3F.wav"),
    ],
)
def test_the_recording_is_found_beside_the_page_by_its_name(name: str, address: str) -> None:
    made = page(dataclasses.replace(NOTHING_SAID, media=Media(name)))
    assert made.xpath("//audio/@src") == made.xpath("//footer//a/@href") == [address]


@pytest.mark.parametrize(
    ("streams", "tag"),
    [
        ((), "audio"),
        ((Stream(0, "audio", "aac"),), "audio"),
        ((Stream(0, "video", "h264"), Stream(1, "audio", "aac")), "video"),
        ((Stream(0, "audio", "mp3"), Stream(1, "video", "mjpeg")), "audio"),
    ],
)
def test_a_film_is_seen_and_a_sleeve_is_not(streams: tuple[Stream, ...], tag: str) -> None:
    made = page(dataclasses.replace(NOTHING_SAID, media=Media("a.mp4", streams=streams)))
    assert [e.tag for e in made.xpath("//audio | //video")] == [tag]


# ---- what it lets in ----


def test_the_policy_allows_this_script_and_style_and_nothing_else() -> None:
    text = formats.write(INTERVIEW, "html").decode()
    (policy,) = lxml.html.document_fromstring(text).xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    for kind, tag in (("script-src", "script"), ("style-src", "style")):
        (content,) = re.findall(rf"(?s)<{tag}>(.*?)</{tag}>", text)
        assert rules[kind] == f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["media-src"] == "'self' file: blob:"
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_the_assets_load_and_evaluate_nothing() -> None:
    script, style = recording.asset("html_viewer.js"), recording.asset("html_viewer.css")
    for word in ("</script", "<!--", "innerHTML", "eval(", "fetch(", "http", "XMLHttp", "import", "insertAdjacent"):
        assert word not in script, word
    assert "</" not in style and "url(" not in style and "@import" not in style


def test_no_text_becomes_markup() -> None:
    words = tuple(Word(text, i * 100, i * 100 + 50, 0.3) for i, text in enumerate(HOSTILE.split()))
    hostile = Transcript(
        Media(HOSTILE, duration_ms=9_000),
        "speech",
        (Segment(0, 0, 5_000, " ".join(w.text for w in words), words, HOSTILE, 0, HOSTILE, flags=(HOSTILE,)),),
        languages=(HOSTILE,),
        steps=(Step(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE),),
        warnings=(HOSTILE,),
        complete=False,
        incomplete_reason=HOSTILE,
        revision=Revision(HOSTILE, HOSTILE, HOSTILE),
        identifier=HOSTILE,
        title=HOSTILE,
        rights=Rights(HOSTILE, HOSTILE),
    )
    made = page(hostile)
    assert len(made.xpath("//script")) == 3
    assert not [name for element in made.iter() for name in element.attrib if name.startswith("on") or name == "style"]
    assert "</script" not in made.xpath("//script[@id='data']")[0].text
    assert data(made)["lanes"] == [" ".join(HOSTILE.split())]


def test_a_mark_that_combines_with_the_end_of_a_tag_is_kept_from_it() -> None:
    text = formats.write(one(spoken(0, "\u0338x", 0, speaker="\u0338y")), "html").decode()
    assert ">\u0338" not in text
    assert told(lxml.html.document_fromstring(text), "//*[@class='said']") == ["\u0338x"]


def test_ids_are_unique_even_where_two_speak_at_once() -> None:
    made = page(one(spoken(0, "one", 1_000, channel=0), spoken(1, "two", 1_000, channel=1)))
    ids = made.xpath("//@id")
    assert len(ids) == len(set(ids))
    assert made.xpath("//*[@class='seg l0 first']/a/@href") == ["#t=1.000"]
    assert "t=1.000" in ids
