"""The registry's file: what stands in it, what it refuses, and that the models still to come fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from speechpipe import installed, registry
from speechpipe.errors import SpeechpipeError, UnknownModel
from speechpipe.registry.entries import ModelEntry, Registry

GOOD: dict[str, Any] = {
    "name": "some-model",
    "family": "whisper",
    "roles": ["asr"],
    "languages": ["nb"],
    "good_for": "Testing.",
    "licence": "MIT",
    "licence_status": "stated",
    "layout": {"ct2": "ct2"},
}


EMBEDDED = [model for model in registry.list_models() if model.embedded]
ALIGNER = {**GOOD, "name": "letters", "family": "wav2vec2-ctc", "roles": ["aligner"]}
NC = {"licence": "CC-BY-NC-4.0", "restrictions": ["non-commercial"]}
NONE = {"licence": None, "licence_status": "none-stated"}
HUB = {"repository": "some/model"}


def entry(**changes: Any) -> ModelEntry:
    return ModelEntry.model_validate({**GOOD, **changes})


def test_two_models_travel_with_speechpipe_and_both_are_demonstrations() -> None:
    models = {model.name: model for model in registry.list_models() if model.embedded}
    assert list(models) == ["whisper-tiny-archive", "wav2vec2-tiny-archive"]
    assert {model.name for model in registry.list_models() if model.demonstration} == set(models)
    whisper, wav2vec2 = models.values()
    assert (whisper.family, whisper.window_ms, whisper.mel_bins) == ("whisper", 6000, 80)
    assert whisper.aligner == wav2vec2.name
    assert wav2vec2.roles == ("asr", "aligner")
    assert {model.licence for model in models.values()} == {"CC-BY-SA-4.0"}, "learned from FSDD, which is share-alike"


def test_every_measurement_of_ours_names_a_source_that_is_there() -> None:
    sources = [m.source for model in EMBEDDED for m in model.measured]
    assert sources
    root = registry.embedded_folder().parent
    assert all((root / source).is_file() for source in sources)


def test_the_measured_rates_are_those_of_the_model_card() -> None:
    for model in EMBEDDED:
        card = (registry.embedded_folder() / model.name / "README.md").read_text(encoding="utf-8")
        for measured in model.measured:
            assert measured.cer is not None
            rates = {f"{100 * rate + nudge:.1f}" for rate in (measured.wer,) for nudge in (0, -1e-9, 1e-9, -0.05)}
            assert any(f"| {rate} / {100 * measured.cer:.1f} |" in card for rate in rates), (model.name, measured)


def test_size_counts_the_files_of_this_installation() -> None:
    model = registry.entry_named("wav2vec2-tiny-archive")
    folder = registry.embedded_folder() / model.name
    assert model.size is not None
    assert model.size >= (folder / "ct2" / "model.bin").stat().st_size


def test_size_is_unknown_where_the_model_is_not_here() -> None:
    assert entry(name="not-here").size is None
    assert entry(name="some/model", hub=HUB).size is None


def test_embedded_models_stay_below_their_limit() -> None:
    total = sum(model.size or 0 for model in EMBEDDED)
    assert 1_000_000 < total <= 56 * 2**20


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"languages": [False]}, "string"),  # YAML 1.1 reads an unquoted `no` as false.
        ({"languages": ["norsk"]}, "language"),
        ({"languages": ["NB"]}, "'nb'"),
        ({"languages": []}, "at least 1"),
        ({"roles": []}, "at least 1"),
        ({"roles": ["asr", "aligner"]}, "cannot be an aligner"),
        ({"roles": ["translator"]}, "asr"),
        ({"family": "rnn"}, "whisper"),
        ({"family": "fastconformer-tdt"}, "nothing runs"),
        ({"family": "wav2vec2-ctc", "mel_bins": 80}, "no mel bins"),
        ({"name": "../etc"}, "pattern"),
        ({"name": ""}, "pattern"),
        ({"window_ms": 60_000}, "30000"),
        ({"window_ms": 6000.5}, "integer"),
        ({"good_for": "  "}, "at least 1"),
        ({"licnce": "MIT"}, "not permitted"),
        ({"measured": [{"set": "AN4", "wer": -0.1, "source": "card"}]}, "greater than"),
        ({"measured": [{"set": "AN4", "wer": 0.1}]}, "required"),
        ({"layout": {"ct3": "."}}, "not permitted"),
        ({"layout": {"ct2": "../up"}}, "pattern"),
        ({"layout": {"ct2": "/ct2"}}, "pattern"),
        ({"layout": {"ct2": "ct2", "ct2_status": "none"}}, "its status is 'none'"),
        ({"layout": {"ct2_status": "seen"}}, "its status is 'seen'"),
        ({"layout": {"ct2_status": "none"}}, "no form that could be fetched"),
        ({"layout": {"ct2": ".", "ct2_repository": "a/b"}}, "by whom"),
        ({"layout": {"ct2": ".", "ct2_by": "publisher"}}, "its name"),
        ({"layout": {"huggingface": ".", "ct2_repository": "a/b", "ct2_by": "publisher"}}, "the folder in it"),
        ({"layout": {"ct2": ".", "ct2_revision": "a" * 40}}, "needs its repository"),
        ({"layout": {"ct2": ".", "ct2_repository": "a/b", "ct2_by": "publisher"}}, "in no repository"),
        ({"name": "some/model"}, "plain name"),
        ({"name": "some/model", "hub": {"repository": "other/model"}}, "not that of the repository"),
        ({"name": "some/model", "hub": {"repository": "some/model", "branch": "strict"}}, "and its branch"),
        ({"name": "some/model@strict", "hub": HUB}, "and its branch"),
        ({"name": "some/model", "hub": {"repository": "some/model", "revision": "78cb1b6"}}, "pattern"),
        ({"name": "some/model", "hub": {"repository": "some/model/.."}}, "pattern"),
        ({"languages": ["se"]}, "no token for se"),
        ({"languages": ["pt"], "varieties": ["nb-NO"]}, "languages with a region"),
        ({"languages": ["pt"], "varieties": ["pt"]}, "languages with a region"),
        ({"beside": ["en"]}, "among its languages"),
        ({"beside": ["nb"]}, "not all of them"),
        ({"roles": ["pretrained"]}, "cannot be used"),
        ({"roles": ["pretrained", "asr"], "unusable": "So it is."}, "no other role"),
        ({"family": "wav2vec2-ctc", "beam_size": 5}, "only Whisper"),
        ({"family": "wav2vec2-ctc", "without_timestamps": True}, "only Whisper"),
        ({"licence": None}, "has a name"),
        ({"licence": "CC-BY-NC-4.0"}, "do not agree"),
        ({"restrictions": ["non-commercial"]}, "do not agree"),
        ({"licence": "OpenRAIL"}, "restricts use"),
        ({"licence_status": "hearsay"}, "stated"),
        ({"licence_status": "none-stated"}, "states no licence"),
        ({"licence": "other"}, "restricts use"),
        ({"demonstration": True, "good_for": None}, "good for"),
        ({"parameters": 0}, "greater than"),
        ({"avoid_compute_types": ["float64"]}, "float16"),
    ],
)
def test_a_wrong_entry_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        entry(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"languages": ["se"], "language_token": "generation_config"},
        {"languages": ["gsw"]},
        {"languages": ["pt"], "varieties": ["pt-PT"]},
        {"name": "some/model@strict", "hub": {"repository": "some/model", "branch": "strict", "revision": "a" * 40}},
        {"name": "some/model", "hub": HUB, "layout": {"huggingface": "."}},
        {"roles": ["pretrained"], "family": "wav2vec2", "unusable": "It is only pretrained."},
        {"licence": None, "licence_status": "unverified"},
        {"licence": "MIT", "licence_status": "unverified"},
        {"licence": None, "licence_status": "none-stated"},
        {"licence": "other", "restrictions": ["use-restricted"]},
    ],
)
def test_what_the_survey_holds_can_be_said(changes: dict[str, Any]) -> None:
    assert entry(**changes).name


def test_whether_the_ready_form_is_there_follows_from_the_layout_where_it_is_not_said() -> None:
    assert entry().layout.ct2_status == "seen"
    assert entry(name="some/model", hub=HUB, layout={"huggingface": "."}).layout.ct2_status == "unknown"


def test_mel_bins_follow_from_the_base_where_they_are_not_said() -> None:
    assert entry().expected_mel_bins is None
    assert entry(base="openai/whisper-small").expected_mel_bins == 80
    assert entry(base="openai/whisper-large-v3-turbo").expected_mel_bins == 128
    assert entry(base="openai/whisper-large-v3", mel_bins=80).expected_mel_bins == 80


def test_an_entry_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        entry().name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("models", "complaint"),
    [
        ([GOOD, GOOD], "one name"),
        ([{**GOOD, "aligners": ["absent"]}], "absent"),
        ([{**GOOD, "aligners": ["some-model"]}], "role aligner"),
        ([{**GOOD, "aligners": ["letters"]}, {**ALIGNER, **NC}], "not for commercial use"),
        ([{**GOOD, "aligners": ["letters"]}, {**ALIGNER, "licence_status": "unverified"}], "no licence that is known"),
        ([{**GOOD, "aligners": ["letters"]}, {**ALIGNER, **NONE}], "no licence that is known"),
        ([{**GOOD, "aligners": ["letters"]}, {**ALIGNER, "languages": ["sv"]}], "no language in common"),
        ([{**GOOD, "aligners": ["letters"]}, {**ALIGNER, "unusable": "Lost."}], "role aligner"),
    ],
)
def test_an_inconsistent_registry_is_refused(models: list[dict[str, Any]], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Registry.model_validate({"schema_version": 1, "models": models})


def test_an_unknown_name_brings_up_the_near_ones() -> None:
    with pytest.raises(UnknownModel, match=r"'wisper-tiny-archive'.*Did you mean whisper-tiny-archive") as caught:
        registry.entry_named("wisper-tiny-archive")
    assert caught.value.exit_code == 2
    with pytest.raises(UnknownModel, match="Did you mean KBLab/kb-whisper-large"):
        registry.entry_named("kb-whisper-larg")
    with pytest.raises(UnknownModel, match="List the models with: speechpipe models list"):
        registry.entry_named("zzz")


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"\xff\xfe",
        b"models: [",
        b"schema_version: 2\nmodels: []",
        b"schema_version: 1",
        b"- 1",
        b"!!python/name:os",
    ],
)
def test_a_broken_registry_is_one_plain_line(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "registry.yaml").write_bytes(content)
    monkeypatch.setattr(installed, "models_folder", lambda: tmp_path)
    with pytest.raises(SpeechpipeError, match=r"registry\.yaml.*Install speechpipe again") as caught:
        registry.list_models()
    assert "\n" not in str(caught.value)
