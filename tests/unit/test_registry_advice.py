"""Advice: the model for a language and a machine, and the aligner for a language."""

from __future__ import annotations

from typing import Any

import pytest

from speechpipe import registry
from speechpipe.errors import UnknownLanguage, UsageError
from speechpipe.registry import Advice, aligner_for, default_aligner, memory_needed, recommend
from speechpipe.registry import advice as advising
from speechpipe.registry.entries import entry_named

GIGA = 1_000_000_000
AALTO = "Aalto-Speech-Synthesis/whisper-large-v3-Icelandic-finetuned-ct2"
#: Of the national libraries of Europe and their peoples: all that anything here recognises.
EUROPE = """
    sq hy az eu be bs br bg ca hr cs da nl en et fo fi fr gl ka de el he hu is ga it la ltg lv lt lb mk mt nb nn oc pl
    pt ro ru gd se sr sk sl es sv gsw tr uk hsb cy fy yi
""".split()  # noqa: SIM905


def names(advices: list[Advice]) -> list[str]:
    return [advice.entry.name for advice in advices]


@pytest.mark.parametrize(
    ("language", "cpu", "gpu"),
    [
        ("nb", "NbAiLab/nb-whisper-small", "NbAiLab/nb-whisper-large"),
        ("no", "NbAiLab/nb-whisper-small", "NbAiLab/nb-whisper-large"),
        ("nn-NO", "NbAiLab/nb-whisper-small", "NbAiLab/nb-whisper-large"),
        ("sv", "KBLab/kb-whisper-small", "KBLab/kb-whisper-large"),
        ("da", "thorhojhus/whisper-small-danish", "danish-foundation-models/edda-v0.2"),
        ("se", "NbAiLab/whisper-large-sme", "NbAiLab/whisper-large-sme"),
        ("fr", "bofenghuang/whisper-large-v3-french", "bofenghuang/whisper-large-v3-french"),
        ("it", "openai/whisper-large-v3-turbo", "openai/whisper-large-v3"),
        ("lt", "kristijonas/paprika-whisper-lt-v3", "akisviete/azuolas-whisper-lt-ct2"),
        ("is", AALTO, AALTO),
        ("yi", "ivrit-ai/yi-whisper-large-v3", "ivrit-ai/yi-whisper-large-v3"),
        ("ca", "projecte-aina/whisper-large-v3-ca-3catparla", "projecte-aina/whisper-large-v3-ca-3catparla"),
        ("gl", "HiTZ/whisper-large-v3-gl", "HiTZ/whisper-large-v3-gl"),
        ("es", "openai/whisper-large-v3-turbo", "openai/whisper-large-v3"),
        ("pt", "openai/whisper-large-v3-turbo", "openai/whisper-large-v3"),
        ("cs", "openai/whisper-large-v3-turbo", "openai/whisper-large-v3"),
        ("hsb", "Korla/Wav2Vec2BertForCTC-hsb", "Korla/Wav2Vec2BertForCTC-hsb"),
        ("en", "openai/whisper-large-v3-turbo", "openai/whisper-large-v3"),
        ("gsw", "Flix-AI/flix-swissgerman-full", "Flix-AI/flix-swissgerman-full"),
    ],
)
def test_the_first_choice(language: str, cpu: str, gpu: str) -> None:
    assert names(recommend(language, device="cpu"))[0] == cpu
    assert names(recommend(language, device="cuda"))[0] == gpu


def test_a_model_of_letters_is_first_where_it_is_proven_or_alone() -> None:
    assert names(recommend("fo"))[0].startswith("carlosdanielhernandezmena/wav2vec2")
    assert names(recommend("fy")) == ["wietsedv/wav2vec2-large-xlsr-53-frisian"]
    assert names(recommend("uk"))[0].startswith("openai/")


def test_what_is_only_condensed_or_spoken_in_between_is_not_the_first_choice() -> None:
    swedish = names(recommend("sv", device="cuda"))
    assert swedish.index("KBLab/kb-whisper-large@subtitle") > swedish.index("KBLab/kb-whisper-tiny")
    norwegian = names(recommend("nb", device="cpu"))
    assert norwegian.index("NbAiLabBeta/nb-whisper-small-semantic") > norwegian.index("NbAiLab/nb-whisper-tiny")
    english = names(recommend("en", device="cuda"))
    assert english.index("techiaith/whisper-large-v3-ft-verbatim-cy-en") > english.index("openai/whisper-tiny")


def test_a_region_brings_up_its_variety() -> None:
    catalan = {entry.name for entry in registry.list_models() if "ca" in entry.languages}
    assert recommend("ca-valencia", permitted=catalan)[0].entry.varieties == ("ca-valencia",)
    assert recommend("ca", permitted=catalan)[0].entry.varieties == ()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("code", EUROPE)
def test_the_first_choice_is_one_that_an_archive_may_use(code: str, device: str) -> None:
    first = recommend(code, device=device)[0].entry  # type: ignore[arg-type]
    if code in ("gd", "ltg"):  # one model each, whose makers' word was not seen
        assert [advice.entry.licence_status for advice in recommend(code)] == ["unverified"]
    else:
        assert (first.licence_status, first.restrictions) == ("stated", ())


def test_whose_licence_is_not_known_comes_after_all_others_and_behind_those_for_no_commerce() -> None:
    czech = names(recommend("cs", device="cuda"))
    assert czech[-1] == "moravianai/CzechSpeech"
    irish = recommend("ga")
    assert [advice.entry.licence_status for advice in irish] == ["stated", "stated", "none-stated"]
    galician = names(recommend("gl", role="aligner"))
    assert galician[-2:] == ["torchaudio/MMS_FA", "proxectonos/Nos_ASR-wav2vec2-xls-r-300m-gl"]


def test_what_was_permitted_takes_its_place_by_merit() -> None:
    best = "BSC-LT/faster-whisper-large-v3-ca-punctuated-3370h"
    others = {"BSC-LT/faster-whisper-bsc-large-v3-cat", "openai/whisper-large-v3", best}
    assert names(recommend("ca", installed=others, installed_only=True))[0] == "openai/whisper-large-v3"
    assert names(recommend("ca", installed=others, installed_only=True, permitted=others))[0] == best


def test_what_does_not_fit_comes_last_and_says_so() -> None:
    advices = recommend("nb", device="cuda", memory=5 * GIGA)
    assert names(advices)[0] == "NbAiLab/nb-whisper-medium"
    large = next(advice for advice in advices if advice.entry.name == "NbAiLab/nb-whisper-large")
    assert large.fits is False
    assert "Too large for this memory." in large.caveats
    assert sorted(fits := [advice.fits is False for advice in advices]) == fits


def test_where_none_fits_the_smallest_is_named() -> None:
    with pytest.raises(UsageError, match=r"fits into 500 MB.*NbAiLab/nb-whisper-tiny.*batch_size 1"):
        recommend("nb", memory=GIGA // 2)


def test_memory_and_fit_are_unknown_where_the_size_is() -> None:
    sami = next(a for a in recommend("se", memory=8 * GIGA) if a.entry.parameters is None)
    assert (sami.memory, sami.fits) == (None, None)
    assert {advice.fits for advice in recommend("nb")} == {None}


def test_the_estimate_of_memory_agrees_with_what_was_published() -> None:
    """faster-whisper 1.2: small in int8 on a processor, large-v2 in float16 on a GPU, batches of one and eight."""
    small, large = entry_named("openai/whisper-small"), entry_named("openai/whisper-large-v2")
    for entry, device, batch, published in [
        (small, "cpu", 1, 1.477e9),
        (small, "cpu", 8, 3.608e9),
        (large, "cuda", 1, 4.525e9),
        (large, "cuda", 8, 6.090e9),
    ]:
        needed = memory_needed(entry, device, batch)  # type: ignore[arg-type]
        assert needed is not None
        assert 0.85 * published < needed < 1.3 * published


def test_a_larger_model_needs_more_memory() -> None:
    sizes = ["tiny", "base", "small", "medium", "large-v3"]
    needed = [memory_needed(entry_named(f"openai/whisper-{size}")) or 0 for size in sizes]
    assert sorted(needed) == needed
    assert len(set(needed)) == len(needed)


def test_a_model_on_torch_is_counted_in_float32() -> None:
    ukrainian = entry_named("Yehor/w2v-bert-uk-v2.1")
    assert ukrainian.needs_torch
    assert (memory_needed(ukrainian) or 0) > 4 * (ukrainian.parameters or 0)


def test_reasons_and_the_command() -> None:
    (advice, *_) = recommend("sv", device="cpu")
    assert advice.command == "speechpipe models fetch KBLab/kb-whisper-small"
    said = " ".join(advice.reasons)
    assert "National Library of Sweden" in said
    assert "Fast on a processor (estimated" in said


def test_what_is_here_needs_no_command() -> None:
    (advice, *_) = recommend("sv", installed={"KBLab/kb-whisper-tiny"}, installed_only=True)
    assert (advice.entry.name, advice.installed, advice.command) == ("KBLab/kb-whisper-tiny", True, None)
    assert "Here already." in advice.reasons


def test_with_nothing_here_the_best_is_named() -> None:
    with pytest.raises(UsageError, match=r"No model of Swedish is here.*models fetch KBLab/kb-whisper-small"):
        recommend("sv", installed={"NbAiLab/nb-whisper-small"}, installed_only=True)


def test_licences_are_minded_and_can_be_ruled_out() -> None:
    danish = recommend("da")
    restricted = next(advice for advice in danish if advice.entry.name == "CoRal-project/roest-v3-whisper-1.5b")
    assert any(caveat.startswith("Licence: OpenRAIL") for caveat in restricted.caveats)
    free = recommend("da", free_only=True)
    assert all(advice.entry.licence_status == "stated" and not advice.entry.restrictions for advice in free)
    assert len(free) < len(danish)
    with pytest.raises(UsageError, match="No model of Scottish Gaelic whose licence needs no acceptance"):
        recommend("gd", free_only=True)


def test_what_a_publisher_leaves_open_is_said() -> None:
    (*_, none_stated) = recommend("ga")
    assert "Licence: none, so nobody has leave to use it; ask its publisher, and accept it before use." in (
        none_stated.caveats
    )
    (unknown,) = recommend("gd")
    assert "Licence: not known; accept it before use." in unknown.caveats


def test_caveats_of_compute_types_and_third_parties() -> None:
    danish = {advice.entry.name: advice.caveats for advice in recommend("da", device="cuda")}
    assert "Do not compute it in float16." in danish["CoRal-project/roest-v3-whisper-1.5b"]
    assert (
        "It learned from single sentences: take the times from an aligner."
        in danish["danish-foundation-models/edda-v0.2"]
    )
    assert any("third party" in caveat for caveat in recommend("ro")[0].caveats)


def test_demonstrations_are_never_advised() -> None:
    for role in ("asr", "aligner"):
        assert not any(advice.entry.demonstration for advice in recommend("nb", role=role))  # type: ignore[arg-type]


def test_a_language_without_a_model_brings_up_its_kin() -> None:
    with pytest.raises(UnknownLanguage, match=r"No model recognises Southern Sámi \(sma\)\. Near to it: se"):
        recommend("sma")
    with pytest.raises(UnknownLanguage, match="No model times the words of Japanese"):
        recommend("ja", role="aligner")
    with pytest.raises(UnknownLanguage, match="Did you mean nb"):
        recommend("norsk")


def test_the_default_aligner_is_never_for_non_commercial_use() -> None:
    for code in {code for entry in registry.list_models() for code in entry.languages}:
        aligner = default_aligner(code)
        assert aligner is None or "non-commercial" not in aligner.restrictions
        assert aligner is None or aligner.licence_status == "stated"
        assert aligner is None or "aligner" in aligner.roles
    assert {default_aligner(code) for code in ("hr", "sr", "bs", "gsw")} == {None}


@pytest.mark.parametrize(
    "why",
    [
        {"restrictions": ("non-commercial",)},
        {"licence_status": "unverified"},
        {"licence": None, "licence_status": "none-stated"},
    ],
)
def test_an_aligner_that_may_not_be_used_is_passed_over(why: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    free = entry_named("wietsedv/wav2vec2-large-xlsr-53-frisian")
    forbidden = free.model_copy(update={"name": "a/b", "rank": 1, **why})
    monkeypatch.setattr(advising, "list_models", lambda: [forbidden, free])
    assert default_aligner("fy") == free
    monkeypatch.setattr(advising, "list_models", lambda: [forbidden])
    assert default_aligner("fy") is None


def test_the_aligner_follows_the_language() -> None:
    norwegian = entry_named("NbAiLab/nb-whisper-large")
    assert aligner_for(norwegian, "nb") == "NbAiLab/nb-wav2vec2-1b-bokmaal"
    assert aligner_for(norwegian, "nn") == "NbAiLab/nb-wav2vec2-1b-nynorsk"
    assert aligner_for(norwegian, None) == "NbAiLab/nb-wav2vec2-1b-bokmaal"
    multilingual = entry_named("openai/whisper-large-v3")
    assert aligner_for(multilingual, "sv") == "KBLab/wav2vec2-large-voxrex-swedish"
    assert aligner_for(multilingual, "fr") == "jonatasgrosman/wav2vec2-large-xlsr-53-french"
    assert aligner_for(multilingual, "es") == "jonatasgrosman/wav2vec2-large-xlsr-53-spanish"
    assert aligner_for(multilingual, "hr") is None
    assert aligner_for(multilingual, None) is None


def test_the_demonstration_keeps_its_own_aligner() -> None:
    assert aligner_for(entry_named("whisper-tiny-archive"), "nb") == "wav2vec2-tiny-archive"


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_for_every_language_national_ones_that_are_ready_come_before_multilingual_ones(device: str) -> None:
    for code in ("nb", "nn", "sv", "da", "fi", "et", "is", "lv", "cy", "sk", "hr", "hu", "ro"):
        first = recommend(code, device=device)[0].entry  # type: ignore[arg-type]
        assert first.national, code
