"""``speechpipe withdraw`` as a person uses it: it asks, it names what a person corrected, it can be lifted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from speechpipe.cli import cli
from speechpipe.cli import withdraw as module


@pytest.fixture
def tapes(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file with two collections, in the working folder."""
    for name in ("tapes", "discs"):
        (tmp_path / name).mkdir()
        shutil.copy(root / "sample_audio" / "slate.wav", tmp_path / name / f"{name}.wav")
    rows = [f'[collections.{name}]\nroot = "{name}"\noutputs = "out-{name}"\n' for name in ("tapes", "discs")]
    (tmp_path / "speechpipe.toml").write_text("\n".join(['[night]\nunknown_rights = "open"\n', *rows]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPEECHPIPE_WORKSPACE", str(tmp_path / "work"))
    return tmp_path


@pytest.fixture
def run() -> Callable[..., Result]:
    return lambda *arguments, **more: CliRunner().invoke(cli, [str(argument) for argument in arguments], **more)


def transcribed(run: Callable[..., Result], name: str = "tapes") -> None:
    result = run("transcribe", f"{name}/{name}.wav", "--output", f"out-{name}", "--engine", "fake", "--quiet")
    assert result.exit_code == 0, result.output


def test_an_identifier_is_looked_for_in_all_collections(tapes: Path, run: Callable[..., Result]) -> None:
    transcribed(run)
    result = run("withdraw", "tapes.wav", "--yes", "--reason", "by request")
    assert result.exit_code == 0, result.output
    assert "tapes.wav: withdrawn, 5 files erased." in result.stdout
    assert result.stdout.count("  erased ") == 5
    assert [path.name for path in (tapes / "out-tapes").iterdir()] == [".speechpipe-withdrawn"]
    again = run("transcribe", "discs/discs.wav", "--engine", "fake")
    assert again.exit_code == 7, "the same content under another name"
    assert "discs.wav was withdrawn. To lift this: speechpipe withdraw --lift tapes.wav" in again.stderr
    assert run("withdraw", "--lift", "tapes.wav").stdout == "tapes.wav: may be done again.\n"
    assert run("transcribe", "discs/discs.wav", "--engine", "fake", "--quiet").exit_code == 0


def test_it_asks_and_names_what_a_person_corrected(
    tapes: Path, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    transcribed(run)
    (tapes / "out-tapes" / "tapes.wav.vtt").write_text("by a person")

    class Terminal:
        @staticmethod
        def isatty() -> bool:
            return True

    monkeypatch.setattr(module, "sys", type("sys", (), {"stdin": Terminal}))
    refused = run("withdraw", "tapes.wav", input="n\n")
    assert refused.exit_code == 130 and "brought to the restricted results" in refused.stderr
    assert "changed by a person: out-tapes/tapes.wav.vtt" in refused.stderr
    assert (tapes / "out-tapes" / "tapes.wav.vtt").read_text() == "by a person"
    agreed = run("withdraw", "tapes.wav", input="y\n")
    kept = Path("out-tapes-restricted/kept-corrections/tapes.wav/tapes.wav.vtt")
    assert agreed.exit_code == 0 and f"changed by a person, now in {kept}" in agreed.stdout
    assert not (tapes / "out-tapes" / "tapes.wav.vtt").exists() and kept.read_text() == "by a person"
    assert "--with-corrections erases them" in agreed.stdout
    assert run("withdraw", "tapes.wav", "--with-corrections", input="y\n").exit_code == 0
    assert not kept.exists()


def test_without_anybody_to_ask_nothing_is_erased(tapes: Path, run: Callable[..., Result]) -> None:
    transcribed(run)
    result = run("withdraw", "tapes.wav")
    assert result.exit_code == 2 and "Give --yes" in result.stderr
    assert (tapes / "out-tapes" / "tapes.wav.vtt").exists()


def test_a_file_is_named_as_it_was_for_transcribe(tapes: Path, run: Callable[..., Result]) -> None:
    for output in ([], ["--output", "elsewhere"]):
        assert run("transcribe", "tapes/tapes.wav", "--engine", "fake", "--quiet", *output).exit_code == 0
        result = run("withdraw", "tapes/tapes.wav", "--yes", "--json", *output)
        told = json.loads(result.stdout)
        assert told["status"] == "withdrawn" and len(told["erased"]) == 5
        assert not any(Path(file).exists() for file in told["erased"])
        assert run("transcribe", "tapes/tapes.wav", "--engine", "fake", *output).exit_code == 7
        assert json.loads(run("withdraw", "--lift", "tapes/tapes.wav", "--json", *output).stdout)["status"] == "lifted"


def test_a_file_that_is_gone_is_known_by_its_results(tapes: Path, run: Callable[..., Result]) -> None:
    transcribed(run)
    (tapes / "tapes" / "tapes.wav").unlink()
    assert run("withdraw", "tapes/tapes.wav", "--output", "out-tapes", "--yes").exit_code == 0
    assert not list((tapes / "out-tapes").glob("*.vtt"))


def test_folders_can_be_named_without_settings(tapes: Path, run: Callable[..., Result]) -> None:
    (tapes / "speechpipe.toml").unlink()
    transcribed(run)
    result = run("withdraw", "tapes.wav", "--folder", "tapes", "--output", "out-tapes", "--yes")
    assert result.exit_code == 0 and "5 files erased" in result.stdout
    assert run("withdraw", "absent", "--folder", "tapes", "--output", "out-tapes", "--yes").exit_code == 3


@pytest.mark.parametrize("settings", [True, False])
def test_in_the_folder_of_recordings_results_are_found_or_it_is_an_error(
    settings: bool, tapes: Path, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never are masters given a tombstone for results that stand elsewhere."""
    transcribed(run)
    if settings:
        relative = (tapes / "speechpipe.toml").read_text()
        absolute = relative.replace('= "tapes"', f'= "{tapes}/tapes"').replace('"out-tapes"', f'"{tapes}/out-tapes"')
        (tapes / "settings.toml").write_text(absolute)
        monkeypatch.setenv("SPEECHPIPE_SETTINGS", str(tapes / "settings.toml"))
    monkeypatch.chdir(tapes / "tapes")
    result = run("withdraw", "tapes.wav", "--yes")
    if settings:
        assert result.exit_code == 0 and "5 files erased" in result.stdout
    else:
        assert result.exit_code == 3 and "nothing was withdrawn. Check the name; give the --output" in result.stderr
        assert (tapes / "out-tapes" / "tapes.wav.vtt").exists()
        found = run("withdraw", "tapes.wav", "--yes", "--output", "../out-tapes")
        assert found.exit_code == 0 and "5 files erased" in found.stdout
    assert [path.name for path in (tapes / "tapes").iterdir()] == ["tapes.wav"]
    assert [path.name for path in (tapes / "out-tapes").iterdir()] == [".speechpipe-withdrawn"]


def test_results_of_another_recording_of_that_name_are_not_taken_for_its(
    tapes: Path, run: Callable[..., Result]
) -> None:
    transcribed(run)
    (tapes / "other").mkdir()
    (tapes / "other" / "tapes.wav").write_bytes(b"another recording")
    for _ in ("there", "gone"):
        result = run("withdraw", "other/tapes.wav", "--output", "out-tapes", "--yes")
        assert result.exit_code == 3 and (tapes / "out-tapes" / "tapes.wav.vtt").exists()
        (tapes / "other" / "tapes.wav").unlink(missing_ok=True)
    shutil.copy(tapes / "tapes" / "tapes.wav", tapes / "other" / "tapes.wav")
    assert run("withdraw", "other/tapes.wav", "--output", "out-tapes", "--yes").exit_code == 0


@pytest.mark.parametrize("arguments", [["tapes/tapes.wav"], ["tapes.wav"], ["../HERE/tapes/tapes.wav"]])
def test_a_recording_of_a_collection_is_known_by_its_path_too(
    arguments: list[str], tapes: Path, run: Callable[..., Result]
) -> None:
    transcribed(run)
    result = run("withdraw", *(one.replace("HERE", tapes.name) for one in arguments), "--yes", "--json")
    told = json.loads(result.stdout)
    assert told["recordings"] == ["tapes.wav"] and len(told["erased"]) == 5
    assert told["kept"] == told["gone"] == told["left"] == told["in_work"] == [] and len(told["scratch"]) == 1


def test_what_convert_made_goes_wherever_it_was_put(tapes: Path, run: Callable[..., Result]) -> None:
    transcribed(run)
    where = [["--output", "elsewhere"], ["--output", "mine.srt"], []]
    for output in where:
        made = run("convert", "out-tapes/tapes.wav.json", "--format", "srt", *output)
        assert made.exit_code == 0, made.output
    copies = [Path("elsewhere/tapes.wav.srt"), Path("mine.srt"), Path("out-tapes/tapes.wav.srt")]
    assert all(path.exists() for path in copies)
    result = run("withdraw", "tapes.wav", "--yes")
    assert result.exit_code == 0 and not any(path.exists() for path in copies)
    assert "9 files erased" in result.stdout


def test_what_convert_cannot_keep_a_record_of_is_said(
    tapes: Path, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    transcribed(run)
    (tapes / "out-tapes" / "tapes.wav.speechpipe.copies.jsonl").mkdir()  # what root too cannot write
    made = run("convert", "out-tapes/tapes.wav.json", "--format", "srt", "--output", "elsewhere")
    assert made.exit_code == 0 and Path("elsewhere/tapes.wav.srt").exists()
    assert "a withdrawal will not find what is written now" in made.stderr


def test_what_is_withdrawn_twice_or_before_it_was_done_says_that_nothing_was_left(
    tapes: Path, run: Callable[..., Result]
) -> None:
    for _ in range(2):
        result = run("withdraw", "tapes.wav", "--yes")
        assert result.exit_code == 0
        assert "tapes.wav: withdrawn, nothing that was made of it was left to erase." in result.stdout
    assert run("transcribe", "tapes/tapes.wav", "--output", "out-tapes", "--engine", "fake").exit_code == 7


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["absent"], 3, "There is no recording 'absent'"),
        (["x", "--collection", "films"], 2, "There is no collection 'films'. Known: tapes, discs."),
        (["--lift", "tapes.wav"], 3, "was not withdrawn"),
        ([], 2, "Missing argument"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], code: int, told: str, tapes: Path, run: Callable[..., Result]
) -> None:
    result = run("withdraw", *arguments)
    assert result.exit_code == code and told in result.stderr and "Traceback" not in result.output


def test_a_name_that_two_collections_know_is_asked_for(tapes: Path, run: Callable[..., Result]) -> None:
    shutil.copy(tapes / "tapes" / "tapes.wav", tapes / "discs" / "tapes.wav")
    result = run("withdraw", "tapes.wav", "--yes")
    assert result.exit_code == 2 and "Several collections know 'tapes.wav': tapes, discs." in result.stderr
    assert run("withdraw", "tapes.wav", "--yes", "--collection", "discs").exit_code == 0
    assert not (tapes / "out-tapes").exists()


def test_without_settings_or_folders_it_says_what_is_missing(tapes: Path, run: Callable[..., Result]) -> None:
    (tapes / "speechpipe.toml").unlink()
    result = run("withdraw", "A-1", "--yes")
    assert result.exit_code == 2 and "--folder" in result.stderr
