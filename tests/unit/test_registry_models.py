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
    assert len(SURVEY) == len(set(SURVEY)) == 150
    assert [name for name in SURVEY if name not in KNOWN] == []


def test_the_documentation_counts_them(root: Path) -> None:
    assert f"{len(SURVEY)} of them are [known](docs/models.md)" in (root / "README.md").read_text(encoding="utf-8")
    assert f"speechpipe knows {len(SURVEY)} of them" in (root / "docs" / "models.md").read_text(encoding="utf-8")


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
        "inesc-id/WhisperLv3-FT": "whisper",
        "nelfproject/ASR_verbatim_v1": "espnet",
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
    assert (model.licence is None) == (model.licence_status == "none-stated") or model.licence_status == "unverified"
    assert (model.hub is None) == (model.bundle is not None)
    locked_already = model.packaged is not None
    assert model.hub is None or (model.hub.revision is not None) == locked_already, "the first fetch locks the others"
    for measured in model.measured:
        assert 0 < measured.wer < 1, "rates are fractions"
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
        ("language-and-voice-lab/whisper-large-icelandic-30k-steps-1000h", ("is",), "CC-BY-4.0", None, 80),
        ("Aalto-Speech-Synthesis/whisper-large-v3-Icelandic-finetuned-ct2", ("is",), "Apache-2.0", ".", 128),
        ("danish-foundation-models/edda-v0.2", ("da",), "Apache-2.0", None, 128),
        ("akisviete/azuolas-whisper-lt-ct2", ("lt",), "CC-BY-4.0", ".", 128),
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
        "Finnish-NLP/whisper-large-finnish-v3": "publisher",
        "xezpeleta/whisper-large-v3-eu": "publisher",
        "ivrit-ai/yi-whisper-large-v3-turbo": "publisher",
        "thorhojhus/whisper-large-v3-turbo-danish": "third-party",
        "kristijonas/paprika-whisper-lt-v3": "third-party",
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
    restricted = {m.name for m in ALL if "use-restricted" in m.restrictions}
    assert {name for name in restricted if not name.startswith("CoRal-project/")} == {
        "syvai/hviske-v2",
        "saattrupdan/wav2vec2-xls-r-300m-ftspeech",
    }


def test_whose_licence_is_not_known_and_who_states_none() -> None:
    """The two are told apart: a second look is worth the while of the first alone."""
    statuses = ("unverified", "none-stated")
    assert {status: {m.name for m in ALL if m.licence_status == status} for status in statuses} == {
        "none-stated": {
            "Aditya3107/wav2vec2-Irish-common-voice-Fleurs-living-audio-300m",
            "FremyCompany/xls-r-2b-nl-v2_lm-5gram-os",
            "GroNLP/wav2vec2-large-xlsr-53-ft-cgn",
            "classla/wav2vec2-large-slavic-parlaspeech-hr",
            "classla/wav2vec2-xls-r-parlaspeech-hr",
            "manifoldix/xlsr-sg-lm",
            "mondhs/whisper-small-lt-liepa2_40_20-v6-ct2-int8",
            "nelfproject/ASR_verbatim_v1",
        },
        "unverified": {
            "AiLab-IMCS-UL/whisper-large-v3-latgalian-2503",
            "BSC-LT/faster-whisper-3cat-balearic",
            "BSC-LT/faster-whisper-3cat-cv21-valencian",
            "BSC-LT/faster-whisper-bsc-large-v3-cat",
            "BSC-LT/faster-whisper-large-v3-ca-punctuated-3370h",
            "BSC-LT/whisper-large-v3-LoS",
            "BSC-LT/whisper-large-v3-LoS-punctuated",
            "GetmanY1/wav2vec2-xlarge-fi-150k-finetuned",
            "NaiveNeuron/whisper-large-v3-turbo-sk",
            "RASMUS/whisper-large-v3-turbo-finnish-ct2",
            "amalia-llm/CAMOES-whisper-asr",
            "danish-foundation-models/edda-v0.2-large",
            "eist-edinburgh/whisper-large-v3-turbo-gaelic-ct2-v2",
            "inesc-id/WhisperLv3-FT",
            "ivrit-ai/yi-whisper-large-v3-turbo",
            "mozilla-ai/whisper-large-v3-turbo-fi",
            "proxectonos/Nos_ASR-wav2vec2-xls-r-300m-gl",
            "proxectonos/w2v-bert-2.0-gl",
            "proxectonos/whisper-large-v3-turbo-gl-v1.0",
        },
    }
    assert all(m.licence_note or m.licence is None for m in ALL if m.licence_status == "unverified"), "who says so"


def test_a_model_that_writes_without_times_says_so() -> None:
    assert {m.name for m in FETCHED if m.without_timestamps} == {
        "bardsai/whisper-medium-pl-v2",
        "danish-foundation-models/edda-v0.2",
        "danish-foundation-models/edda-v0.2-large",
        "mikr/whisper-large-v3-czech-cv13",
        "techiaith/whisper-large-v3-ft-commonvoice-cy",
    }


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("tiny", "openai/whisper-tiny"),
        ("base", "Systran/faster-whisper-base"),
        ("small", "openai/whisper-small"),
        ("medium", "openai/whisper-medium"),
        ("large", "openai/whisper-large-v3"),
        ("large-v2", "openai/whisper-large-v2"),
        ("large-v3", "openai/whisper-large-v3"),
        ("turbo", "openai/whisper-large-v3-turbo"),
        ("large-v3-turbo", "openai/whisper-large-v3-turbo"),
        ("tiny.en", "Systran/faster-whisper-tiny.en"),
    ],
)
def test_the_names_that_people_know_mean_what_they_mean_to_others(alias: str, name: str) -> None:
    from faster_whisper.utils import _MODELS

    for called in (alias, f"whisper-{alias}"):
        entry = entries.entry_named(called)
        assert entry.name == name
        assert (entry.layout.ct2_repository or entry.name) == _MODELS[alias]


def test_a_folder_of_ones_own_is_not_taken_for_a_name_that_people_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for place in (tmp_path / "turbo", tmp_path / "models" / "small", tmp_path / "base"):
        place.mkdir(parents=True)
    (tmp_path / "turbo" / "config.json").write_text("{}")
    (tmp_path / "models" / "small" / "config.json").write_text("{}")
    assert registry.canonical("turbo") == "turbo"
    assert registry.canonical("small", tmp_path / "models") == "small"
    assert registry.canonical("small") == "openai/whisper-small"
    assert registry.canonical("base") == "Systran/faster-whisper-base", "a folder of recordings is no model"
    assert registry.canonical("large", tmp_path / "models") == "openai/whisper-large-v3"


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
