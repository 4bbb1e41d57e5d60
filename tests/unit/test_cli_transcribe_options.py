"""Options of ``transcribe`` that hold several things, into the settings: vocabulary, languages, models, streams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from speechpipe.cli import transcribe as module
from speechpipe.errors import UnknownLanguage, UsageError
from speechpipe.settings import Settings


class Stopped(Exception):
    """Instead of a transcriber: the settings are what is looked at."""


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The settings that a call of ``transcribe`` ends up with."""
    monkeypatch.chdir(tmp_path)

    def made(*arguments: str) -> Settings:
        def transcriber(settings: Settings, *_: Any) -> None:
            raise Stopped(settings)

        monkeypatch.setattr("speechpipe.pipeline.Transcriber", transcriber)
        result = CliRunner().invoke(module.command, ["a.wav", *arguments], standalone_mode=False)
        if isinstance(result.exception, Stopped):
            found: Settings = result.exception.args[0]
            return found
        assert result.exception
        raise result.exception

    return made


def test_words_with_commas_between(settings: Any) -> None:
    assert settings("--vocabulary", "Hitra, Vadsø ,,Hitra,Ytre  Arna").decoding.vocabulary == (
        "Hitra",
        "Vadsø",
        "Ytre Arna",
    )


def test_one_name_is_one_name_also_with_a_slash_and_where_a_folder_is_called_so(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "Bergen").mkdir()
    assert settings("--vocabulary", "AC/DC").decoding.vocabulary == ("AC/DC",)
    assert settings("--vocabulary", "Bergen").decoding.vocabulary == ("Bergen",)
    many = ",".join(f"name{i}" for i in range(2000))
    assert len(settings("--vocabulary", many).decoding.vocabulary) == 2000


def test_a_file_with_a_name_a_line_commas_and_all(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes("\ufeffHansen, Kari\r\n\r\n Sørøya \r\nSørøya".encode())
    assert settings("--vocabulary", "names.txt").decoding.vocabulary == ("Hansen, Kari", "Sørøya")


def test_without_it_the_settings_file_rules_and_the_other_options_of_decoding_stay(
    settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "speechpipe.toml").write_text('[decoding]\nbeam_size = 2\nvocabulary = ["Smøla"]\n')
    assert settings().decoding.vocabulary == ("Smøla",)
    decoding = settings("--vocabulary", "Hitra").decoding
    assert (decoding.beam_size, decoding.vocabulary) == (2, ("Hitra",))


@pytest.mark.parametrize("value", [" , ", "missing.txt", "latin.txt", "empty.txt"])
def test_what_holds_no_names_is_said(settings: Any, tmp_path: Path, value: str) -> None:
    (tmp_path / "latin.txt").write_bytes("Vadsø".encode("latin-1"))
    (tmp_path / "empty.txt").write_bytes(b"\n")
    with pytest.raises(UsageError) as caught:
        settings("--vocabulary", value)
    assert value in str(caught.value)
    assert "one name a line" in str(caught.value)


def test_languages_with_commas_between(settings: Any) -> None:
    assert settings("--languages", "nb, se,,fi").languages == ("nb", "se", "fi")
    assert settings().languages == ()


def test_a_model_for_each_language(settings: Any, tmp_path: Path) -> None:
    assert settings("--model-for", "se=whisper-sami", "--model-for", "nb=a=b").models == {
        "se": "whisper-sami",
        "nb": "a=b",
    }
    (tmp_path / "speechpipe.toml").write_text('[models]\nfi = "whisper-fi"\n')
    assert settings().models == {"fi": "whisper-fi"}


@pytest.mark.parametrize("value", ["se", "=whisper", "se=", ""])
def test_no_language_with_its_model_is_said(settings: Any, value: str) -> None:
    with pytest.raises(UsageError, match="no language with its model") as caught:
        settings("--model-for", value)
    assert "se=MODEL" in str(caught.value)


def test_streams_go_into_the_settings_as_they_are(settings: Any) -> None:
    assert settings("--streams", "nb,se").streams == "nb,se"
    assert settings().streams == "best"


@pytest.mark.parametrize(
    ("option", "value"), [("--languages", "nb,xx"), ("--model-for", "xx=whisper-tiny-archive"), ("--streams", "xx")]
)
def test_an_unknown_language_is_refused_before_any_work(option: str, value: str, tmp_path: Path) -> None:
    model = ["--model", "whisper-tiny-archive", "--workspace", str(tmp_path / "work")]
    result = CliRunner().invoke(module.command, [str(tmp_path / "none.wav"), *model, option, value])
    assert isinstance(result.exception, UnknownLanguage)
    assert "'xx'" in str(result.exception)
    assert not (tmp_path / "work").exists()
