"""``speechpipe convert``."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from speechpipe import locks
from speechpipe.cli import cli
from speechpipe.errors import AlreadyInWork
from speechpipe.repositories.results.holding import LOCK
from speechpipe.transcript import Transcript
from speechpipe.transcript_data import Media, Segment, Word

convert_module = import_module("speechpipe.cli.convert")


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    words = (Word("tape", 0, 400, 0.9, "aligned"), Word("four", 400, 900, 0.8, "aligned"))
    made = Transcript(Media("reel-12.wav", duration_ms=1000), "speech", (Segment(1, 0, 900, "tape four", words, "en"),))
    path = tmp_path / "reel-12.wav.json"
    path.write_text(json.dumps(made.to_dict()), encoding="utf-8")
    return path


def convert(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["convert", *map(str, arguments)])


def test_each_format_goes_beside_the_transcript(transcript: Path) -> None:
    result = convert(transcript, "--format", "vtt,alto,txt")
    assert result.exit_code == 0, result.output
    names = ["reel-12.wav.vtt", "reel-12.wav.alto.xml", "reel-12.wav.txt"]
    assert result.output.splitlines() == [str(transcript.with_name(name)) for name in names]
    assert transcript.with_name(names[0]).read_text().startswith("WEBVTT\n")
    assert "tape four" in transcript.with_name(names[2]).read_text()


def test_into_a_folder_that_is_not_there_yet(transcript: Path, tmp_path: Path) -> None:
    assert convert(transcript, "--format", "txt", "--output", tmp_path / "new" / "er").exit_code == 0
    assert (tmp_path / "new" / "er" / "reel-12.wav.txt").is_file()


def test_into_one_file_with_the_name_given(transcript: Path, tmp_path: Path) -> None:
    assert convert(transcript, "--format", "vtt", "--output", tmp_path / "other.vtt").exit_code == 0
    assert (tmp_path / "other.vtt").read_text().startswith("WEBVTT")
    assert not (tmp_path / "reel-12.wav.vtt").exists()


def test_one_file_takes_one_format(transcript: Path, tmp_path: Path) -> None:
    result = convert(transcript, "--format", "vtt,txt", "--output", tmp_path / "other.vtt")
    assert result.exit_code == 2
    assert "one format" in result.output
    assert [path.name for path in tmp_path.iterdir()] == [transcript.name]


def test_to_stdout(transcript: Path) -> None:
    result = convert(transcript, "--format", "txt", "--output", "-")
    assert result.exit_code == 0
    assert "tape four" in result.stdout
    assert len(list(transcript.parent.iterdir())) == 1


def test_what_exists_and_differs_is_left_alone(transcript: Path) -> None:
    corrected = transcript.with_name("reel-12.wav.vtt")
    corrected.write_text("WEBVTT\n\nby a person")
    result = convert(transcript, "--format", "txt,vtt")
    assert result.exit_code == 5
    assert str(corrected) in result.output
    assert "--overwrite" in result.output
    assert corrected.read_text().endswith("by a person")
    assert not transcript.with_name("reel-12.wav.txt").exists()


def test_overwrite_replaces_it(transcript: Path) -> None:
    target = transcript.with_name("reel-12.wav.vtt")
    target.write_text("old")
    assert convert(transcript, "--format", "vtt", "--overwrite").exit_code == 0
    assert target.read_text().startswith("WEBVTT")


def test_twice_is_no_conflict(transcript: Path) -> None:
    assert convert(transcript, "--format", "vtt,alto").exit_code == 0
    assert convert(transcript, "--format", "vtt,alto").exit_code == 0


def test_json_of_json_is_the_same_transcript(transcript: Path, tmp_path: Path) -> None:
    assert convert(transcript, "--format", "json", "--output", tmp_path / "copy").exit_code == 0
    copy = json.loads((tmp_path / "copy" / transcript.name).read_text())
    assert Transcript.from_dict(copy) == Transcript.from_dict(json.loads(transcript.read_text()))


def test_formats_may_be_spelled_loosely_and_doubled(transcript: Path) -> None:
    result = convert(transcript, "--format", " VTT, vtt,")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize("formats", ["docx", "vtt,docx", "", ","])
def test_unknown_formats_name_the_known(transcript: Path, formats: str) -> None:
    result = convert(transcript, "--format", formats)
    assert result.exit_code == 2
    assert "vtt, alto, json, txt" in result.output
    assert len(list(transcript.parent.iterdir())) == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"not json", b"[]", b"{}", b'{"schema_version": "9"}', b"\xff\xfe", b"[" * 100_000, b'{"a": NaN}'],
)
def test_what_is_no_transcript_is_said_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    result = convert(path, "--format", "vtt")
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    assert str(path) in result.output
    assert [found.name for found in tmp_path.iterdir()] == ["a.json"]


def test_a_missing_transcript_and_a_folder(tmp_path: Path) -> None:
    assert convert(tmp_path / "none.json", "--format", "vtt").exit_code == 3
    assert convert(tmp_path, "--format", "vtt").exit_code == 2


def test_a_folder_that_cannot_be(transcript: Path) -> None:
    result = convert(transcript, "--format", "vtt", "--output", transcript / "below")
    assert result.exit_code == 5
    assert result.output.count("\n") == 1


# ---- corrections ----


@pytest.fixture
def corrected(transcript: Path) -> Path:
    """The WebVTT of the transcript, with a word changed by a person."""
    assert convert(transcript, "--format", "vtt").exit_code == 0
    path = transcript.with_name("reel-12.wav.vtt")
    path.write_text(path.read_text().replace("four", "five"))
    return path


def test_a_corrected_file_is_compared_with_the_json_beside_it(corrected: Path, tmp_path: Path) -> None:
    result = convert(corrected, "--format", "json,srt", "--by", "Kari Nordmann", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "Compared with" in result.stderr and "corrected" in result.stderr
    read = Transcript.from_dict(json.loads((tmp_path / "out" / "reel-12.wav.json").read_text()))
    assert read.revision is not None and read.revision.by == "Kari Nordmann" and read.revision.at.endswith("Z")
    assert [(w.text, w.start_ms, w.timing, w.confidence) for w in read.words] == [
        ("tape", 0, "aligned", 0.9),
        ("five", 400, "interpolated", None),
    ]
    assert "corrected by Kari Nordmann" in (tmp_path / "out" / "reel-12.wav.srt").read_text().replace("\n", " ")


def test_nothing_changed_is_said_and_claims_no_person(transcript: Path, tmp_path: Path) -> None:
    assert convert(transcript, "--format", "alto").exit_code == 0
    alto = transcript.with_name("reel-12.wav.alto.xml")
    result = convert(alto, "--format", "json", "--by", "Kari", "--output", tmp_path / "out")
    assert "nothing was changed" in result.stderr
    copy = Transcript.from_dict(json.loads((tmp_path / "out" / transcript.name).read_text()))
    assert copy == Transcript.from_dict(json.loads(transcript.read_text()))


def test_without_the_original_who_corrected_it_is_only_what_one_says(corrected: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone" / corrected.name
    alone.parent.mkdir()
    corrected.rename(alone)
    convert(alone, "--format", "json")
    made = alone.with_name("reel-12.wav.json")
    assert json.loads(made.read_text())["revision"] is None
    made.unlink()
    result = convert(alone, "--format", "json", "--by", "Kari", "--output", tmp_path / "named.json")
    assert result.exit_code == 0 and "Kari" in (tmp_path / "named.json").read_text()


def test_an_original_may_be_named(corrected: Path, transcript: Path, tmp_path: Path) -> None:
    original = transcript.rename(tmp_path / "original.json")
    result = convert(corrected, "--format", "json", "--original", original, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "out" / "reel-12.wav.json").read_text())["revision"]["by"] == "a person"


def test_a_corrected_json_is_settled_and_compared(transcript: Path, tmp_path: Path) -> None:
    original = tmp_path / "original.json"
    original.write_bytes(transcript.read_bytes())
    transcript.write_text(transcript.read_text().replace('"tape four"', '"tape number four"'))
    result = convert(transcript, "--format", "json", "--original", original, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    made = Transcript.from_dict(json.loads((tmp_path / "out" / transcript.name).read_text()))
    assert [word.text for word in made.words] == ["tape", "number", "four"]
    assert made.revision is not None
    same = convert(original, "--format", "txt", "--original", original, "--output", "-")
    assert "nothing was changed" in same.stderr


def test_the_file_that_is_read_is_never_replaced(corrected: Path) -> None:
    before = corrected.read_bytes()
    result = convert(corrected, "--format", "vtt", "--captions", "broadcast", "--overwrite", "--by", "Kari")
    assert result.exit_code == 5 and "the file that is read" in result.output
    assert corrected.read_bytes() == before


def test_a_transcript_of_another_recording_is_refused(corrected: Path) -> None:
    corrected.write_text(corrected.read_text().replace("Source: reel-12.wav", "Source: reel-13.wav"))
    result = convert(corrected, "--format", "txt", "--output", "-")
    assert result.exit_code == 2 and "different recordings: reel-13.wav and reel-12.wav" in result.output


def test_repairs_are_told(corrected: Path) -> None:
    corrected.write_text(corrected.read_text() + "\n9\n00:00:05.000 --> 00:00:03.000\nlast\n")
    result = convert(corrected, "--format", "txt", "--output", "-")
    assert result.exit_code == 0
    assert "Note: Cue 9 at 00:00:05.000 ends before it begins" in result.stderr
    assert "last" in result.stdout


def test_the_report_goes_to_stderr(transcript: Path) -> None:
    result = convert(transcript, "--format", "vtt", "--captions", "broadcast", "--report", "--output", "-")
    assert result.exit_code == 0
    assert "1 cues (broadcast); 0 beyond a limit." in result.stderr
    assert result.stdout.startswith("WEBVTT")


def test_a_preset_must_be_one(transcript: Path) -> None:
    result = convert(transcript, "--format", "vtt", "--captions", "cinema")
    assert result.exit_code == 2 and "broadcast" in result.output


def test_mets_describes_the_files_that_stand_beside_it(transcript: Path) -> None:
    assert convert(transcript, "--format", "vtt").exit_code == 0
    assert convert(transcript, "--format", "mets,srt").exit_code == 0
    mets = transcript.with_name("reel-12.wav.mets.xml").read_text()
    for ending in ("json", "vtt", "srt"):
        assert f'href="reel-12.wav.{ending}"' in mets
    assert convert(transcript, "--format", "mets").exit_code == 0


def test_a_recording_that_is_not_there_or_another_cannot_time_words(corrected: Path, tmp_path: Path) -> None:
    missing = convert(corrected, "--format", "json", "--audio", tmp_path / "none.wav", "--output", "-")
    assert missing.exit_code == 3 and "none.wav" in missing.output


# ---- diff ----


def diff(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["diff", *map(str, arguments)])


def test_diff_shows_each_change_with_its_time(corrected: Path, transcript: Path, tmp_path: Path) -> None:
    page = tmp_path / "changes.html"
    result = diff(transcript, corrected, "--html", page)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "00:00:00.400 tape [-four-] {+five+}",
        "1 of 2 words removed, 1 added, at 1 place.",
    ]
    assert "<del>four</del> <ins>five</ins>" in page.read_text()


def test_diff_for_programs_and_of_equal_files(corrected: Path, transcript: Path) -> None:
    told = json.loads(diff(transcript, corrected, "--json").output)
    assert told == {"time": "00:00:00.400", "voice": None, "old": "four", "new": "five"}
    assert diff(transcript, transcript).output == "No word was changed (2 words).\n"
    assert diff(transcript, transcript, "--json").output == ""


def test_diff_makes_visible_what_would_steer_the_terminal(corrected: Path, transcript: Path) -> None:
    corrected.write_text(corrected.read_text().replace("five", "fi\u202eve\x1b[31m"))
    assert "\x1b[31m" not in diff(transcript, corrected).output


def test_diff_sees_words_of_a_json_changed_alone_and_what_was_left_out(transcript: Path, tmp_path: Path) -> None:
    other = tmp_path / "edited.json"
    other.write_text(transcript.read_text().replace('"text": "four"', '"text": "five"'))
    assert diff(transcript, other).output.splitlines()[0] == "00:00:00.400 tape [-four-] {+five+}"
    assert convert(transcript, "--format", "vtt").exit_code == 0
    vtt = transcript.with_name("reel-12.wav.vtt")
    vtt.write_text(vtt.read_text() + "\nNOTE ask Per\n")
    assert "Note: A comment was left out: ask Per" in diff(transcript, vtt).output


def test_diff_of_what_is_no_transcript(transcript: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("Hei.")
    result = diff(transcript, other)
    assert result.exit_code == 2 and ".alto.xml" in result.output
    assert diff(transcript, tmp_path / "none.vtt").exit_code == 3


def test_nobody_else_writes_between_the_look_and_the_files(transcript: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    for name in ("refuse_other", "write_atomically"):
        real = getattr(convert_module, name)

        def look(*arguments: object, real: Callable[..., None] = real) -> None:
            with ThreadPoolExecutor(1) as another:
                seen.append(another.submit(is_free, transcript.parent / LOCK).result())
            real(*arguments)

        monkeypatch.setattr(convert_module, name, look)
    assert convert(transcript, "--format", "txt").exit_code == 0
    assert seen == [False, False] and is_free(transcript.parent / LOCK)


def is_free(path: Path) -> bool:
    try:
        with locks.held(path, "busy", passing=True):
            return True
    except AlreadyInWork:
        return False
