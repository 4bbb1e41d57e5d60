"""The form: titles, choices that an archivist understands, and what becomes of a choice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, ValidationError

from flows.forms.choices import (
    AUTOMATIC,
    CHANNELS,
    EVERYTHING,
    FORMATS,
    LANGUAGES,
    NO_END,
    STREAMS,
    aligners,
    collections,
    installed_models,
    label,
    model_label,
    models,
)
from flows.forms.parameters import (
    DoneRecordings,
    Exported,
    How,
    NewRecordings,
    OneRecording,
    SeveralRecordings,
    Withdrawn,
    how,
)
from flows.places import RECORDINGS
from speechpipe import languages
from speechpipe.errors import UsageError
from speechpipe.pipeline.chunk.audio_streams import check
from speechpipe.registry import list_models
from speechpipe.registry.storing.store import Store
from speechpipe.settings.captions import FORMATS as KNOWN_FORMATS
from tests.stored import put

FORMS: list[type[BaseModel]] = [
    NewRecordings, OneRecording, SeveralRecordings, DoneRecordings, Exported, Withdrawn, How
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_field_has_a_title_and_a_description_in_plain_words(form: type[BaseModel]) -> None:
    schema = form.model_json_schema()
    assert schema["title"] and schema["title"] != form.__name__
    for name, field in schema["properties"].items():
        assert field["title"][0].isupper() and "_" not in field["title"], name
        assert len(field["description"]) > 10, name


@pytest.mark.parametrize(
    ("field", "table"),
    [
        ("model", models()),
        ("language", LANGUAGES),
        ("channels", CHANNELS),
        ("aligner", aligners()),
        ("streams", STREAMS),
    ],
)
def test_a_choice_shows_every_label_and_begins_with_the_automatic_one(field: str, table: dict[str, Any]) -> None:
    schema = How.model_json_schema()["properties"][field]
    assert schema["enum"] == list(table)
    assert schema["default"] == schema["enum"][0]
    assert table[schema["default"]] is None


def test_models_for_demonstration_are_marked_and_only_those() -> None:
    for entry in list_models():
        for shown in (shown for shown, name in models().items() if name == entry.name):
            assert ("demonstration" in shown) == entry.demonstration
    here = {entry.name for entry in list_models() if "asr" in entry.roles and entry.size}
    assert here == set(models().values()) - {None}
    assert "whisper-tiny-archive" in here and len(here) < len(list_models())


def test_an_aligner_is_a_model_that_can_align() -> None:
    able = {entry.name for entry in list_models() if "aligner" in entry.roles and entry.size}
    assert set(aligners().values()) == able | {None, "none"}


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
        {"streams": "Only the tenth"},
        {"unheard": 1},
    ],
)
def test_what_is_not_on_the_list_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        How(**wrong)


@pytest.mark.parametrize(
    "path", ["reel.wav", "1954/radio/reel 1.wav", " reel .wav", "a..b/..c", "Ærlig talt.wav", "-x.wav"]
)
def test_the_form_takes_any_name_as_it_is(path: str) -> None:
    jsonschema.validate({"recording": path}, OneRecording.model_json_schema())
    assert OneRecording(recording=path).recording == path


def test_a_collection_is_chosen_among_the_folders_and_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("1954/radio", "1955", ".hidden"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setenv(RECORDINGS, str(tmp_path))
    offered = [EVERYTHING, "1954", "1954/radio", "1955"]
    assert collections() == offered
    assert NewRecordings.model_json_schema()["properties"]["collection"]["enum"] == offered
    assert NewRecordings(collection="1954/radio").collection == "1954/radio"
    for wrong in ("1956", "..", "/etc", ".hidden"):
        with pytest.raises(ValidationError, match="There is no collection"):
            NewRecordings(collection=wrong)
    (tmp_path / "1956").mkdir()
    assert "1956" in NewRecordings.model_json_schema()["properties"]["collection"]["enum"]


def test_a_link_is_no_collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").symlink_to("/")
    monkeypatch.setenv(RECORDINGS, str(tmp_path))
    assert collections() == [EVERYTHING]


def test_the_end_of_the_night_is_chosen_by_the_half_hour() -> None:
    offered = NewRecordings.model_json_schema()["properties"]["until"]["enum"]
    assert offered[0] == NO_END == NewRecordings().until and len(offered) == 49
    assert all(NewRecordings(until=until).until == until for until in offered)


@pytest.mark.parametrize("until", ["24:00", "7", "07:60", "soon", ""])
def test_what_is_no_time_of_day_is_refused(until: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"until": until}, NewRecordings.model_json_schema())
    with pytest.raises(ValidationError):
        NewRecordings(until=until)


def test_a_model_is_shown_with_its_languages_licence_and_size() -> None:
    entry = next(entry for entry in list_models() if entry.name == "whisper-tiny-archive")
    assert re.fullmatch(
        r"whisper-tiny-archive \(English, Norwegian Bokmål; CC-BY-SA-4.0; \d+ MB; demonstration only\)",
        model_label(entry, 40_000_000),
    )


def test_fetched_models_are_offered_and_others_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHPIPE_MODELS_FOLDER", str(tmp_path))
    put(Store(tmp_path), "NbAiLab/nb-whisper-small")
    put(Store(tmp_path), "Somebody/whisper-of-ours", licence=None)
    put(Store(tmp_path), "NbAiLab/nb-wav2vec2-300m-bokmaal", family="wav2vec2-ctc")
    names = set(installed_models("asr").values())
    assert {"NbAiLab/nb-whisper-small", "Somebody/whisper-of-ours", "whisper-tiny-archive"} <= names
    assert "NbAiLab/nb-whisper-large" not in names
    assert "Somebody/whisper-of-ours (licence not known; 1 MB)" in installed_models("asr")
    assert "NbAiLab/nb-wav2vec2-300m-bokmaal" in installed_models("aligner").values()
    assert "Somebody/whisper-of-ours" not in installed_models("aligner").values()


def test_a_form_made_anew_offers_a_model_that_was_fetched_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEECHPIPE_MODELS_FOLDER", str(tmp_path))
    with pytest.raises(ValidationError, match="not among the choices"):
        How(model="NbAiLab/nb-whisper-small")
    before = How.model_json_schema()["properties"]["model"]["enum"]
    put(Store(tmp_path), "NbAiLab/nb-whisper-small")
    (new,) = set(How.model_json_schema()["properties"]["model"]["enum"]) - {*before}
    assert new.startswith("NbAiLab/nb-whisper-small (")
    assert How(model=new).settings().model == "NbAiLab/nb-whisper-small"


def test_the_sound_tracks_of_a_film_are_chosen_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert How(streams="All, each in its own language").settings().streams == "all"
    assert How(streams="Only the second").settings().streams == "2"
    assert How(streams="Those in Northern Sámi").settings().streams == "se"
    monkeypatch.setenv("SPEECHPIPE_STREAMS", "all")
    assert How().settings().streams == "all"
    for choice in filter(None, STREAMS.values()):
        assert check(choice) == choice


def test_a_label_of_yesterday_still_names_its_model() -> None:
    """A schedule keeps the label; what stands in its brackets may have changed since."""
    assert label(models(), "whisper-tiny-archive (English; some licence; 1 MB)") in models()


def test_a_recording_must_be_named() -> None:
    with pytest.raises(ValidationError):
        OneRecording(recording="")


def test_names_of_the_command_line_fill_the_form() -> None:
    filled = how("whisper-tiny-archive", "none")
    assert models()[filled.model] == "whisper-tiny-archive"
    assert filled.settings().aligner == "none"
    assert how().model == AUTOMATIC
    with pytest.raises(UsageError, match="whisper-large-nothing"):
        how("whisper-large-nothing")


def test_a_label_is_its_own_label() -> None:
    assert label(models(), label(models(), "whisper-tiny-archive")) == label(models(), "whisper-tiny-archive")
    with pytest.raises(ValueError, match="not among the choices, such as: Automatic, Mixed"):
        label(CHANNELS, "3")


def test_a_wrong_choice_names_what_comes_near_and_not_a_hundred_others() -> None:
    with pytest.raises(ValidationError) as caught:
        How(language="Norvegian Bokmal")
    (told,) = [error["msg"] for error in caught.value.errors()]
    assert "Norwegian Bokmål" in told and len(told) < 200
