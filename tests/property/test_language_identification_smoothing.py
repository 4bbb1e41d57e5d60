"""Whatever is heard: smoothing invents no language, and never changes more often than the windows' own best."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from speechpipe.language_identification.probabilities import folded
from speechpipe.language_identification.smoothing import overall, smooth

#: Kin and strangers, one that Whisper has no code for, and probabilities on and beside what counts as spoken.
CODES = st.sampled_from(["nb", "nn", "sv", "fi", "se", "en", "cy"])
PROBABILITIES = st.sampled_from([0.0, 0.001, 0.3, 0.49, 0.5, 0.51, 0.98, 0.99, 1.0])
HEARD = st.one_of(st.none(), st.dictionaries(CODES, PROBABILITIES, max_size=4))
TAPE = st.lists(st.tuples(HEARD, st.sampled_from([1, 300, 2_500, 5_000, 30_000])), max_size=25)


@given(tape=TAPE)
def test_smoothing_never_invents_a_language(tape: list[tuple[dict[str, float] | None, int]]) -> None:
    posteriors, lengths = [heard for heard, _ in tape], [length for _, length in tape]
    found = smooth(posteriors, lengths)
    assert len(found) == len(tape)
    sure = {language for heard in posteriors if heard for language, p in heard.items() if p >= 0.5}
    known = {language for heard in posteriors if heard for language, p in heard.items() if p > 0}
    assert set(found) <= (sure or known or {None})
    assert (None in found) == bool(tape and not known)


@given(tape=st.lists(st.tuples(st.sampled_from(["nb", "sv", "fi"]), st.sampled_from([300, 2_500, 5_000])), max_size=25))
def test_smoothing_changes_no_more_often_than_the_windows_themselves(tape: list[tuple[str, int]]) -> None:
    posteriors = [{language: 0.99} for language, _ in tape]
    found = smooth(posteriors, [length for _, length in tape])
    raw = [language for language, _ in tape]
    assert sum(a != b for a, b in pairwise(found)) <= sum(a != b for a, b in pairwise(raw))
    if len(set(raw)) <= 1:
        assert found == raw


@given(tape=TAPE)
def test_the_whole_is_a_mean(tape: list[tuple[dict[str, float] | None, int]]) -> None:
    mean = overall([heard for heard, _ in tape], [length for _, length in tape])
    assert all(0 < value <= 1 + 1e-9 for value in mean.values())
    assert list(mean.values()) == sorted(mean.values(), reverse=True)


@given(heard=st.dictionaries(CODES, PROBABILITIES, max_size=5), allowed=st.sets(CODES))
def test_folding_keeps_to_what_is_allowed_and_adds_no_probability(heard: dict[str, float], allowed: set[str]) -> None:
    found = folded(heard, allowed)
    assert set(found) <= (allowed or set(heard))
    assert sum(found.values()) <= sum(heard.values()) + 1e-9
    assert all(found[language] >= heard[language] for language in heard if language in allowed)
