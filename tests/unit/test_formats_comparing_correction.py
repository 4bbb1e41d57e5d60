"""A person's correction laid over the machine's transcript: what stays keeps all, what changed says so."""

from __future__ import annotations

import dataclasses
import re
import time
from itertools import pairwise, product

import pytest

from speechpipe import formats
from speechpipe.errors import UsageError
from speechpipe.formats.captions.limits import report
from speechpipe.formats.comparing.changes import MOST_EDITS, changes, matches
from speechpipe.formats.comparing.correction import corrected
from speechpipe.formats.comparing.difference import difference
from speechpipe.formats.comparing.json_correction import settled, with_human_times
from speechpipe.formats.page.difference_page import page
from speechpipe.formats.provenance import withhold
from speechpipe.formats.turns import CUED
from speechpipe.settings.captions import Captions
from speechpipe.transcript import Transcript
from speechpipe.transcript_data import Event, Media, Revision, Segment, Word
from tests.transcripts import INTERVIEW, spoken

KARI = Revision("Kari Nordmann", "2026-02-01T08:00:00Z")
CUE_FORMATS = ["vtt", "words.vtt", "srt", "alto"]
in_every_cue_format = pytest.mark.parametrize("name", CUE_FORMATS)


def laid(name: str, *swaps: tuple[str, str], original: Transcript = INTERVIEW) -> Transcript:
    """The transcript as a file, with this changed in it, laid over it."""
    text = formats.write(original, name).decode()
    for old, new in swaps:
        assert old in text, old
        text = text.replace(old, new, 1)
    return corrected(original, formats.read(text.encode(), name), KARI, Captions(), exact_ends=name == "alto")


@in_every_cue_format
def test_nothing_changed_is_the_original_itself(name: str) -> None:
    assert laid(name) is INTERVIEW


@in_every_cue_format
def test_one_word_changed_leaves_all_else_as_it_was(name: str) -> None:
    found = laid(name, ("Kárášjogas", "Kárášjohkas"))
    assert found.revision == KARI and not found.machine_generated
    assert found.segments[1].text == "Giitu! Mun lean eret Kárášjohkas,"
    assert found.segments[1].flags == (CUED,)
    assert (found.segments[1].language, found.segments[1].channel) == ("se", 1)
    assert found.segments[1].words[:4] == INTERVIEW.segments[1].words[:4]
    new, old = found.segments[1].words[4], INTERVIEW.segments[1].words[4]
    assert (new.text, new.start_ms, new.end_ms) == ("Kárášjohkas,", old.start_ms, old.end_ms)
    assert new.confidence is None
    others = [dataclasses.replace(s, id=0) for i, s in enumerate(found.segments) if i != 1]
    assert others == [dataclasses.replace(s, id=0) for i, s in enumerate(INTERVIEW.segments) if i != 1]
    for field in ("media", "events", "languages", "steps", "rights", "title", "identifier"):
        assert getattr(found, field) == getattr(INTERVIEW, field)


def test_words_in_the_place_of_others_share_their_time_and_say_so() -> None:
    found = laid("vtt", ("Mun lean eret", "Mun boađán eret davvin"))
    words = {word.text: word for word in found.segments[1].words}
    assert words["Mun"].timing == "aligned" and words["eret"].timing == "aligned"
    assert (words["boađán"].start_ms, words["boađán"].end_ms, words["boađán"].timing) == (6_600, 6_860, "interpolated")
    assert words["davvin"] == Word("davvin")


def test_a_word_taken_out_is_gone_and_the_cue_too_when_it_was_the_last() -> None:
    found = laid("vtt", ("Giitu! ", ""))
    assert found.segments[1].text == "Mun lean eret Kárášjogas,"
    gone = laid("vtt", ("\n\n6\n00:00:17.500 --> 00:00:18.333\n<v Channel 2>1985</v>", ""))
    assert "1985" not in gone.text and len(gone.segments) == len(INTERVIEW.segments) - 1


def test_a_cue_that_was_added_is_a_segment_without_times_for_its_words() -> None:
    found = laid("vtt", ("\n\n7\n", "\n\nny\n00:00:19.000 --> 00:00:19.500\n<v Channel 2>Stemmer det.</v>\n\n7\n"))
    (added,) = (segment for segment in found.segments if "Stemmer" in segment.text)
    assert (added.start_ms, added.end_ms, added.channel) == (19_000, 19_500, 1)
    assert added.words == (Word("Stemmer"), Word("det."))


def test_a_cue_that_was_moved_takes_its_words_along() -> None:
    found = laid("vtt", ("00:00:06.000 --> 00:00:07.883", "00:00:06.200 --> 00:00:08.083"))
    moved = found.segments[1]
    assert (moved.start_ms, moved.end_ms) == (6_200, 8_083)
    assert [(w.start_ms, w.timing) for w in moved.words] == [
        (w.start_ms + 200, "human") for w in INTERVIEW.segments[1].words if w.start_ms is not None
    ]


def test_words_outside_of_a_cue_that_was_cut_short_have_no_time() -> None:
    found = laid("vtt", ("00:00:06.000 --> 00:00:07.883", "00:00:06.500 --> 00:00:07.000"))
    assert [w.start_ms for w in found.segments[1].words] == [None, None, 6_600, 6_900, None]
    assert all(w.timing != "human" for w in found.segments[1].words)


def test_times_of_words_that_a_person_gave_are_human() -> None:
    for name, swap in {
        "alto": ('HPOS="6300" VPOS="1" WIDTH="260"', 'HPOS="6350" VPOS="1" WIDTH="200"'),
        "words.vtt": ("<00:00:06.300>", "<00:00:06.350>"),
    }.items():
        words = laid(name, swap).segments[1].words
        assert [word.timing for word in words] == ["aligned", "human", "aligned", "aligned", "aligned"], name
        assert (words[1].text, words[1].start_ms, words[1].confidence) == ("Mun", 6_350, 0.9)


def test_a_voice_that_was_put_right_moves_the_cue_to_it() -> None:
    found = laid("vtt", ("<v Channel 1>Ja.", "<v Máret>Ja."))
    (yes,) = (segment for segment in found.segments if segment.text == "Ja.")
    assert (yes.speaker, yes.words) == ("Máret", INTERVIEW.segments[6].words)


def test_a_language_that_was_put_right_in_alto_is_taken() -> None:
    found = laid("alto", ('LANG="se"', 'LANG="smj"'))
    assert [segment.language for segment in found.segments[:3]] == ["nb", "smj", "smj"]
    assert found.segments[1].words == INTERVIEW.segments[1].words


def test_music_that_was_taken_out_moved_or_left() -> None:
    without = laid("vtt", ("\n\n1\n00:00:00.000 --> 00:00:02.300\n[musikk]", ""))
    assert [event.kind for event in without.events] == ["silence"]
    moved = laid("srt", ("00:00:02,300", "00:00:01,900"))
    assert moved.events == (Event(31_000, 40_000, "silence"), Event(0, 1_900, "music"))
    assert moved.segments == INTERVIEW.segments


def test_what_was_withheld_is_not_taken_for_deleted() -> None:
    flagged = dataclasses.replace(INTERVIEW.segments[4], flags=("repetition",))
    original = dataclasses.replace(INTERVIEW, segments=(*INTERVIEW.segments[:4], flagged, *INTERVIEW.segments[5:]))
    limits = Captions.model_validate({"withhold": ["repetition"]})
    text = formats.write(original, "vtt", limits).decode()
    assert "1985</c>" not in text and "Withheld: 00:00:17.500 to 00:00:17.800 (repetition)" in text
    read = formats.read(text.replace("Ja.", "Jo.").encode(), "vtt")
    found = corrected(original, read, KARI, limits)
    assert "1985" in found.text and "Jo." in found.text


def test_a_cue_as_a_person_cut_it_stays_so_in_every_format() -> None:
    """Two cues made one, longer than any limit, with times of their own."""
    text = formats.write(INTERVIEW, "vtt").decode()
    joined = re.sub(r"</v>\n\n4\n00:00:08.300 --> 00:00:11.595\n<v Channel 2>", "\n", text)
    joined = joined.replace("00:00:07.883", "00:00:11.900")
    found = corrected(INTERVIEW, formats.read(joined.encode(), "vtt"), KARI, Captions())
    srt = formats.write(found, "srt").decode()
    assert "00:00:06,000 --> 00:00:11,900\nGiitu! Mun lean eret Kárášjogas,\n" in srt
    again = corrected(found, formats.read(formats.write(found, "alto"), "alto"), KARI, Captions(), exact_ends=True)
    assert again is found


def test_a_transcript_of_another_recording_is_refused() -> None:
    other = dataclasses.replace(INTERVIEW, media=Media("annet.wav", sha256="ff" * 32))
    named = dataclasses.replace(INTERVIEW, media=Media("annet.wav"))
    for stranger, name in product((other, named), ("vtt", "srt", "alto", "json")):
        read = formats.read(formats.write(stranger, name), name)
        with pytest.raises(UsageError, match=r"different recordings: annet.wav and reel <12> & more.wav"):
            corrected(INTERVIEW, read, KARI, Captions())


# ---- JSON ----


def test_text_changed_beside_its_words_draws_them_along() -> None:
    changed = dataclasses.replace(INTERVIEW.segments[1], text="Giitu! Mun boađán Kárášjogas,")
    edited = dataclasses.replace(INTERVIEW, segments=(INTERVIEW.segments[0], changed, *INTERVIEW.segments[2:]))
    words = settled(edited, INTERVIEW).segments[1].words
    assert [word.text for word in words] == changed.text.split()
    assert [(w.start_ms, w.timing) for w in words] == [
        (6_000, "aligned"),
        (6_300, "aligned"),
        (6_600, "interpolated"),
        (7_200, "aligned"),
    ]
    assert settled(INTERVIEW) is INTERVIEW


def test_times_changed_in_json_are_human() -> None:
    first = INTERVIEW.segments[0]
    moved = dataclasses.replace(first, words=(dataclasses.replace(first.words[0], start_ms=2_510), *first.words[1:]))
    edited = dataclasses.replace(INTERVIEW, segments=(moved, *INTERVIEW.segments[1:]))
    words = with_human_times(INTERVIEW, edited).segments[0].words
    assert [word.timing for word in words[:2]] == ["human", "aligned"]
    assert with_human_times(INTERVIEW, INTERVIEW) == INTERVIEW


# ---- changes ----


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("", "", []),
        ("a b c", "a b c", []),
        ("a b c", "a x c", [(1, 2, 1, 2)]),
        ("a b c", "a c", [(1, 2, 1, 1)]),
        ("a c", "a b c", [(1, 1, 1, 2)]),
        ("", "a", [(0, 0, 0, 1)]),
        ("a b c d", "d c b a", None),
        ("x a a a y", "x a a y", [(3, 4, 3, 3)]),
    ],
)
def test_changes_between_words(old: str, new: str, found: list[tuple[int, int, int, int]] | None) -> None:
    before, after = old.split(), new.split()
    made = changes(before, after)
    if found is not None:
        assert made == found
    rebuilt, at = [], 0
    for a, b, c, d in made:
        rebuilt += before[at:a] + after[c:d]
        at = b
    assert rebuilt + before[at:] == after


def test_the_longest_run_of_anchors_is_kept() -> None:
    assert len(matches(["a", "b", "c", "d", "e", "f"], ["b", "c", "a", "d", "f", "e"])) == 4


def test_many_hours_with_few_changes_are_compared_in_good_time() -> None:
    old = ["noen", "ganger", "kommer", "det", "ord"] * 18_000
    new = list(old)
    for at in range(5_000, 90_000, 9_000):
        new[at] = f"nytt{at}"
    began = time.process_time()
    assert len(changes(old, new)) == 10
    assert len(changes(old[: MOST_EDITS * 4], ["helt", "annet"] * 5_000)) == 1
    assert time.process_time() - began < 20


# ---- difference ----


def test_a_difference_tells_each_place_with_what_stands_around_it() -> None:
    found = difference(INTERVIEW, laid("vtt", ("Mun lean eret", "Mun boađán eret"), ("til «Lyd", "til vår «Lyd")))
    assert [(e.start_ms, e.lane, e.before, e.old, e.new, e.after) for e in found.edits] == [
        (2_500, "Channel 1", "Velkommen til", "", "vår", "«Lyd & bilde», Máret."),
        (6_600, "Channel 2", "du født? Giitu! Mun", "lean", "boađán", "eret Kárášjogas, muhto orron"),
    ]
    assert (found.removed, found.added, found.moved) == (1, 2, 0)
    assert found.summary == f"1 of {found.old_words} words removed, 2 added, at 2 places."


def test_no_difference_and_only_other_times() -> None:
    assert difference(INTERVIEW, INTERVIEW).summary.startswith("No word was changed")
    moved = laid("vtt", ("00:00:06.000 --> 00:00:07.883", "00:00:06.200 --> 00:00:08.083"))
    assert (difference(INTERVIEW, moved).edits, difference(INTERVIEW, moved).moved) == ((), 5)


def test_the_page_of_a_difference_is_whole_and_escaped() -> None:
    found = difference(INTERVIEW, laid("vtt", (">1985<", ">&lt;script&gt;alert(1)&lt;/script&gt;<")))
    text = page(found, "a<b>.json", 'b"&.vtt').decode()
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<title>Changes from a&lt;b&gt;.json to b&quot;&amp;.vtt</title>" in text
    assert "<del>1985</del> <ins>" in text
    assert not re.search(r"(src|href)=|url\(|@import", text)
    assert page(difference(INTERVIEW, INTERVIEW), "a", "b").decode().count("<tr>") == 0


# ---- report and withholding ----


def test_the_report_names_each_cue_that_breaks_a_limit_and_by_how_much() -> None:
    talk = (spoken(1, "Ja.", 1_000), spoken(2, "x" * 50, 1_500, channel=0), spoken(3, "Nei.", 1_600))
    lines = report(Transcript(Media("a.wav"), "speech", talk), Captions())
    assert lines[0] == "Cue 1 at 00:00:01.000: 520 ms, not 833"
    assert lines[1] == "Cue 2 at 00:00:01.500 Channel 1: 1 lines of up to 50 characters, not 2 of 42"
    assert lines[-1] == "3 cues (web); 2 beyond a limit: 1 short, 1 lines."
    assert report(Transcript(Media("a.wav"), "speech", talk[:1]), Captions()) == ["1 cues (web); 0 beyond a limit."]


def test_every_kind_of_breach_is_told_in_its_own_words() -> None:
    crowded = (
        Segment(1, 0, 10_000, "Ett " + "x" * 60),
        Segment(2, 10_001, 10_002, "alt for mye tekst for et millisekund"),
        Segment(3, 10_010, 11_000, "Neste."),
    )
    text = "\n".join(report(Transcript(Media("a"), "speech", crowded), Captions()))
    for told in (
        "characters a second, not 17",
        "ms, not 833",
        "ms, not 7000",
        "not 2 of 42",
        "before the next, not 80",
    ):
        assert told in text


def test_withheld_segments_are_listed_in_every_file_but_whole_in_json() -> None:
    flagged = dataclasses.replace(INTERVIEW.segments[0], flags=("low_confidence", "repetition"))
    transcript = dataclasses.replace(INTERVIEW, segments=(flagged, *INTERVIEW.segments[1:]))
    limits = Captions.model_validate({"withhold": ["repetition", "other"]})
    line = "Withheld: 00:00:02.500 to 00:00:05.500 (repetition)"
    for name in formats.FORMATS:
        text = formats.write(transcript, name, limits).decode()
        assert ("Velkommen" in text) == (name == "json"), name
        assert (line in " ".join(text.split())) == (name != "json"), name
    bare = limits.model_copy(update={"header": False})
    for name in ("vtt", "words.vtt", "srt", "txt", "tsv"):
        text = " ".join(formats.write(transcript, name, bare).decode().split())
        assert line in text and "Machine-generated" not in text, name
    assert report(transcript, limits)[-1] == line
    assert withhold(transcript, ()) is transcript
    assert all(a.start_ms <= b.start_ms for a, b in pairwise(withhold(transcript, ("repetition",)).segments))


def test_without_a_header_a_file_is_only_text() -> None:
    bare = Captions.model_validate({"header": False})
    for name in ("vtt", "words.vtt", "srt", "txt", "tsv"):
        text = formats.write(INTERVIEW, name, bare).decode()
        assert "Machine-generated" not in text and "example/asr" not in text, name
        assert "Velkommen" in text
    assert formats.write(INTERVIEW, "vtt", bare).decode().startswith("WEBVTT\n\n1\n")
    assert formats.write(INTERVIEW, "tsv", bare).decode().startswith("start_ms\t")


# ---- which caption is which ----


def answered(*texts: str) -> Transcript:
    said = tuple(spoken(number, text, number * 3_000) for number, text in enumerate(texts, 1))
    return Transcript(Media("a.wav", duration_ms=60_000), "speech", said)


def test_captions_moved_together_stay_what_they_were_also_where_one_was_edited() -> None:
    original = answered("yes we came", "no", "yes they left", "no")
    text = formats.write(original, "vtt").decode().replace("they left", "they stayed")
    for seconds in (3, 6, 9, 12):
        text = re.sub(rf"00:00:{seconds:02d}\.(?=\d+ -->)", f"00:00:{seconds + 1:02d}.", text)
        text = re.sub(rf"(?<=--> )00:00:{seconds:02d}\.", f"00:00:{seconds + 1:02d}.", text)
    found = corrected(original, formats.read(text.encode(), "vtt"), KARI, Captions())
    assert [(w.text, w.start_ms, w.timing) for w in found.segments[2].words] == [
        ("yes", 10_000, "human"),
        ("they", 10_300, "human"),
        ("stayed", 10_600, "interpolated"),
    ]
    assert [w.start_ms for s in found.segments for w in s.words if w.text == "no"] == [7_000, 13_000]


def test_captions_made_one_or_cut_in_two_keep_the_times_of_their_words() -> None:
    original = answered("yes we came", "no", "yes they left")
    text = formats.write(original, "vtt").decode()
    joined, times = re.subn(r"00:00:03.860\nyes we came\n\n2\n00:00:06.000 --> (.*)\n", r"\1\nyes we came ", text)
    assert times == 1
    found = corrected(original, formats.read(joined.encode(), "vtt"), KARI, Captions())
    assert [w.start_ms for w in found.segments[0].words] == [3_000, 3_300, 3_600, 6_000]
    cut = text.replace("00:00:09.860\nyes they left", "00:00:09.200\nyes\n\n00:00:09.300 --> 00:00:09.860\nthey left")
    found = corrected(original, formats.read(cut.encode(), "vtt"), KARI, Captions())
    assert len(found.segments) == 4 and found.words == original.words


def test_a_time_that_another_word_had_is_not_one_that_a_person_gave() -> None:
    typed = laid("words.vtt", ("<00:00:06.300><c>Mun</c>", "<00:00:06.300><c>så</c> <c>Mun</c>")).segments[1].words
    assert [(w.text, w.start_ms, w.timing) for w in typed[:3]] == [
        ("Giitu!", 6_000, "aligned"),
        ("så", None, None),
        ("Mun", 6_300, "aligned"),
    ]
    slid = laid("alto", ('CONTENT="Mun"', 'CONTENT="lean"'), ('CONTENT="lean"', 'CONTENT="eret"')).segments[1].words
    assert all(word.timing != "human" for word in slid)
