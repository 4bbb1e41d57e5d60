"""What holds for every format, from its table row to its bytes."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from pathlib import Path

import pytest

from speechpipe import formats
from speechpipe.errors import OutputError, UnknownFormat, UsageError
from speechpipe.formats import FORMATS
from speechpipe.formats.captions.cues import cues
from speechpipe.formats.provenance import settings_digest
from speechpipe.formats.turns import CUED
from speechpipe.settings.captions import DEFAULT_FORMATS, Captions
from speechpipe.settings.captions import FORMATS as FORMAT_NAMES
from speechpipe.transcript import Transcript
from speechpipe.transcript_data import Media, Revision, Segment
from tests.transcripts import INTERVIEW, NOTHING_SAID

SUFFIXES = {
    "vtt": ".vtt",
    "alto": ".alto.xml",
    "json": ".json",
    "txt": ".txt",
    "srt": ".srt",
    "words.vtt": ".words.vtt",
    "tsv": ".words.tsv",
    "html": ".html",
    "mets": ".mets.xml",
}
#: Formats that people read, which say in words what the text is.
TELLING = ["vtt", "words.vtt", "srt", "alto", "txt", "tsv", "html", "mets"]
#: Formats whose cues are shaped by settings.
WITH_CUES = {"vtt", "words.vtt", "alto", "srt", "html", "mets"}


def words_of(content: bytes) -> str:
    """A file's text without its line breaks; without what a page might say."""
    return " ".join(re.sub(r'(?s)id="words">.*?</script>', "", content.decode()).split())


every_format = pytest.mark.parametrize("name", FORMATS)


def test_the_settings_know_the_same_formats() -> None:
    assert tuple(FORMATS) == FORMAT_NAMES
    assert set(DEFAULT_FORMATS) < set(FORMAT_NAMES)


def test_rows_are_distinct() -> None:
    for field in ("name", "suffix", "module"):
        values = [getattr(row, field) for row in FORMATS.values()]
        assert len(set(values)) == len(values), field
    assert all(row.suffix.startswith(".") for row in FORMATS.values())


@every_format
def test_every_row_is_documented_by_its_suffix(name: str) -> None:
    assert formats.suffix(name) == SUFFIXES[name]
    assert formats.format_of(Path(f"reel.wav{SUFFIXES[name]}")) == formats.format_of(Path(f"A{SUFFIXES[name].upper()}"))
    assert formats.format_of(Path(f"reel.wav{SUFFIXES[name]}")) == name
    assert formats.format_of(Path("reel.wav")) is None


@every_format
@pytest.mark.parametrize("transcript", [INTERVIEW, NOTHING_SAID], ids=["interview", "nothing-said"])
def test_utf8_without_bom_and_with_unix_lines(name: str, transcript: Transcript) -> None:
    content = formats.write(transcript, name)
    text = content.decode("utf-8")
    assert not content.startswith(b"\xef\xbb\xbf")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert "\r" not in text
    assert unicodedata.is_normalized("NFC", text)


@every_format
def test_the_same_transcript_gives_the_same_bytes(name: str) -> None:
    assert formats.write(INTERVIEW, name) == formats.write(INTERVIEW, name)


@pytest.mark.parametrize("name", TELLING)
@pytest.mark.parametrize("transcript", [INTERVIEW, NOTHING_SAID], ids=["interview", "nothing-said"])
def test_says_that_no_person_has_read_it(name: str, transcript: Transcript) -> None:
    assert "Machine-generated transcript; not reviewed by a person." in words_of(formats.write(transcript, name))


@pytest.mark.parametrize("name", TELLING)
@pytest.mark.parametrize(
    "fact",
    [
        "faster-whisper 1.2.1",
        "example/asr",
        "0123456789abcdef",
        "5ea1" * 16,
        "2026-01-15T12:02:00Z",
        "http://rightsstatements.org/vocab/InC/1.0/",
        "reading room only",
        "nb",
        INTERVIEW.media.sha256,
        settings_digest(INTERVIEW),
    ],
)
def test_provenance_and_rights_are_told_whole(name: str, fact: str) -> None:
    steps = tuple(dataclasses.replace(step, model_sha256="5ea1" * 16) for step in INTERVIEW.steps)
    said = words_of(formats.write(dataclasses.replace(INTERVIEW, steps=steps), name))
    if name == "alto" and fact == "faster-whisper 1.2.1":
        said = said.replace("</softwareName> <softwareVersion>", " ")
    assert fact in said


@pytest.mark.parametrize("name", TELLING)
def test_says_who_corrected_it(name: str) -> None:
    corrected = dataclasses.replace(INTERVIEW, revision=Revision("Kari <Nordmann>", "2026-02-01T08:00:00Z"))
    text = words_of(formats.write(corrected, name))
    assert "not reviewed" not in text
    assert "corrected by Kari" in text


@pytest.mark.parametrize("name", TELLING)
@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        ("no_speech", "No speech was found in the recording."),
        ("silent", "The recording is silent."),
        ("no_audio", "The file has no sound."),
    ],
)
def test_an_outcome_without_speech_is_said_in_words(name: str, outcome: str, sentence: str) -> None:
    empty = dataclasses.replace(NOTHING_SAID, outcome=outcome)  # type: ignore[arg-type]
    assert sentence in words_of(formats.write(empty, name))
    assert sentence not in words_of(formats.write(INTERVIEW, name))


@pytest.mark.parametrize("name", TELLING)
def test_an_incomplete_recording_says_so(name: str) -> None:
    torn = dataclasses.replace(INTERVIEW, complete=False, incomplete_reason="unreadable after 00:00:40")
    assert "Incomplete: unreadable after 00:00:40" in words_of(formats.write(torn, name))


@every_format
def test_an_undecodable_file_name_does_not_stop_the_writer(name: str) -> None:
    odd = dataclasses.replace(NOTHING_SAID, media=Media("b\udce5nd 1.wav"))
    assert formats.write(odd, name)


def shown(transcript: Transcript, name: str) -> list[tuple[object, ...]]:
    """What a reader of captions sees, and for formats with word times these."""
    said = []
    for cue in cues(transcript, Captions.model_validate({})):
        words = [(w.text, w.start_ms, w.end_ms, w.confidence) for w in cue.words if name == "alto"]
        voice = cue.lane.name if cue.lane and name != "srt" else None
        # SubRip takes `<` before a letter for a tag: a space is all that may be put into a text.
        text = cue.text.replace("< ", "<") if name == "srt" else cue.text
        said.append((cue.number, cue.start_ms, cue.end_ms, text, voice, words))
    return said


@every_format
def test_read_gives_back_or_says_that_it_cannot(name: str) -> None:
    content = formats.write(INTERVIEW, name)
    if FORMATS[name].lossless:
        assert formats.read(content, name) == INTERVIEW
    elif FORMATS[name].readable:
        again = formats.read(content, name)
        assert shown(again, name) == shown(INTERVIEW, name)
        assert all(CUED in segment.flags for segment in again.segments)
        assert again.rights.access == INTERVIEW.rights.access
    else:
        with pytest.raises(UsageError, match=f"cannot be read from {name}.*json"):
            formats.read(content, name)


def test_an_unknown_format_names_those_there_are() -> None:
    for call in (formats.suffix, lambda name: formats.write(INTERVIEW, name), lambda name: formats.read(b"", name)):
        with pytest.raises(UnknownFormat, match="'docx'") as raised:
            call("docx")
        assert all(name in str(raised.value) for name in FORMATS)


def test_a_folder_gets_every_format_under_the_full_name(tmp_path: Path) -> None:
    paths = formats.save(INTERVIEW, tmp_path)
    names = [f"reel <12> & more.wav{SUFFIXES[name]}" for name in DEFAULT_FORMATS]
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert all(
        path.read_bytes() == formats.write(INTERVIEW, name) for path, name in zip(paths, DEFAULT_FORMATS, strict=True)
    )


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    assert formats.save(NOTHING_SAID, tmp_path / "new" / "folder") != []
    assert (tmp_path / "new" / "folder" / "empty.wav.alto.xml").is_file()
    (path,) = formats.save(NOTHING_SAID, tmp_path / "v1.2", ["txt"])
    assert path == tmp_path / "v1.2" / "empty.wav.txt"


@every_format
def test_a_file_is_written_in_the_format_of_its_ending(name: str, tmp_path: Path) -> None:
    target = tmp_path / f"chosen{formats.suffix(name)}"
    assert formats.save(INTERVIEW, target) == [target]
    assert target.read_bytes() == formats.write(INTERVIEW, name)
    assert formats.save(INTERVIEW, target, [name]) == [target]
    assert list(tmp_path.iterdir()) == [target]


def test_formats_may_be_written_as_on_the_command_line(tmp_path: Path) -> None:
    paths = formats.save(NOTHING_SAID, tmp_path, "vtt, txt,vtt")
    assert [path.name for path in paths] == ["empty.wav.vtt", "empty.wav.txt"]


def test_an_unknown_ending_or_format_writes_nothing(tmp_path: Path) -> None:
    for target, chosen in ((tmp_path / "a.docx", None), (tmp_path / "a.xml", None), (tmp_path, ["vtt", "docx"])):
        with pytest.raises(UnknownFormat, match="alto.xml"):
            formats.save(INTERVIEW, target, chosen)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("../../etc/passwd", "passwd"),
        ("/etc/cron.d/job", "job"),
        ("C:\\tapes\\..\\reel.wav", "reel.wav"),
        ("..", "transcript"),
        ("a/..", "transcript"),
        ("a/", "transcript"),
        ("", "transcript"),
        (". .", "transcript"),
        ("nul\0.wav", "nul.wav"),
        (".hidden", ".hidden"),
        ("b\udce5nd.wav", "b\udce5nd.wav"),
        ("-rf *.wav", "-rf *.wav"),
    ],
)
def test_a_hostile_name_stays_in_the_folder(name: str, stem: str, tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    (path,) = formats.save(dataclasses.replace(NOTHING_SAID, media=Media(name)), folder, ["txt"])
    assert path == folder / f"{stem}.txt"
    assert path.is_file()
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("name", ["x" * 300, "\ud800.wav"])
def test_a_name_no_file_can_have_is_an_output_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        formats.save(dataclasses.replace(NOTHING_SAID, media=Media(name)), tmp_path, ["txt"])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        formats.save(INTERVIEW, tmp_path / "file" / "below")


def test_nothing_is_written_when_one_format_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise RuntimeError("no")

    monkeypatch.setattr("speechpipe.formats.plain.txt.write", fail)
    with pytest.raises(RuntimeError):
        formats.save(INTERVIEW, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_transcript_itself_saves_and_writes(tmp_path: Path) -> None:
    assert INTERVIEW.to_vtt() == formats.write(INTERVIEW, "vtt").decode()
    assert INTERVIEW.to_alto() == formats.write(INTERVIEW, "alto").decode()
    assert INTERVIEW.save(str(tmp_path), ["vtt"]) == [tmp_path / "reel <12> & more.wav.vtt"]


@every_format
def test_captions_settings_reach_the_formats_that_have_cues(name: str) -> None:
    narrow = Captions.model_validate({"max_line_chars": 12, "max_lines": 1})
    changed = formats.write(INTERVIEW, name, narrow) != formats.write(INTERVIEW, name)
    assert changed == (name in WITH_CUES)


@every_format
def test_segments_without_text_are_no_words(name: str) -> None:
    blank = Transcript(Media("a.wav", duration_ms=1000), "speech", (Segment(0, 0, 500, " \n\x00"),))
    text = formats.write(blank, name).decode()
    assert name == "srt" or "-->" not in text
    assert "<TextLine" not in text
