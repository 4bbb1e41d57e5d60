"""What people's editors leave: read, repaired and told of, or refused with the place; never lost in silence."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import pytest

from speechpipe import formats
from speechpipe.errors import UsageError
from speechpipe.formats.reading import cue_text, webvtt
from speechpipe.formats.text import clean
from speechpipe.formats.turns import CUED
from speechpipe.transcript import Transcript
from speechpipe.transcript_data import Event, Media, Revision, Rights, Word
from tests.transcripts import INTERVIEW, NOTHING_SAID


def vtt(body: str, header: str = "WEBVTT\n\n") -> Transcript:
    return formats.read((header + body).encode(), "vtt")


def srt(body: str) -> Transcript:
    return formats.read(body.encode(), "srt")


def alto(change: Callable[[str], str]) -> Transcript:
    return formats.read(change(formats.write(INTERVIEW, "alto").decode()).encode(), "alto")


def said(transcript: Transcript) -> list[tuple[int, int, str]]:
    return [(segment.start_ms, segment.end_ms, segment.text) for segment in transcript.segments]


# ---- WebVTT ----


def test_a_cue_becomes_a_segment_with_its_voice() -> None:
    read = vtt("1\n00:01.000 --> 00:02.500\n<v.loud Máret>Lyd &amp; <c.x>bilde</c></v>\n")
    (segment,) = read.segments
    assert (segment.start_ms, segment.end_ms, segment.text) == (1_000, 2_500, "Lyd & bilde")
    assert (segment.speaker, segment.channel, segment.flags) == ("Máret", None, (CUED,))
    assert read.warnings == ("Cue 1 at 00:00:01.000 has formatting, which was left out.",)
    assert vtt("1\n00:01.000 --> 00:02.500\n<v Máret>Lyd &amp; <c>bilde</c></v>\n").warnings == ()


def test_two_voices_in_a_cue_are_two_segments() -> None:
    read = vtt("00:01.000 --> 00:02.500\n<v A>Ja.</v>\n<v Channel 2>Nei.</v> Og så.\n")
    assert [(s.text, s.speaker, s.channel) for s in read.segments] == [
        ("Ja.", "A", None),
        ("Nei.", None, 1),
        ("Og så.", None, None),
    ]


def test_the_note_tells_again_where_the_text_comes_from() -> None:
    read = formats.read(formats.write(INTERVIEW, "vtt"), "vtt")
    assert (read.media.name, read.media.sha256, read.media.duration_ms) == (
        INTERVIEW.media.name,
        INTERVIEW.media.sha256,
        40_000,
    )
    assert (read.title, read.identifier, read.languages) == (INTERVIEW.title, INTERVIEW.identifier, ("nb", "se"))
    assert (read.rights.statement, read.rights.access) == (INTERVIEW.rights.statement, INTERVIEW.rights.access)
    told = [(step.what, step.software, step.version, step.model, step.model_revision) for step in read.steps]
    assert told == [(s.what, s.software, s.version, s.model, s.model_revision) for s in INTERVIEW.steps]
    assert read.steps[-1].ended == "2026-01-15T12:02:00Z"
    assert read.events == (Event(0, 2_300, "music"),)


def test_what_was_found_and_who_corrected_it_is_told_again() -> None:
    torn = dataclasses.replace(
        NOTHING_SAID,
        outcome="silent",
        complete=False,
        incomplete_reason="unreadable after 00:00:03",
        revision=Revision("Kari Nordmann, arkivar", "2026-02-01T08:00:00Z"),
    )
    for name in ("vtt", "alto"):
        read = formats.read(formats.write(torn, name), name)
        assert (read.outcome, read.complete, read.incomplete_reason) == ("silent", False, torn.incomplete_reason)
        assert read.revision == torn.revision and not read.machine_generated


def test_a_file_without_provenance_claims_no_machine() -> None:
    read = vtt("00:01.000 --> 00:02.000\nHei.\n")
    assert (read.media, read.steps, read.revision) == (Media(""), (), None)
    again = formats.write(read, "txt").decode()
    assert "Machine-generated" not in again and "It is not known who or what made this transcript." in again


def test_word_times_are_read_from_stamps() -> None:
    read = vtt("00:01.000 --> 00:04.000\n<c>Vel</c>kommen <00:02.000><c>til</c> <c>oss</c> <00:03.500>hei\n")
    assert read.segments[0].words == (
        Word("Velkommen", 1_000, 2_000),
        Word("til", 2_000, 3_500),
        Word("oss"),
        Word("hei", 3_500, 4_000),
    )


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("1\n-00:01.000 --> 00:02.000\nHei.\n", 4),
        ("1\n00:01.000 -> 00:02.000\nHei.\n", 3),
        ("1\n00:01,000 --> 00:02,000\nHei.\n", 4),
        ("00:00.000 --> 00:01.000\nA\n\n00:61.000 --> 00:62.000\nHei.\n", 6),
        ("Hei, uten tid.\n", 3),
        ("00:00.000 --> 00:01.000\nA\n\nog B, bak en blank linje\n", 6),
        ("-->\nHei.\n", 3),
        ("00:00.000 --> 00:01.000 Hei.\n", 3),
        ("00:00.000 --> 00:01.000 line:0 og mer\nHei.\n", 3),
    ],
)
def test_text_that_would_be_lost_is_an_error_with_its_line(body: str, line: int) -> None:
    with pytest.raises(UsageError, match=f"line {line} "):
        vtt(body)


@pytest.mark.parametrize(
    "content",
    [b"", b"WEBVT", b"WEBVTTX\n", b" WEBVTT\n", b"\n\nWEBVTT\n", b"1\n00:00:01,000 --> 00:00:02,000\nHei.\n"],
)
def test_what_is_no_webvtt_is_refused(content: bytes) -> None:
    with pytest.raises(UsageError, match="does not begin with WEBVTT"):
        formats.read(content, "vtt")


@pytest.mark.parametrize("name", ["vtt", "srt"])
@pytest.mark.parametrize(
    ("encoding", "told"), [("utf-16", "UTF-16"), ("utf-16-be", "byte|begin"), ("latin-1", "byte 3"), ("cp1252", "byte")]
)
def test_another_encoding_is_said(name: str, encoding: str, told: str) -> None:
    text = "æøå" if encoding != "latin-1" else "WEBæøå"
    with pytest.raises(UsageError, match=f"({told}|no times)"):
        formats.read(text.encode(encoding), name)


def test_a_byte_order_mark_and_other_line_ends_are_taken() -> None:
    content = b"\xef\xbb\xbfWEBVTT\r\n\r\n1\r\n00:01.000 --> 00:02.000\r\nHei\r\nhopp\r\n"
    assert said(formats.read(content, "vtt")) == said(formats.read(content.replace(b"\r\n", b"\r"), "vtt"))
    assert said(formats.read(content, "vtt")) == [(1_000, 2_000, "Hei hopp")]


REPAIRS = [
    ("00:02.000 --> 00:01.000\nHei.\n", "ends before it begins", [(2_000, 2_000, "Hei.")]),
    (
        "2\n00:05.000 --> 00:06.000\nSist.\n\n1\n00:01.000 --> 00:02.000\nFørst.\n",
        "Cue 1 at 00:00:01.000 and others stood out of order",
        [(1_000, 2_000, "Først."), (5_000, 6_000, "Sist.")],
    ),
    (
        "00:01.000 --> 00:03.000\nEn.\n\n00:02.000 --> 00:04.000\nTo.\n",
        "begins before the cue before it has ended",
        [(1_000, 3_000, "En."), (2_000, 4_000, "To.")],
    ),
    (
        "7\n00:01.000 --> 00:02.000\nEn.\n\n7\n00:03.000 --> 00:04.000\nTo.\n",
        "Cue 7 at 00:00:03.000 has the number of an earlier one",
        [(1_000, 2_000, "En."), (3_000, 4_000, "To.")],
    ),
    ("00:01.000 --> 00:02.000 line:0\nEn.\n", "has a place on the screen, which was left out", [(1_000, 2_000, "En.")]),
    ("00:01.000 --> 00:02.000\n<i.x>En</i>.\n", "has formatting, which was left out", [(1_000, 2_000, "En.")]),
    ("NOTE Source: a.wav\n\nNOTE who is\nthis?\n", "A comment was left out: who is this?", []),
    ("NOTE who is\nthis?\n\nNOTE\nSource: a.wav\n", "A comment was left out: who is this?", []),
    ("NOTE\nSource: a.wav\nwho is this?\n", "A comment was left out: who is this?", []),
    ("STYLE\n::cue { color: red }\n", "What players are told at line 3 was left out: STYLE ::cue { color: red }", []),
    ("en\n00:01.000 --> 00:02.000\nEn.\n", "Names of cues were left out: en", [(1_000, 2_000, "En.")]),
    ("00:01.000 --> 00:02.000\n<c></c>\n\n00:03.000 --> 00:04.000\nTo.\n", "has no text", [(3_000, 4_000, "To.")]),
]


@pytest.mark.parametrize(("body", "told", "kept"), REPAIRS)
def test_a_repair_is_told_and_loses_nothing(body: str, told: str, kept: list[tuple[int, int, str]]) -> None:
    read = vtt(body)
    assert said(read) == kept
    assert len(read.warnings) == 1 and told in read.warnings[0]


def test_many_repairs_of_one_kind_are_counted() -> None:
    read = vtt("".join(f"00:{i:02d}.900 --> 00:{i:02d}.100\nord{i}\n\n" for i in range(20)))
    assert len(read.segments) == 20 and len(read.warnings) == 6
    assert read.warnings[-1].startswith("15 more: ")


def test_two_voices_at_once_are_no_repair() -> None:
    assert vtt("00:01.000 --> 00:03.000\n<v A>En.\n\n00:02.000 --> 00:04.000\n<v B>To.\n").warnings == ()


def test_a_long_file_is_read_in_good_time() -> None:
    began = time.process_time()
    assert len(vtt("00:01.000 --> 00:02.000\n" + "<b>" * 20_000 + "x" * 5_000_000 + "\n").segments) == 1
    assert webvtt.time_stamp("9" * 1_000_000 + ":00:00.000") is None
    assert vtt("00:01.000 --> 00:02.000\n" + "&" * 200_000 + "<" * 200_000).segments
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("He came <inaudible> by <b>train</b>.", "He came <inaudible> by train."),
        ("at <3 bar and the flow >7.", "at <3 bar and the flow >7."),
        ("I <unclear: think so> in <1954?>", "I <unclear: think so> in <1954?>"),
        ("write to <mary@nb.no>", "write to <mary@nb.no>"),
        ("and < 6 kroner then", "and < 6 kroner then"),
        ("<v Anna Hello", "<v Anna Hello"),
        ("<i think so> he said", "<i think so> he said"),
        ("a <v Anna <x>> b </x></> <>", "a <v Anna <x>> b </x></> <>"),
        (
            "the company &parade, AT&T &nosuch; &#1; &copy; &eacute; &#x41;",
            "the company &parade, AT&T &nosuch; &#1; © é A",
        ),
        ("<ruby>tre<rt>III</rt></ruby> 1 < 2", "tre (III) 1 < 2"),
        ("don\u0092t \u0093so\u0094 \u0096", "don’t “so” –"),
    ],
)
def test_what_only_looks_like_markup_is_text(typed: str, kept: str) -> None:
    read = vtt(f"1\n00:01.000 --> 00:02.000\n{typed}\n")
    assert said(read) == [(1_000, 2_000, kept)]
    assert said(formats.read(formats.write(read, "vtt"), "vtt")) == said(read)


def test_what_a_person_wrote_behind_webvtt_is_told() -> None:
    read = vtt("00:01.000 --> 00:02.000\nEn.\n", "WEBVTT - by Kari\nKind: captions\n\n")
    assert read.warnings == ("What stands behind WEBVTT was left out: - by Kari Kind: captions",)


def test_what_is_read_by_a_short_way_is_what_the_long_way_gives() -> None:
    inner = "a &lt; b\nc"
    for text in (f"<v Máret S.>{inner}</v>", f"<v  Máret  S.>{inner}</v>", f"<v M&amp;M>{inner}</v>", f"<v A>{inner}"):
        long_way = cue_text.pieces(f"<c>{text}</c>")
        assert cue_text.pieces(text) == long_way
        assert [(piece.text, piece.stamp_ms) for piece in long_way] == [("a < b\nc", None)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<c>en</c> <c>to</c>", "en to"),
        ("&am<c>p;</c> en", "&amp; en"),  # a reference does not go on behind a tag
        ("<c>&am</c>p; en", "&amp; en"),
        ("<v A><c>en</c> to</v>", "en to"),
        ("<c>en<c>to</c></c>", "ento"),
    ],
)
def test_the_tag_of_a_word_is_no_text(text: str, said: str) -> None:
    assert "".join(piece.text for piece in cue_text.pieces(text)) == said


# ---- SubRip ----


def test_subrip_as_editors_leave_it() -> None:
    read = srt(
        "\ufeff1\r\n0:00:01,5 --> 0:00:02.50  X1:100\r\n<i>Hei</i> & <FONT color='red'>hopp</font>\r\n\r\n\r\n"
        "00:00:03,000 --> 00:00:04,000\r\nuten nummer\r\n\r\nmed blank linje\r\n"
        "3\r\n00:00:05,000 --> 00:00:06,000\r\n1985\r\n"
    )
    assert said(read) == [
        (1_500, 2_500, "Hei & hopp"),
        (3_000, 4_000, "uten nummer med blank linje"),
        (5_000, 6_000, "1985"),
    ]
    assert [warning.split(" has ")[1] for warning in read.warnings] == [
        "a place on the screen, which was left out.",
        "formatting, which was left out.",
        "a blank line in it; what follows was taken as its text.",
    ]


def test_the_last_cues_that_say_what_the_text_is_are_no_text() -> None:
    read = formats.read(formats.write(INTERVIEW, "srt"), "srt")
    assert read.segments[-1].text == "Takk skal du ha."
    assert [(step.what, step.model) for step in read.steps[1:]] == [
        ("transcribe", "example/asr"),
        ("align", "example/aligner"),
    ]
    assert read.media.sha256 == INTERVIEW.media.sha256 and read.title == INTERVIEW.title
    assert read.rights == Rights("http://rightsstatements.org/vocab/InC/1.0/", "reading room only")
    assert formats.read(formats.write(NOTHING_SAID, "srt"), "srt").segments == ()


def test_only_the_first_of_them_is_seen_while_the_recording_plays() -> None:
    content = formats.write(INTERVIEW, "srt").decode()
    starts = [line[:12] for line in content.splitlines() if line > "00:00:30" and line[:2] == "00"]
    assert starts[:3] == ["00:00:30,260", "00:00:40,000", "00:00:43,000"]
    assert content.split("00:00:30,260 --> ")[1].startswith(
        "00:00:33,260\n[Machine-generated transcript;\nnot reviewed by a person.]\n"
    )


@pytest.mark.parametrize("title", ["Samtale med Máret, 1985", None])
def test_they_are_no_text_either_where_a_person_took_out_the_first(title: str | None) -> None:
    content = formats.write(dataclasses.replace(INTERVIEW, title=title, identifier=title), "srt").decode()
    blocks = content.split("\n\n")
    read = srt("\n\n".join(block for block in blocks if "[Machine" not in block))
    assert read.segments[-1].text == "Takk skal du ha." and read.media.sha256 == INTERVIEW.media.sha256


def test_a_last_cue_in_brackets_is_text_unless_it_is_ours() -> None:
    read = srt("1\n00:00:01,000 --> 00:00:02,000\nHei.\n\n2\n00:00:03,000 --> 00:00:04,000\n[Title: latter]\n")
    assert [segment.text for segment in read.segments] == ["Hei.", "[Title: latter]"]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("Hei.\n", 1),
        ("1\n00:00:01,000 -> 00:00:02,000\nHei.\n", 1),
        ("1\n00:00:01,000 --> 00:00:02,000\nHei.\n\n2\n-00:00:03,000 --> 00:00:04,000\nHopp.\n", 6),
        ("1\n00:00:01,000 --> -00:00:02,000\nHei.\n", 1),
        ("1\n00:00:01,000 --> 00:00:02,000 Hei.\n", 2),
    ],
)
def test_subrip_that_would_lose_text_is_an_error_with_its_line(body: str, line: int) -> None:
    with pytest.raises(UsageError, match=f"line {line} "):
        srt(body)


def test_subrip_out_of_order_backwards_and_overlapping_is_told_of() -> None:
    read = srt(
        "1\n00:00:05,000 --> 00:00:04,000\nSist.\n\n2\n00:00:01,000 --> 00:00:03,000\nFørst.\n\n"
        "3\n00:00:02,000 --> 00:00:03,500\nMidt.\n"
    )
    assert said(read) == [(1_000, 3_000, "Først."), (2_000, 3_500, "Midt."), (5_000, 5_000, "Sist.")]
    assert [line.split(" ", 4)[4] for line in read.warnings] == [
        "ends before it begins; it was given no duration.",
        "and others stood out of order; they were sorted.",
        "begins before the cue before it has ended; both were kept as they are.",
    ]


@pytest.mark.parametrize("block", ["[applause]", "[Kari: of 1954]"])
def test_a_caption_in_brackets_behind_the_last_is_text(block: str) -> None:
    content = formats.write(INTERVIEW, "srt").decode()
    read = srt(f"{content}\n99\n00:00:38,000 --> 00:00:39,000\n{block}\n")
    assert block in read.text and read.media.sha256 == INTERVIEW.media.sha256
    assert len(read.segments) == len(srt(content).segments) + 1


def test_overrides_of_other_editors_are_no_words_and_braces_are() -> None:
    read = srt("1\n00:00:01,000 --> 00:00:02,000\n{\\an8}{\\i1\\c&HFF00&}At{\\i0} the {top} <i think>{\\said}\n")
    assert said(read) == [(1_000, 2_000, "At the {top} <i think>{\\said}")]
    assert read.warnings == ("Cue 1 at 00:00:01.000 has formatting, which was left out.",)


def test_a_line_of_digits_before_the_times_is_text_unless_it_is_the_number() -> None:
    read = srt("1\n00:00:01,000 --> 00:00:02,000\nI am\n85\n00:00:03,000 --> 00:00:04,000\nyears\n")
    assert said(read) == [(1_000, 2_000, "I am 85"), (3_000, 4_000, "years")]


def test_an_empty_subrip_has_nothing_said() -> None:
    assert srt("").segments == srt("\n\n").segments == ()


# ---- ALTO ----


def test_alto_is_read_back_letter_for_letter() -> None:
    content = formats.write(INTERVIEW, "alto")
    read = formats.read(content, "alto")
    assert formats.write(read, "alto") == content
    assert read.media == Media(INTERVIEW.media.name, INTERVIEW.media.sha256, duration_ms=40_000)
    assert read.steps[1].settings == {"beam_size": 5}
    assert read.events == (Event(0, 2_300, "music"), Event(31_000, 40_000, "silence"))
    assert (read.title, read.identifier) == (INTERVIEW.title, INTERVIEW.identifier)


def test_a_speaker_keeps_the_channel() -> None:
    lively = dataclasses.replace(
        INTERVIEW, segments=(dataclasses.replace(INTERVIEW.segments[0], speaker="Máret", channel=1),)
    )
    (first, *_) = formats.read(formats.write(lively, "alto"), "alto").segments
    assert (first.speaker, first.channel) == ("Máret", 1)


def test_words_that_a_person_put_into_one_string_have_no_times_of_their_own() -> None:
    read = alto(lambda text: text.replace('CONTENT="Velkommen"', 'CONTENT="Vel  kommen"'))
    assert read.segments[0].words[:3] == (Word("Vel"), Word("kommen"), Word("til", 2_800, 3_060, 0.9))
    assert read.segments[0].text.startswith("Vel kommen til")


def test_a_line_without_times_takes_those_of_its_words() -> None:
    read = alto(lambda text: text.replace('<TextLine ID="c000002" HPOS="2500"', '<TextLine ID="c000002"', 1))
    assert (read.segments[0].start_ms, read.segments[0].end_ms) == (2_500, 5_460)
    assert read.warnings == ("Line c000002 has no times; it was given those of its words.",)


def test_a_line_without_words_is_told_of() -> None:
    read = alto(lambda text: text.replace("</TextBlock>", '<TextLine ID="x" HPOS="1" WIDTH="2"/></TextBlock>', 1))
    assert len(read.segments) == 8 and read.warnings == ("Line x has no words; it was left out.",)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('HPOS="2500"', 'HPOS="-5"', "no number of milliseconds"),
        ('HPOS="2500"', 'HPOS="2500.5"', "no number of milliseconds"),
        ('HPOS="2500"', 'HPOS="1e400"', "no number of milliseconds"),
        ('HPOS="2500"', f'HPOS="{"9" * 5000}"', "no number of milliseconds"),
        ("</alto>", "</alt>", "no readable XML"),
        ("ns-v4#", "ns-v2#", "not alto of version 4"),
        ("<timeline ", "<pages ", "(no readable XML|describes a page)"),
        ("urn:speechpipe:alto-timeline:1", "urn:example:other", "describes a page"),
        ("<alto ", '<!DOCTYPE alto SYSTEM "http://example.invalid/alto.dtd"><alto ', "DOCTYPE"),
        (
            "<alto ",
            '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><alto ',
            "DOCTYPE",
        ),
    ],
)
def test_what_is_no_alto_of_a_recording_is_refused(old: str, new: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as raised:
        alto(lambda text: text.replace(old, new))
    assert len(str(raised.value)) < 400 and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            'CONTENT="Velkommen"',
            'CONTENT="Vel-" SUBS_TYPE="HypPart1" SUBS_CONTENT="Velkommen"',
            "SUBS_TYPE is not read",
        ),
        (
            'CONTENT="Velkommen" WC="0.9"/>',
            'CONTENT="Velkommen" WC="0.9">hei</String>',
            "from CONTENT alone, not 'hei'",
        ),
        ('CONTENT="Velkommen" WC="0.9"/>', 'CONTENT="Velkommen" WC="0.9"/>hei', "CONTENT alone, not 'hei'"),
        ("</TextLine>", '<HYP CONTENT="-"/></TextLine>', "HYP is not read"),
        ('CONTENT="Velkommen" WC="0.9"', 'CONTENT="Velkommen" WC="godt"', "WC is 'godt'"),
        ('TAGREFS="lane0"', 'TAGREFS="Kari"', "no RoleTag has the ID 'Kari'"),
    ],
)
def test_text_of_alto_that_is_not_read_is_an_error_with_its_line(old: str, new: str, reason: str) -> None:
    text = formats.write(INTERVIEW, "alto").decode()
    line = next(at for at, found in enumerate(text.split("\n"), 1) if old in found)
    with pytest.raises(UsageError, match=rf"line {line}: .*{reason}"):
        alto(lambda text: text.replace(old, new, 1))


def test_comments_and_notes_in_alto_are_told() -> None:
    read = alto(
        lambda text: (
            text.replace("<Layout>", "<!-- spør Per --><Layout>", 1)
            .replace("<Tags>", '<Tags><OtherTag ID="x" TYPE="kari" LABEL="og så"/>', 1)
            .replace("<MeasurementUnit>", "<other>mer</other><MeasurementUnit>", 1)
        )
    )
    assert [line.split(" was ")[0].split(" at line")[0] for line in read.warnings] == [
        "A comment",
        "What other",
        "The tag kari",
    ]
    assert [word in " ".join(read.warnings) for word in ("spør Per", "mer", "og så")] == [True] * 3


def test_a_field_that_stands_twice_in_json_is_an_error() -> None:
    text = formats.write(INTERVIEW, "json").decode().replace('"text": "Ja."', '"text": "Jo.", "text": "Ja."', 1)
    with pytest.raises(UsageError, match="'text' stands twice"):
        formats.read(text.encode(), "json")


@pytest.mark.parametrize(("old", "new"), [('"channel": 1', '"channel": "b"'), ('"speaker": null', '"hvem": null')])
def test_what_is_wrong_in_json_is_told_with_its_line(old: str, new: str) -> None:
    text = formats.write(INTERVIEW, "json").decode()
    line = next(at for at, found in enumerate(text.split("\n"), 1) if old in found)
    with pytest.raises(UsageError, match=f"line {line}: "):
        formats.read(text.replace(old, new, 1).encode(), "json")


def test_an_external_entity_is_never_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("secret") / "key"
    secret.write_text("geheim")
    for place in ('CONTENT="&x;"', 'LABEL="&x;"'):
        with pytest.raises(UsageError) as raised:
            alto(
                lambda text, place=place: text.replace(  # type: ignore[misc]
                    "<alto ", f'<!DOCTYPE a [<!ENTITY x SYSTEM "{secret.as_uri()}">]><alto ', 1
                ).replace('CONTENT="Velkommen"', place, 1)
            )
        assert "geheim" not in str(raised.value)


def bomb(quadratic: bool) -> bytes:
    if quadratic:
        entities = f'<!ENTITY a "{"x" * 100_000}">'
        return f"<!DOCTYPE b [{entities}]><b>{'&a;' * 100_000}</b>".encode()
    entities = '<!ENTITY a0 "lol">' + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 30))
    return f'<!DOCTYPE b [{entities}]><b c="&a29;">&a29;</b>'.encode()


@pytest.mark.parametrize("content", [bomb(False), bomb(True), b"<a>" * 100_000, b'<a b="' + b"x" * 50_000_000 + b'"/>'])
def test_bombs_are_refused_at_once(content: bytes) -> None:
    began = time.process_time()
    with pytest.raises(UsageError, match="no ALTO that can be read"):
        formats.read(content, "alto")
    assert time.process_time() - began < 10


def test_utf16_xml_is_xml() -> None:
    content = formats.write(INTERVIEW, "alto").decode().replace("UTF-8", "UTF-16").encode("utf-16")
    assert said(formats.read(content, "alto")) == said(formats.read(formats.write(INTERVIEW, "alto"), "alto"))


@pytest.mark.parametrize("name", ["vtt", "srt", "alto"])
@pytest.mark.parametrize("reason", [None, "", "\x00 ", "unreadable after 00:00:40"])
def test_what_is_incomplete_stays_so(name: str, reason: str | None) -> None:
    torn = dataclasses.replace(INTERVIEW, complete=False, incomplete_reason=reason)
    read = formats.read(formats.write(torn, name), name)
    assert not read.complete
    assert read.incomplete_reason == (clean(reason or "") or "part of the recording could not be read")
