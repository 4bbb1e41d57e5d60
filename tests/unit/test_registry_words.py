"""What the registry says of a model in words."""

from __future__ import annotations

from typing import Any

import pytest

from speechpipe import registry
from speechpipe.registry import words
from speechpipe.registry.entries import Measurement, ModelEntry, entry_named


def entry(**changes: Any) -> ModelEntry:
    facts = {
        "name": "some/model",
        "family": "whisper",
        "roles": ["asr"],
        "languages": ["nb", "nn"],
        "licence": "MIT",
        "licence_status": "stated",
        "hub": {"repository": "some/model"},
        "layout": {"huggingface": "."},
    }
    return ModelEntry.model_validate({**facts, **changes})


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "Speech in Norwegian Bokmål, Norwegian Nynorsk."),
        ({"good_for": "Debates."}, "Debates."),
        ({"family": "wav2vec2-ctc", "roles": ["asr", "aligner"], "languages": ["fo"]}, "Faroese, letter by letter"),
        ({"family": "wav2vec2-ctc", "roles": ["aligner", "asr"], "languages": ["fo"]}, "Times the words of Faroese"),
        ({"family": "wav2vec2", "roles": ["pretrained"], "unusable": "So."}, "nothing by itself"),
    ],
)
def test_what_it_is_good_for(changes: dict[str, Any], text: str) -> None:
    assert text in words.purpose(entry(**changes))


def test_every_model_has_a_purpose_in_a_sentence() -> None:
    for model in registry.list_models():
        said = words.purpose(model)
        assert said[0].isupper(), said
        assert said.endswith("."), said


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "MIT, free for any use, its notice kept"),
        (
            {"licence_status": "unverified"},
            "MIT, free for any use, its notice kept (not verified); accept it before use",
        ),
        ({"licence": None, "licence_status": "unverified"}, "not known; accept it before use"),
        (
            {"licence": None, "licence_status": "none-stated"},
            "none, so nobody has leave to use it; ask its publisher, and accept it before use",
        ),
        (
            {"licence": "other", "restrictions": ["use-restricted"]},
            "other, terms of its publisher's own; accept it before use",
        ),
        (
            {"licence": "CC-BY-NC-4.0", "restrictions": ["non-commercial"]},
            "CC-BY-NC-4.0, not for commercial use; accept it before use",
        ),
        ({"licence": "BSD-3-Clause"}, "BSD-3-Clause, read what it allows"),
    ],
)
def test_what_a_licence_means(changes: dict[str, Any], text: str) -> None:
    assert words.licence(entry(**changes)) == text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "MIT"),
        ({"licence_status": "unverified"}, "MIT ?"),
        ({"licence": None, "licence_status": "unverified"}, "not known"),
        ({"licence": None, "licence_status": "none-stated"}, "none stated"),
    ],
)
def test_the_name_of_a_licence_in_a_table(changes: dict[str, Any], text: str) -> None:
    assert words.licence_name(entry(**changes)) == text


def test_every_licence_of_the_registry_is_explained() -> None:
    assert {model.licence for model in registry.list_models() if model.licence} <= set(words.LICENCES)


def test_what_travels_with_speechpipe_needs_no_acceptance() -> None:
    assert not words.gated(entry_named("whisper-tiny-archive"))
    assert words.gated(entry_named("CoRal-project/roest-v3-whisper-1.5b"))


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ({}, None),
        ({"wording": "verbatim", "cased": False, "punctuated": False}, "word for word; lower case; no punctuation"),
        ({"cased": True, "punctuated": True}, "capital letters; punctuation"),
        ({"punctuated": False}, "no punctuation"),
    ],
)
def test_style(style: dict[str, Any], text: str | None) -> None:
    assert words.style(entry(style=style)) == text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, None),
        ({"parameters": 244_000_000}, "488 MB to 1.0 GB, estimated"),
        ({"parameters": 1_550_000_000, "download_bytes": 6_170_000_000}, "about 6.2 GB"),
    ],
)
def test_a_download_is_called_an_estimate_where_it_is_one(changes: dict[str, Any], text: str | None) -> None:
    assert words.download(entry(**changes)) == text


def test_the_size_of_what_is_here_is_measured() -> None:
    assert (words.download(entry_named("wav2vec2-tiny-archive")) or "").endswith("here already")


@pytest.mark.parametrize(
    ("parameters", "cpu", "gpu"),
    [
        (None, None, None),
        (39_000_000, "very fast", "very fast"),
        (244_000_000, "fast", "very fast"),
        (809_000_000, "slow", "fast"),
        (1_550_000_000, "very slow", "fast"),
    ],
)
def test_speed(parameters: int | None, cpu: str | None, gpu: str | None) -> None:
    model = entry(parameters=parameters)
    assert (words.speed(model, "cpu"), words.speed(model, "cuda")) == (cpu, gpu)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("NbAiLab/nb-whisper-large", "ready to use"),
        ("KBLab/kb-whisper-small", "ready to use, as its makers say"),
        ("KBLab/kb-whisper-large@strict", "is converted once, when it is fetched"),
        ("NbAiLab/nb-whisper-tiny", "ready to use or converted once, which shows when it is fetched"),
        ("readerbench/whisper-ro", "ready to use in trebuci/whisper-ro-ctranslate2, by a third party"),
        ("facebook/wav2vec2-base-960h", "runs through transformers, an extra"),
    ],
)
def test_form(name: str, text: str) -> None:
    assert words.form(entry_named(name)) == text


def test_rates_say_who_counted_and_how() -> None:
    full = Measurement(
        set="FLEURS", wer=0.066, cer=0.02, base_wer=0.104, base="large-v3", normalised=True, how="beam 5", source="card"
    )
    assert words.rates(full) == (
        "FLEURS: 6.6 % of the words wrong, 2.0 % of the letters, 10.4 % by large-v3 "
        "(beam 5; case and punctuation not counted; card)"
    )
    assert words.rates(Measurement(set="NST", wer=0.05, base_wer=0.1, source="card")) == (
        "NST: 5.0 % of the words wrong, 10.0 % by the model it was made from (card)"
    )


@pytest.mark.parametrize(
    ("octets", "text"), [(1, "1 MB"), (480e6, "480 MB"), (949e6, "949 MB"), (950e6, "0.9 GB"), (3.09e9, "3.1 GB")]
)
def test_sizes(octets: float, text: str) -> None:
    assert words.size(octets) == text


def test_lists() -> None:
    assert [words.listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a or b", "a, b or c"]
    assert words.spoken(["nb", "sv"]) == "Norwegian Bokmål, Swedish"
    assert words.spoken(["nb", "nn", "sv", "da", "fi"]) == "5 languages"
