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
    assert refused.exit_code == 130 and "1 corrected files" in refused.stderr
    assert "corrected by a person: out-tapes/tapes.wav.vtt" in refused.stderr
    assert (tapes / "out-tapes" / "tapes.wav.vtt").read_text() == "by a person"
    assert run("withdraw", "tapes.wav", input="y\n").exit_code == 0
    assert not (tapes / "out-tapes" / "tapes.wav.vtt").exists()


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
