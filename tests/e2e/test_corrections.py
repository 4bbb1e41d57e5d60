"""A recording is transcribed, a person corrects a file, and all else follows from it; the package stays theirs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from speechpipe import Settings, Transcriber, formats
from speechpipe.cli import cli
from speechpipe.corrections.files import open_transcript, realigned
from speechpipe.errors import UsageError
from speechpipe.files import sha256_file
from speechpipe.pipeline import process
from speechpipe.repositories import FolderRepository
from speechpipe.transcript import Transcript


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    work = tmp_path_factory.mktemp("work")
    return Settings.load(model="whisper-tiny-archive", language="en", workspace=work)


@pytest.fixture
def package(settings: Settings, root: Path, tmp_path: Path) -> Path:
    """The folder with the results of the slate."""
    repository, item = FolderRepository.of_file(root / "sample_audio" / "slate.wav", tmp_path)
    process(Transcriber(settings), repository, item)
    return tmp_path


def corrected_vtt(package: Path) -> tuple[Path, Transcript]:
    """Three words in the place of one, as a person might write them."""
    path = package / "slate.wav.vtt"
    original = formats.read((package / "slate.wav.json").read_bytes(), "json")
    second = original.words[1].text
    text = path.read_text()
    assert text.count(f" {second}") >= 1
    path.write_text(text.replace(f" {second}", " number twenty three", 1))
    return path, original


def test_words_that_a_person_wrote_are_timed_by_the_sound(package: Path, root: Path, settings: Settings) -> None:
    path, original = corrected_vtt(package)
    opened = open_transcript(path, by="Kari").transcript
    spread = [word for word in opened.words if word.timing == "interpolated"]
    assert [word.text for word in spread] == ["number", "twenty", "three"]
    timed = realigned(opened, root / "sample_audio" / "slate.wav", settings)
    words = {word.text: word for word in timed.words}
    assert all(words[text].timing == "aligned" for text in ("number", "twenty", "three"))
    assert all(words[text].confidence is not None for text in ("number", "twenty", "three"))
    starts = [word.start_ms for word in timed.words if word.start_ms is not None]
    assert starts == sorted(starts)
    untouched = {word.text for word in original.words} & words.keys()
    assert {t: words[t] for t in untouched} == {w.text: w for w in original.words if w.text in untouched}
    assert timed.steps[-1].what == "align" and timed.steps[-1].settings["words"] == "corrected"
    assert realigned(timed, root / "sample_audio" / "slate.wav", settings) is timed


def test_another_recording_times_nothing(package: Path, root: Path, settings: Settings) -> None:
    path, _ = corrected_vtt(package)
    opened = open_transcript(path).transcript
    with pytest.raises(UsageError, match="is not the recording"):
        realigned(opened, root / "sample_audio" / "reel-12.flac", settings)
    unknown = formats.read(path.read_bytes().replace(b"Word alignment", b"Something"), "vtt")
    with pytest.raises(UsageError, match="not known which model"):
        realigned(unknown, root / "sample_audio" / "slate.wav", settings.with_(aligner="none"))


def test_a_package_with_a_persons_file_is_frozen_also_after_converting_into_it(
    package: Path, root: Path, settings: Settings
) -> None:
    path, _ = corrected_vtt(package)
    audio = root / "sample_audio" / "slate.wav"
    command = ["convert", str(path), "--format", "json,alto,txt", "--by", "Kari", "--audio", str(audio)]
    refused = CliRunner().invoke(cli, command)
    assert refused.exit_code == 5 and "--overwrite" in refused.output
    done = CliRunner().invoke(cli, [*command, "--overwrite"])
    assert done.exit_code == 0, done.output
    assert "number twenty three" in (package / "slate.wav.txt").read_text()
    assert json.loads((package / "slate.wav.json").read_text())["revision"]["by"] == "Kari"
    theirs = {name: sha256_file(package / name) for name in (path.name, "slate.wav.json", "slate.wav.alto.xml")}
    repository, item = FolderRepository.of_file(audio, package)
    assert process(Transcriber(settings), repository, item, again=True).version == 2
    assert {name: sha256_file(package / name) for name in theirs} == theirs
    assert "number twenty three" not in (package / "slate.wav.v2.txt").read_text()
