"""Alignment: times and confidences from emissions drawn by hand, fallback, offsets, and the samples' own times."""

from __future__ import annotations

import json
import wave
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from speechpipe.alignment import FALLBACK, Alignment, align, interpolate
from speechpipe.alignment.viterbi import force
from speechpipe.emissions import Emissions
from speechpipe.engines import load_acoustic_model
from speechpipe.engines.contract import ModelFiles
from speechpipe.settings.decoding import Decoding

ROOT = Path(__file__).resolve().parents[2]
TOKENS = ("<pad>", "|", *"abcdefghijklmnopqrstuvwxyz")


def heard(best: str, sure: float = 0.9) -> Emissions:
    """A frame of 20 ms a character, ``_`` for blank; frame i lasts from 20 i to 20 (i + 1) ms."""
    probs = np.full((len(best), len(TOKENS)), (1 - sure) / (len(TOKENS) - 1))
    probs[range(len(best)), [0 if c == "_" else TOKENS.index(c) for c in best]] = sure
    return Emissions(np.log(probs).astype(np.float32), TOKENS, 0, 1, 320, 160, "lower")


def times(alignment: Alignment) -> list[tuple[str, int | None, int | None]]:
    return [(word.text, word.start_ms, word.end_ms) for word in alignment.words]


def test_words_get_the_time_of_their_letters() -> None:
    found = align("Tape, one.", heard("__t_aa_p_e__|_oo_n_e___"), 460)
    assert times(found) == [("Tape,", 40, 200), ("one.", 280, 400)]
    assert found.flags == ()
    assert {word.timing for word in found.words} == {"aligned"}
    assert [word.confidence for word in found.words] == [0.9, 0.9]


@pytest.mark.parametrize(
    "geometry",
    [
        {"samples_per_frame": 1},
        {"samples_per_frame": 0},
        {"samples_per_frame": -320},
        {"samples_per_frame": 32_000},
        {"first_frame_centre": 10**6},
        {"first_frame_centre": -(10**6)},
        {"boundary_offset_ms": (60_000, 60_000)},
        {"boundary_offset_ms": (-60_000, -60_000)},
    ],
)
def test_frames_that_cannot_be_the_clips_time_no_word(geometry: dict[str, object]) -> None:
    emissions = heard("__t_aa_p_e__|_oo_n_e___" * 4)
    text = "tape one " * 4
    assert align(text, emissions, 1_840).flags == ()
    found = align(text, replace(emissions, **geometry), 1_840)  # type: ignore[arg-type]
    assert found.flags == (FALLBACK,)
    assert {word.timing for word in found.words} == {"interpolated"}
    assert len({word.start_ms for word in found.words}) == 8, "spread, not all at one moment"


@pytest.mark.parametrize("samples", [400, 719, 720, 8_000, 480_000])
def test_frames_as_models_give_them_cover_every_clip(samples: int) -> None:
    frames = (samples - 400) // 320 + 1
    assert heard("_" * frames).cover(samples)
    assert not heard("_" * (frames * 2 + 12)).cover(samples)


def test_confidence_is_the_geometric_mean_of_the_letters() -> None:
    emissions = heard("ab")
    emissions.log_probs[1, TOKENS.index("b")] = np.log(0.4)
    assert align("ab", emissions, 40).words[0].confidence == pytest.approx((0.9 * 0.4) ** 0.5, abs=1e-4)


def test_a_word_that_was_not_said_gets_little_confidence() -> None:
    said, other = align("tape", heard("t_a_p_e"), 140), align("zzyx", heard("t_a_p_e"), 140)
    assert (said.words[0].confidence or 0) > 0.8
    assert (other.words[0].confidence or 1) < 0.05


def test_double_letters_need_a_blank_between() -> None:
    assert align("aa", heard("aa"), 40).flags == (FALLBACK,)
    assert times(align("aa", heard("a_a"), 60)) == [("aa", 0, 60)]
    assert times(align("ab", heard("ab"), 40)) == [("ab", 0, 40)]


def test_words_need_a_frame_between() -> None:
    assert align("a b", heard("ab"), 40).flags == (FALLBACK,)
    assert times(align("a b", heard("a|b"), 60)) == [("a", 0, 20), ("b", 40, 60)]
    assert times(align("a b", replace(heard("ab"), word_delimiter_id=None), 40)) == [("a", 0, 20), ("b", 20, 40)]


def test_digits_match_whatever_was_said_in_their_place() -> None:
    found = align("in 1954 oslo", heard("_i_n_|___n_i_n_e_|_f_o_u_r__|_o_s_l_o_"), 740)
    assert times(found) == [("in", 20, 80), ("1954", 180, 520), ("oslo", 600, 740)]
    assert [word.confidence for word in found.words] == [0.9, None, 0.9]
    assert {word.timing for word in found.words} == {"aligned"}


def test_a_word_of_digits_and_letters_is_judged_by_its_letters() -> None:
    (word,) = align("4b", heard("f_o_u_r_b"), 180).words
    assert (word.start_ms, word.end_ms, word.confidence) == (0, 180, 0.9)


def test_punctuation_alone_has_no_sound() -> None:
    first, one, dash, two, last = align("« a – b »", heard("_a_|_b_"), 140).words
    assert (one.start_ms, one.end_ms, two.start_ms, two.end_ms) == (20, 40, 100, 120)
    assert [(w.start_ms, w.end_ms, w.confidence, w.timing) for w in (first, dash, last)] == [
        (0, 0, None, "interpolated"),
        (40, 40, None, "interpolated"),
        (120, 120, None, "interpolated"),
    ]


@pytest.mark.parametrize("text", ["", " ", "\n\t\u3000"])
@pytest.mark.parametrize("emissions", [None, heard("ab")])
def test_no_text_no_words(text: str, emissions: Emissions | None) -> None:
    assert align(text, emissions, 1000) == Alignment()


IMPOSSIBLE: dict[str, Emissions | None] = {
    "no emissions": None,
    "no frames": replace(heard("a"), log_probs=np.zeros((0, len(TOKENS)), np.float32)),
    "too few frames": heard("abc"),
    "not a number": replace(heard("a" * 30), log_probs=np.full((30, len(TOKENS)), np.nan, np.float32)),
    "another alphabet": replace(heard("a" * 30), tokens=("<pad>", "|")),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_fallback_spreads_the_words_and_says_so(case: str) -> None:
    found = align("Ab, abcdef 99", IMPOSSIBLE[case], 1100)
    assert found.flags == (FALLBACK,)
    assert times(found) == [("Ab,", 0, 300), ("abcdef", 300, 900), ("99", 900, 1100)]
    assert {(word.timing, word.confidence) for word in found.words} == {("interpolated", None)}


def test_mere_punctuation_cannot_be_aligned() -> None:
    assert align("... !", heard("a_b"), 60).flags == (FALLBACK,)


def test_interpolated_words_fill_their_span() -> None:
    words = interpolate(["a", "bcd"], 1000, 1400)
    assert [(w.start_ms, w.end_ms) for w in words] == [(1000, 1100), (1100, 1400)]
    assert interpolate([], 0, 10) == []


def test_words_move_by_the_models_offset_and_give_way_to_the_next() -> None:
    emissions = replace(heard("____ab__|__ab______"), boundary_offset_ms=(-30, 60))
    assert times(align("ab ab", emissions, 380)) == [("ab", 50, 180), ("ab", 190, 320)]
    far = replace(emissions, boundary_offset_ms=(-100, 200))
    assert times(align("ab ab", far, 380)) == [("ab", 0, 120), ("ab", 120, 380)]
    backwards = replace(emissions, boundary_offset_ms=(100, -100))
    assert times(align("ab ab", backwards, 380)) == [("ab", 180, 180), ("ab", 320, 320)]


def test_frames_lie_where_the_model_says() -> None:
    emissions = replace(heard("_ab_"), samples_per_frame=160, first_frame_centre=800)
    # Frame 1 is centred on sample 960, from 880 to 1040; frame 2 ends at 1200.
    assert times(align("ab", emissions, 85)) == [("ab", 55, 75)]


def test_impossible_tokens_still_leave_a_path() -> None:
    emissions = heard("a_b")
    emissions.log_probs[:] = np.where(emissions.log_probs > -1, 0, -np.inf)
    assert times(align("ab", emissions, 60)) == [("ab", 0, 60)]
    never = align("z", emissions, 60)
    assert (never.flags, never.words[0].confidence) == ((), 0.0)


def best_by_trying_all(letters: list[tuple[int, ...]], emissions: Emissions) -> float:
    """The best score of every sequence of tokens that collapses to the words: the oracle for short clips."""
    wanted = [token for i, word in enumerate(letters) for token in ([1] if i else []) + list(word)]
    best = -np.inf
    for path in product(range(len(emissions.tokens)), repeat=emissions.frames):
        merged = [t for i, t in enumerate(path) if i == 0 or path[i - 1] != t]
        if [t for t in merged if t != emissions.blank_id] == wanted:
            best = max(best, float(emissions.log_probs[range(len(path)), path].sum()))
    return best


@pytest.mark.parametrize("seed", range(6))
def test_the_path_is_the_best_there_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (6, 4)).astype(np.float32)
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    emissions = Emissions(log_probs, ("<pad>", "|", "a", "b"), 0, None, 320, 160, "lower")
    for word in [(2,), (2, 3), (2, 2), (2, 3, 2)]:
        spans = force([word], emissions)
        assert spans is not None
        (first, last), sure = spans.frames[0], spans.confidences[0]
        oracle = best_by_trying_all([word], emissions)
        # Rescore: with these frames alone left free, nothing better is lost.
        inside = replace(emissions, log_probs=log_probs[first:last])
        outside = float(log_probs[:first, 0].sum() + log_probs[last:, 0].sum())
        assert best_by_trying_all([word], inside) + outside == pytest.approx(oracle, abs=1e-4)
        assert 0 < (sure or 0) <= 1


@pytest.fixture(scope="module")
def errors() -> np.ndarray:
    """Start and end errors (ms) of the Norwegian sample's words, aligned as written, pause by pause."""
    model = ModelFiles("tiny", ROOT / "models" / "wav2vec2-tiny-archive", "wav2vec2-ctc")
    sample = ROOT / "sample_audio" / "innspilling.wav"
    with wave.open(str(sample)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32_768
    reference = json.loads(sample.with_name("innspilling.wav.reference.json").read_text(encoding="utf-8"))["words"]
    emissions = load_acoustic_model(model, Decoding(threads=1)).emissions([pcm])[0]
    words = align(" ".join(word["text"] for word in reference), emissions, len(pcm) // 16).words
    return np.array(
        [
            (mine.start_ms - word["start_ms"], mine.end_ms - word["end_ms"])
            for mine, word in zip(words, reference, strict=True)
            if mine.start_ms is not None and mine.end_ms is not None
        ]
    )


def test_boundaries_are_near_the_truth(errors: np.ndarray) -> None:
    # The whole archive is measured by bench/alignment.py.
    assert np.median(np.abs(errors)) <= 40
    assert np.percentile(np.abs(errors), 90) <= 120
