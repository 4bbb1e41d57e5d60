"""The models of the registry: all that were found are there, and none that the code could not load."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from speechpipe import engines, languages, registry
from speechpipe.registry import entries
from speechpipe.registry.entries import RUNNABLE, ModelEntry

ALL = registry.list_models()
KNOWN = {model.name: model for model in ALL}
FETCHED = [model for model in ALL if not model.embedded]
USABLE = [model for model in FETCHED if model.usable]
SURVEY = (Path(__file__).parents[1] / "data" / "national-models.txt").read_text(encoding="utf-8").split()
each = pytest.mark.parametrize("model", FETCHED, ids=lambda model: model.name)
each_usable = pytest.mark.parametrize("model", USABLE, ids=lambda model: model.name)


def test_every_model_of_the_survey_is_in_the_registry() -> None:
    assert len(SURVEY) == len(set(SURVEY)) == 113
    assert [name for name in SURVEY if name not in KNOWN] == []


def test_beside_the_survey_there_are_variants_and_the_multilingual_ones_alone() -> None:
    others = {model.name for model in FETCHED} - set(SURVEY)
    assert {name for name in others if not name.startswith("openai/whisper-")} == {
        "KBLab/kb-whisper-large@strict",
        "KBLab/kb-whisper-large@subtitle",
        *(model.name for model in FETCHED if model.bundle or model.packaged),
    }


def test_what_cannot_be_used_says_why() -> None:
    assert {model.name: model.family for model in ALL if not model.usable} == {
        "LeBenchmark/wav2vec2-FR-14K-large": "wav2vec2",
        "fav-kky/wav2vec2-base-cs-80k-ClTRUS": "wav2vec2",
        "nelfproject/ASR_verbatim_v1": "unknown",
        "nvidia/parakeet-tdt-0.6b-v3": "fastconformer-tdt",
    }


def test_an_engine_runs_every_family_that_is_called_runnable() -> None:
    run = {family for name, row in engines.ENGINES.items() if name != "fake" for family in row.families}
    assert run >= RUNNABLE


@each_usable
def test_the_code_could_load_it(model: ModelEntry) -> None:
    assert model.family in RUNNABLE
    assert model.roles
    assert set(model.roles) <= {"asr", "aligner"}
    if model.bundle is not None:
        assert model.family in engines.ENGINES["torchaudio"].families
    else:
        assert model.layout.ct2 is not None or model.layout.huggingface is not None, "nothing could be fetched"
    if not model.bundle and (model.layout.ct2 is None or model.needs_torch):
        assert model.layout.huggingface == ".", "what is converted is fetched first"
    for code in model.languages:
        assert languages.check(code) == code
        if model.family == "whisper" and model.language_token is None:
            assert languages.whisper_code(code) is not None


@each
def test_it_says_where_it_was_read_and_under_which_terms(model: ModelEntry) -> None:
    assert model.evidence
    assert model.licence is not None or model.licence_status == "unverified"
    assert (model.hub is None) == (model.bundle is not None)
    locked_already = model.packaged is not None
    assert model.hub is None or (model.hub.revision is not None) == locked_already, "the first fetch locks the others"
    for measured in model.measured:
        assert 0 < measured.wer < 0.6, "rates are fractions"
        assert measured.source


@each
def test_its_size_is_that_of_its_kind(model: ModelEntry) -> None:
    if model.parameters is not None:
        assert 30_000_000 <= model.parameters <= 2_000_000_000
    if model.download_bytes is not None:
        assert model.parameters is not None
        assert 1.5 <= model.download_bytes / model.parameters <= 4.5, "two to four bytes a parameter"


@pytest.mark.parametrize(
    ("name", "languages_", "licence", "ct2", "mel_bins"),
    [
        ("NbAiLab/nb-whisper-large", ("nb", "nn"), "Apache-2.0", ".", 128),
        ("NbAiLab/nb-whisper-base", ("nb", "nn"), "Apache-2.0", "ct2", 80),
        ("KBLab/kb-whisper-small", ("sv",), "Apache-2.0", ".", 80),
        ("TalTechNLP/whisper-large-v3-turbo-et-verbatim", ("et",), "MIT", "ct2", 128),
        ("AiLab-IMCS-UL/whisper-large-v3-lv-late-cv19", ("lv",), "Apache-2.0", "ct2-int8", 128),
        ("language-and-voice-lab/whisper-large-icelandic-30k-steps-1000h", ("is",), None, ".", 80),
        ("CoRal-project/roest-v3-whisper-1.5b", ("da",), "OpenRAIL", None, 128),
        ("NbAiLab/whisper-large-sme", ("se",), "Apache-2.0", None, 80),
        ("bofenghuang/whisper-large-v3-french", ("fr",), "MIT", None, 128),
    ],
)
def test_facts_of_the_survey(
    name: str, languages_: tuple[str, ...], licence: str | None, ct2: str | None, mel_bins: int
) -> None:
    model = KNOWN[name]
    assert (model.languages, model.licence, model.layout.ct2) == (languages_, licence, ct2)
    assert model.expected_mel_bins == mel_bins


def test_where_the_ready_form_lies_elsewhere_it_is_said_whose_it_is() -> None:
    elsewhere = {m.name: m.layout.ct2_by for m in FETCHED if m.layout.ct2_repository and m.national}
    assert elsewhere == {
        "language-and-voice-lab/whisper-large-icelandic-62640-steps-967h": "publisher",
        "language-and-voice-lab/whisper-large-icelandic-30k-steps-1000h": "publisher",
        "projecte-aina/whisper-large-v3-ca-3catparla": "publisher",
        "GoranS/whisper-large-v3-turbo-hr-parla": "publisher",
        "primeline/whisper-large-v3-turbo-german": "third-party",
        "Flurin17/whisper-large-v3-turbo-swiss-german": "third-party",
        "readerbench/whisper-ro": "third-party",
    }


def test_the_traps_are_told() -> None:
    assert KNOWN["CoRal-project/roest-v3-whisper-1.5b"].avoid_compute_types == ("float16",)
    assert KNOWN["NbAiLab/whisper-large-sme"].language_token == "generation_config"
    assert {m.window_ms for m in FETCHED if "nb-whisper" in m.name} == {28_000}
    strict, subtitle = KNOWN["KBLab/kb-whisper-large@strict"], KNOWN["KBLab/kb-whisper-large@subtitle"]
    assert (strict.hub, subtitle.hub) == (
        entries.Hub(repository="KBLab/kb-whisper-large", branch="strict"),
        entries.Hub(repository="KBLab/kb-whisper-large", branch="subtitle"),
    )
    assert {m.layout.ct2_status for m in (strict, subtitle)} == {"none"}, "both are converted"
    verbatim = KNOWN["NbAiLab/nb-whisper-large-verbatim"].style
    assert (verbatim.cased, verbatim.punctuated, verbatim.wording) == (False, False, "verbatim")


def test_only_licences_that_forbid_it_are_called_non_commercial() -> None:
    assert {m.name for m in ALL if "non-commercial" in m.restrictions} == {
        "Flurin17/whisper-large-v3-turbo-swiss-german",
        "moravianai/CzechSpeech",
        "fav-kky/wav2vec2-base-cs-80k-ClTRUS",
        *(m.name for m in ALL if m.bundle),
    }
    assert {m.name.split("/")[0] for m in ALL if "use-restricted" in m.restrictions} == {"CoRal-project"}


def test_every_multilingual_whisper_knows_what_whisper_knows() -> None:
    own = {code for code, row in languages.LANGUAGES.items() if row.whisper and not row.borrowed}
    assert set(KNOWN["openai/whisper-large-v3"].languages) == own
    for size in ("tiny", "base", "small", "medium", "large-v2"):
        assert set(KNOWN[f"openai/whisper-{size}"].languages) == own - {"yue"}
    assert not any(m.national for m in FETCHED if m.name.startswith("openai/"))


def test_the_ready_forms_of_the_multilingual_ones_are_those_that_faster_whisper_takes() -> None:
    from faster_whisper.utils import _MODELS

    for model in FETCHED:
        if model.name.startswith("openai/whisper-"):
            assert model.layout.ct2_repository == _MODELS[model.name.removeprefix("openai/whisper-")]


def test_the_registry_is_read_by_the_quick_parser_and_once() -> None:
    assert entries.SafeLoader is yaml.CSafeLoader, "the other takes ten times as long"
    assert registry.list_models()[0] is registry.list_models()[0]
