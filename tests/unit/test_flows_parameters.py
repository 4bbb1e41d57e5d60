"""The form: titles, choices that an archivist understands, and what becomes of a choice."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, ValidationError

from flows.parameters import (
    ALIGNERS,
    AUTOMATIC,
    CHANNELS,
    FORMATS,
    LANGUAGES,
    MODELS,
    How,
    NewRecordings,
    OneRecording,
    how,
    label,
)
from speechpipe import languages
from speechpipe.errors import UsageError
from speechpipe.registry import list_models
from speechpipe.settings import FORMATS as KNOWN_FORMATS

FORMS: list[type[BaseModel]] = [NewRecordings, OneRecording, How]


@pytest.mark.parametrize("form", FORMS)
def test_every_field_has_a_title_and_a_description_in_plain_words(form: type[BaseModel]) -> None:
    schema = form.model_json_schema()
    assert schema["title"] and schema["title"] != form.__name__
    for name, field in schema["properties"].items():
        assert field["title"][0].isupper() and "_" not in field["title"], name
        assert len(field["description"]) > 10, name


@pytest.mark.parametrize(
    ("field", "table"), [("model", MODELS), ("language", LANGUAGES), ("channels", CHANNELS), ("aligner", ALIGNERS)]
)
def test_a_choice_shows_every_label_and_begins_with_the_automatic_one(field: str, table: dict[str, Any]) -> None:
    schema = How.model_json_schema()["properties"][field]
    assert schema["enum"] == list(table)
    assert schema["default"] == schema["enum"][0]
    assert table[schema["default"]] is None


def test_models_for_demonstration_are_marked_and_only_those() -> None:
    for entry in list_models():
        for shown in (shown for shown, name in MODELS.items() if name == entry.name):
            assert ("demonstration" in shown) == entry.demonstration
    assert {entry.name for entry in list_models() if "asr" in entry.roles} == set(MODELS.values()) - {None}


def test_an_aligner_is_a_model_that_can_align() -> None:
    able = {entry.name for entry in list_models() if "aligner" in entry.roles}
    assert set(ALIGNERS.values()) == able | {None, "none"}


def test_languages_are_chosen_by_name() -> None:
    assert LANGUAGES["Norwegian Bokmål"] == "nb"
    assert How(language="Norwegian Bokmål").settings().language == "nb"
    assert set(LANGUAGES.values()) - {None} == set(languages.LANGUAGES)


def test_every_format_has_a_name_for_people() -> None:
    assert sorted(map(str, FORMATS.values())) == sorted(KNOWN_FORMATS)
    chosen = How(formats=["Plain text (.txt)", "WebVTT captions (.vtt)"])
    assert chosen.settings().formats == ("txt", "vtt")


def test_all_left_alone_leaves_the_installation_s_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHPIPE_LANGUAGE", "sv")
    monkeypatch.setenv("SPEECHPIPE_CHANNELS", "mix")
    settings = How().settings()
    assert (settings.model, settings.language, settings.channels) == ("auto", "sv", "mix")
    assert How(channels="Only the second (right)").settings().channels == "2"


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "../../weights"},
        {"model": "/somewhere/model"},
        {"language": "Klingon"},
        {"formats": []},
        {"formats": ["exe"]},
        {"channels": "all"},
        {"unheard": 1},
    ],
)
def test_what_is_not_on_the_list_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        How(**wrong)


@pytest.mark.parametrize("path", ["/etc", "../up", "a/../../b", "~root", "a\\b", "a\0b"])
def test_no_form_takes_a_path_that_leads_out(path: str) -> None:
    with pytest.raises(ValidationError, match="below the recordings"):
        NewRecordings(folder=path)
    with pytest.raises(ValidationError, match="below the recordings"):
        OneRecording(recording=path)


@pytest.mark.parametrize("path", ["/etc", "../up", "a/../../b", "a/..", "..", "~root", "a\\b"])
def test_the_form_itself_refuses_such_a_path(path: str) -> None:
    for form, field in ((NewRecordings, "folder"), (OneRecording, "recording")):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({field: path}, form.model_json_schema())


@pytest.mark.parametrize("path", ["reel.wav", "1954/radio/reel 1.wav", "a..b/..c", "Ærlig talt.wav"])
def test_the_form_takes_any_plain_path(path: str) -> None:
    jsonschema.validate({"folder": path}, NewRecordings.model_json_schema())
    assert NewRecordings(folder=path).folder == path


def test_a_folder_may_be_written_with_a_slash_at_its_end() -> None:
    assert NewRecordings(folder=" 1954/radio/ ").folder == "1954/radio"
    assert NewRecordings().folder == ""


def test_a_recording_must_be_named() -> None:
    with pytest.raises(ValidationError):
        OneRecording(recording="")


def test_names_of_the_command_line_fill_the_form() -> None:
    filled = how("whisper-tiny-archive", "none")
    assert MODELS[filled.model] == "whisper-tiny-archive"
    assert filled.settings().aligner == "none"
    assert how().model == AUTOMATIC
    with pytest.raises(UsageError, match="whisper-large-nothing"):
        how("whisper-large-nothing")


def test_a_label_is_its_own_label() -> None:
    assert label(MODELS, label(MODELS, "whisper-tiny-archive")) == label(MODELS, "whisper-tiny-archive")
    with pytest.raises(ValueError, match="none of"):
        label(CHANNELS, "3")
