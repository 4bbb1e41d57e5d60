"""Advice: the model for a language and a machine, and the aligner for a language."""

from __future__ import annotations

import pytest

from speechpipe import registry
from speechpipe.errors import UnknownLanguage, UsageError
from speechpipe.registry import Advice, aligner_for, default_aligner, memory_needed, recommend
from speechpipe.registry import advice as advising
from speechpipe.registry.entries import entry_named

GIGA = 1_000_000_000


def names(advices: list[Advice]) -> list[str]:
    return [advice.entry.name for advice in advices]


@pytest.mark.parametrize(
    ("language", "cpu", "gpu"),
    [
        ("nb", "NbAiLab/nb-whisper-small", "NbAiLab/nb-whisper-large"),
        ("no", "NbAiLab/nb-whisper-small", "NbAiLab/nb-whisper-large"),
        ("nn-NO", "NbAiLab/nb-whisper-small", "NbAiLab/nb-whisper-large"),
        ("sv", "KBLab/kb-whisper-small", "KBLab/kb-whisper-large"),
        ("da", "CoRal-project/roest-v3-whisper-1.5b", "CoRal-project/roest-v3-whisper-1.5b"),
        ("se", "NbAiLab/whisper-large-sme", "NbAiLab/whisper-large-sme"),
        ("fr", "bofenghuang/whisper-large-v3-french", "bofenghuang/whisper-large-v3-french"),
        ("it", "openai/whisper-large-v3-turbo", "openai/whisper-large-v3"),
        ("lt", "openai/whisper-large-v3-turbo", "openai/whisper-large-v3"),
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
    regions = {advice.entry.varieties for advice in recommend("pt-PT", device="cuda")[:2]}
    assert regions == {("pt-PT",)}


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
    (danish, *_) = recommend("da")
    assert any(caveat.startswith("Licence: OpenRAIL") for caveat in danish.caveats)
    free = recommend("da", free_only=True)
    assert all(advice.entry.licence_status == "stated" and not advice.entry.restrictions for advice in free)
    assert names(free)[0].startswith("openai/")
    with pytest.raises(UsageError, match="No model of Irish whose licence needs no acceptance"):
        recommend("ga", free_only=True)


def test_caveats_of_compute_types_and_third_parties() -> None:
    danish = recommend("da", device="cuda")[0]
    assert "Do not compute it in float16." in danish.caveats
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
        assert aligner is None or "aligner" in aligner.roles


def test_an_aligner_for_non_commercial_use_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    free = entry_named("wietsedv/wav2vec2-large-xlsr-53-frisian")
    forbidden = free.model_copy(update={"name": "a/b", "restrictions": ("non-commercial",), "rank": 1})
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
    assert aligner_for(multilingual, "fr") is None
    assert aligner_for(multilingual, None) is None


def test_the_demonstration_keeps_its_own_aligner() -> None:
    assert aligner_for(entry_named("whisper-tiny-archive"), "nb") == "wav2vec2-tiny-archive"


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_for_every_language_national_ones_that_are_ready_come_before_multilingual_ones(device: str) -> None:
    for code in ("nb", "nn", "sv", "da", "fi", "et", "is", "lv", "cy", "sk", "hr", "hu", "ro"):
        first = recommend(code, device=device)[0].entry  # type: ignore[arg-type]
        assert first.national, code
