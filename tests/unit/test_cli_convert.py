"""``speechpipe convert``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from speechpipe.cli import cli
from speechpipe.transcript import Media, Segment, Transcript, Word


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
