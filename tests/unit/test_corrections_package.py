"""What a person left of a package: all their corrections, in whichever of its files, and none passed over."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from speechpipe import formats
from speechpipe.cli import cli
from speechpipe.corrections.files import open_transcript
from speechpipe.corrections.package import Reviewed, reviewed
from speechpipe.errors import UsageError
from speechpipe.files import sha256_bytes
from speechpipe.repositories.contract import Receipt
from speechpipe.repositories.results import receipts
from speechpipe.settings.captions import Captions
from tests.transcripts import INTERVIEW

STEM = "reel.wav"
TRANSCRIPT = replace(INTERVIEW, media=replace(INTERVIEW.media, name=STEM))
WORDS = {
    "vtt": ("Mun lean eret", "Mun boađán eret"),
    "srt": ("Mun lean eret", "Mun boađán eret"),
    "words.vtt": ("<c>lean</c>", "<c>boađán</c>"),
    "alto": ('CONTENT="lean"', 'CONTENT="boađán"'),
}


def packaged(folder: Path, *names: str, limits: Captions | None = None) -> Path:
    files = formats.compose(TRANSCRIPT, names or ("vtt", "alto", "json", "txt", "srt", "words.vtt"), STEM, limits)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    digests = {name: sha256_bytes(content) for name, content in files.items()}
    (folder / f"{STEM}.speechpipe.json").write_bytes(receipts.to_json(Receipt("r", "done", STEM, files=digests)))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return packaged(tmp_path)


def edit(folder: Path, name: str, *swaps: tuple[str, str]) -> Path:
    path = folder / (STEM + formats.suffix(name))
    text = path.read_text(encoding="utf-8")
    for old, new in swaps:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")
    return path


def left(folder: Path) -> Reviewed:
    found = reviewed(folder, STEM, Captions())
    assert found is not None
    return found


def test_what_nobody_changed_is_no_correction(folder: Path) -> None:
    assert reviewed(folder, STEM, Captions()) is None
    opened = open_transcript(folder / f"{STEM}.vtt")
    assert opened.transcript == TRANSCRIPT and opened.corrected == ()


@pytest.mark.parametrize("name", WORDS)
def test_a_correction_is_taken_whichever_file_of_its_package_is_opened(folder: Path, name: str) -> None:
    changed = edit(folder, name, WORDS[name])
    for other in ("json", "vtt", "alto", "srt"):
        opened = open_transcript(folder / (STEM + formats.suffix(other)), by="Kari")
        assert opened.corrected == (changed,)
        word = opened.transcript.segments[1].words[2]
        assert (word.text, word.start_ms, word.timing) == ("boađán", 6_600, "interpolated")
        assert opened.transcript.revision is not None and opened.transcript.revision.by == "Kari"
        assert len(opened.transcript.segments) == len(TRANSCRIPT.segments)


def test_a_json_corrected_in_place_is_reviewed_in_its_text_and_in_its_words(folder: Path) -> None:
    path = edit(folder, "json", ("Giitu! Mun lean eret", "Giitu! Mun boađán eret"))
    edit(folder, "json", ('"text": "Kárášjogas,"', '"text": "Oslos,"'))
    out = folder / "out"
    result = CliRunner().invoke(cli, ["convert", str(path), "--format", "txt,json", "--output", str(out)])
    assert result.exit_code == 0 and "Corrected by a person" in result.stderr
    text = (out / f"{STEM}.txt").read_text()
    assert "Giitu! Mun boađán eret Oslos, muhto" in text and "corrected by a person" in text
    words = formats.read((out / f"{STEM}.json").read_bytes(), "json").segments[1].words
    assert [(w.text, w.start_ms, w.timing, w.confidence) for w in words[2:]] == [
        ("boađán", 6_600, "interpolated", None),
        ("eret", 6_900, "aligned", 0.9),
        ("Oslos,", 7_200, "interpolated", None),
    ]


def test_text_and_words_of_a_json_that_contradict_are_an_error_with_the_line(folder: Path) -> None:
    path = edit(folder, "json", ("Giitu! Mun lean", "Giitu! Mun boađán"), ('"text": "lean"', '"text": "leat"'))
    line = next(at for at, text in enumerate(path.read_text().split("\n"), 1) if "Mun boađán" in text)
    with pytest.raises(UsageError, match=rf"reel\.wav\.json: .*line {line} "):
        left(folder)


def test_corrections_in_two_files_are_laid_together(folder: Path) -> None:
    gone = "\n\n6\n00:00:17.500 --> 00:00:18.333\n<v Channel 2>1985</v>"
    edit(folder, "vtt", WORDS["vtt"], ("Ja.", "Jo."), (gone, ""))
    edit(folder, "srt", ("Ja.", "Jo."), ("Takk skal du", "Takk skal dere"), ("eret Kárášjogas", "eret Oslos"))
    found = left(folder)
    assert {path.name for path in found.corrected} == {"reel.wav.vtt", "reel.wav.srt"}
    text = found.transcript.text
    assert "Giitu! Mun boađán eret Oslos," in text and "Jo." in text and "Takk skal dere ha." in text
    assert "1985" not in text
    assert {s.channel for s in found.transcript.segments if s.text == "Takk skal dere ha."} == {1}
    assert {w.timing for w in found.transcript.words} <= {"aligned", "interpolated", None}


def test_a_json_and_another_file_are_laid_together(folder: Path) -> None:
    edit(folder, "json", ('"text": "Ja."', '"text": "Jo."'))
    moved = ('HPOS="6300" VPOS="1" WIDTH="260"', 'HPOS="6350" VPOS="1" WIDTH="200"')
    edit(folder, "alto", WORDS["alto"], moved)
    found = left(folder).transcript
    assert "Jo." in found.text and "Mun boađán eret" in found.text
    words = found.segments[1].words
    assert [(w.text, w.start_ms, w.timing) for w in words[:3]] == [
        ("Giitu!", 6_000, "aligned"),
        ("Mun", 6_350, "human"),
        ("boađán", 6_600, "interpolated"),
    ]
    assert found.segments[0] == replace(TRANSCRIPT.segments[0], id=found.segments[0].id)
    assert {path.name for path in left(folder).corrected} == {"reel.wav.json", "reel.wav.alto.xml"}


@pytest.mark.parametrize("other", ["srt", "alto", "words.vtt"])
def test_files_that_contradict_each_other_are_an_error_with_the_places(folder: Path, other: str) -> None:
    edit(folder, "vtt", WORDS["vtt"])
    edit(folder, other, (WORDS[other][0], WORDS[other][1].replace("boađán", "leat")))
    with pytest.raises(UsageError) as raised:
        left(folder)
    told = str(raised.value)
    assert f"reel.wav{formats.suffix(other)}" in told and "reel.wav.vtt" in told
    assert "00:00:06.000" in told and "boađán" in told and "leat" in told


def test_what_a_conversion_wrote_is_what_later_corrections_are_compared_with(folder: Path) -> None:
    def convert() -> None:
        more = ["--format", "json,alto,srt,txt,words.vtt", "--overwrite", "--by", "Kari"]
        result = CliRunner().invoke(cli, ["convert", str(folder / f"{STEM}.vtt"), *more])
        assert result.exit_code == 0, result.output

    edit(folder, "vtt", WORDS["vtt"])
    convert()
    edit(folder, "vtt", ("Ja.", "Jo."))
    convert()
    found = formats.read((folder / f"{STEM}.json").read_bytes(), "json")
    assert "Mun boađán eret" in found.text and "Jo." in found.text
    edit(folder, "json", ('"text": "Takk skal du ha."', '"text": "Takk skal dere ha."'))
    assert "Takk skal dere ha." in left(folder).transcript.text and "Jo." in left(folder).transcript.text


def test_cues_are_known_again_whatever_limits_shaped_them(tmp_path: Path) -> None:
    packaged(tmp_path, "vtt", "json", limits=Captions(preset="broadcast"))
    edit(tmp_path, "vtt", WORDS["vtt"])
    found = left(tmp_path).transcript
    assert [s for s in found.segments if "cued" in s.flags] == [found.segments[1]]


def test_where_nothing_is_left_of_the_original_two_corrections_must_agree(tmp_path: Path) -> None:
    packaged(tmp_path, "vtt", "json")
    edit(tmp_path, "json", ('"text": "Ja."', '"text": "Jo."'), ('"text": "Ja."', '"text": "Jo."'))
    edit(tmp_path, "vtt", ("Ja.", "Jo."))
    assert "Jo." in left(tmp_path).transcript.text and not left(tmp_path).transcript.machine_generated
    edit(tmp_path, "vtt", ("Jo.", "Nei."))
    with pytest.raises(
        UsageError, match="reel.wav.json and reel.wav.vtt were both corrected and differ.*“Jo.” and “Nei.”"
    ):
        left(tmp_path)


def test_a_json_that_was_only_indented_is_the_machines(folder: Path) -> None:
    path = folder / f"{STEM}.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4))
    assert reviewed(folder, STEM, Captions()) is None


def test_other_line_ends_are_no_correction_and_other_lines_are_named(folder: Path) -> None:
    path = folder / f"{STEM}.vtt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert reviewed(folder, STEM, Captions()) is None
    alto = folder / f"{STEM}.alto.xml"
    alto.write_text(alto.read_text().replace('ID="w000003"', 'ID="w3"'))
    line = 1 + next(at for at, text in enumerate(alto.read_text().split("\n")) if 'ID="w3"' in text)
    told = [
        CliRunner().invoke(cli, ["convert", str(one), "--format", "txt", "--output", "-"]).stderr
        for one in (path, alto)
    ]
    assert "nothing was changed." in told[0]
    assert f"no word, time or voice was changed; line {line} is not as it was written" in told[1]


def test_a_comment_alone_is_a_change_that_is_kept_and_told(folder: Path) -> None:
    path = edit(folder, "vtt", ("WEBVTT\n\n", "WEBVTT by Kari\n\nNOTE ask Per about 1985\n\n"))
    result = CliRunner().invoke(cli, ["convert", str(path), "--format", "json", "--output", str(folder / "out.json")])
    assert "nothing was changed" not in result.stderr
    assert "A comment was left out: ask Per about 1985" in result.stderr and "by Kari" in result.stderr
    kept = formats.read((folder / "out.json").read_bytes(), "json")
    assert "A comment was left out: ask Per about 1985" in kept.warnings and kept.segments == TRANSCRIPT.segments


def test_what_a_file_says_of_itself_is_not_corrected_in_it_and_told(folder: Path) -> None:
    path = edit(folder, "vtt", ("Title: Samtale med Máret, 1985", "Title: Samtale med Kari, 1985"))
    opened = open_transcript(path)
    assert opened.transcript.title == TRANSCRIPT.title
    assert "“Title: Samtale med Kari, 1985”; that was left out." in opened.transcript.warnings[-1]


def test_a_file_that_cannot_be_read_back_is_named(folder: Path) -> None:
    changed = edit(folder, "txt", ("Velkommen", "Vel møtt"))
    found = left(folder)
    assert found.unread == (changed,) and found.corrected == () and found.transcript.machine_generated
    result = CliRunner().invoke(cli, ["convert", str(folder / f"{STEM}.json"), "--format", "srt", "--output", "-"])
    assert "cannot be read back" in result.stderr and str(changed) in result.stderr
