"""wav2vec2: the layout read from the files beside the weights, emissions, greedy words with their times."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speechpipe.emissions import Emissions
from speechpipe.engines import load_acoustic_model, load_engine
from speechpipe.engines.contract import Clip, ModelFiles, Options
from speechpipe.engines.ctc.engine import PAUSE_MS, greedy_words, log_softmax, read_layout, utterances
from speechpipe.errors import BrokenModel, UsageError
from speechpipe.settings.decoding import Decoding

ROOT = Path(__file__).resolve().parents[2]
MODEL = ModelFiles("tiny", ROOT / "models" / "wav2vec2-tiny-archive", "wav2vec2-ctc")
VOCABULARY = {"<pad>": 0, "<unk>": 1, "|": 2, "a": 3, "b": 4}


def layout_of(folder: Path, **files: Any) -> Any:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return read_layout(ModelFiles("m", folder, "wav2vec2-ctc"), [folder, folder / "ct2"])


def test_token_ids_are_those_of_hugging_face(tmp_path: Path) -> None:
    shuffled = dict(reversed(VOCABULARY.items()))
    layout = layout_of(tmp_path, vocab=shuffled)
    assert layout.tokens == ("<pad>", "<unk>", "|", "a", "b")
    assert (layout.blank_id, layout.word_delimiter_id, layout.case) == (0, 2, "lower")


def test_the_standard_layout_where_no_configuration_says_otherwise(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, vocab=VOCABULARY)
    # wav2vec 2.0: a frame each 20 ms, from 400 samples.
    assert (layout.samples_per_frame, layout.first_frame_centre) == (320, 199)
    assert layout.normalise is True
    assert layout.boundary_offset_ms == (0, 0)


def test_configurations_are_heeded(tmp_path: Path) -> None:
    layout = layout_of(
        tmp_path,
        vocab={"A": 0, "Å": 1, " ": 2, "[PAD]": 3},
        tokenizer_config={"pad_token": {"content": "[PAD]"}, "word_delimiter_token": " "},
        config={"conv_kernel": [4, 2], "conv_stride": [2, 2]},
        preprocessor_config={"do_normalize": False},
        speechpipe={"boundary_offset_ms": {"start": -10, "end": 20}},
    )
    assert layout == (("A", "Å", " ", "[PAD]"), 3, 2, 4, 2, "upper", False, (-10, 20), 16_000)


def test_the_blank_may_be_told_by_the_configuration_only(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, vocab={"a": 0, "B": 1, "_": 2}, config={"pad_token_id": 2})
    assert (layout.blank_id, layout.word_delimiter_id, layout.case) == (2, None, "mixed")


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({}, "vocab.json"),
        ({"vocab": "{"}, "vocab.json"),
        ({"vocab": "[]"}, "vocab.json"),
        ({"vocab": {}}, "vocab.json"),
        ({"vocab": {"<pad>": 0, "a": 2}}, "vocab.json"),
        ({"vocab": {"<pad>": 0, "a": "1"}}, "vocab.json"),
        ({"vocab": {"nob": {"a": 0}}}, "vocab.json"),
        ({"vocab": {"a": 0, "b": 1}}, "blank"),
        ({"vocab": {"a": 0, "b": 1}, "config": {"pad_token_id": 7}}, "blank"),
        ({"vocab": VOCABULARY, "config": {"conv_kernel": [1], "conv_stride": [1, 2]}}, "conv_kernel"),
        ({"vocab": VOCABULARY, "config": "nonsense"}, "config.json"),
        ({"vocab": VOCABULARY, "speechpipe": {"boundary_offset_ms": [1, 2]}}, "boundary_offset_ms"),
        ({"vocab": VOCABULARY, "speechpipe": {"boundary_offset_ms": {"start": 0.5}}}, "boundary_offset_ms"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, files: dict[str, Any], named: str) -> None:
    with pytest.raises(BrokenModel, match=named):
        layout_of(tmp_path, **files)


def test_emissions_are_probabilities_of_frames() -> None:
    model = load_acoustic_model(MODEL, Decoding(threads=1))
    rng = np.random.default_rng(0)
    clip = rng.normal(0, 0.1, 16_000).astype(np.float32)
    short, whole, silent, louder = model.emissions([clip[:399], clip, np.zeros(16_000, np.float32), clip * 4 + 0.1])
    assert short is None
    assert silent is None
    assert whole is not None
    assert louder is not None
    assert whole.log_probs.shape == (49, 34)
    assert whole.log_probs.dtype == np.float32
    assert np.allclose(np.exp(whole.log_probs).sum(axis=1), 1, atol=1e-4)
    assert (whole.tokens[whole.blank_id], whole.tokens[whole.word_delimiter_id or 0]) == ("<pad>", "|")
    # Zero mean and unit variance: loudness and direct current change nothing.
    assert np.allclose(whole.log_probs, louder.log_probs, atol=1e-2)
    last = whole.first_frame_centre + (whole.frames - 1) * whole.samples_per_frame
    assert 0 < last < 16_000


@pytest.mark.parametrize("strides", [[1, 1, 1, 1, 1, 1, 1], [5, 2, 2, 2, 2, 2, 200]])
def test_a_configuration_of_another_model_is_told_by_the_first_clip(strides: list[int], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(MODEL.path, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps({**config, "conv_stride": strides}))
    clip = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)
    engine = load_engine("wav2vec2", replace(MODEL, path=folder), Decoding(threads=1))
    with pytest.raises(BrokenModel, match="hears 149 frames in 48000 samples; by its configuration"):
        engine.transcribe([Clip(clip)], Options())


def test_clips_are_never_padded_to_each_other() -> None:
    model = load_acoustic_model(MODEL, Decoding(threads=1))
    clip = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    alone = model.emissions([clip[:8000]])[0]
    beside = model.emissions([clip, clip[:8000]])[1]
    assert alone is not None
    assert beside is not None
    assert np.array_equal(alone.log_probs, beside.log_probs)


def test_emissions_of_too_long_a_clip_are_refused() -> None:
    with pytest.raises(UsageError, match="30000"):
        load_acoustic_model(MODEL, Decoding(threads=1)).emissions([np.ones(480_001, np.float32)])


def emissions_of(best: str, sure: float = 0.9) -> Emissions:
    """One frame of 20 ms a character: ``_`` blank, ``?`` the unknown token, ``|`` between words."""
    tokens = ("_", "?", "|", "a", "b")
    probs = np.full((len(best), 5), (1 - sure) / 4, np.float32)
    probs[range(len(best)), [tokens.index(c) for c in best]] = sure
    return Emissions(np.log(probs), ("<pad>", "<unk>", "|", "a", "b"), 0, 2, 320, 160, "lower")


def test_greedy_text_and_times() -> None:
    words = list(greedy_words(emissions_of("__aa_ab||_?b__"), 280))
    assert [(w.text, w.start_ms, w.end_ms, w.timing) for w in words] == [
        ("aab", 40, 140, "decoder"),
        ("b", 220, 240, "decoder"),
    ]
    assert [w.confidence for w in words] == [0.9, 0.9]


def test_confidence_is_the_geometric_mean_of_the_letters() -> None:
    emissions = emissions_of("ab")
    emissions.log_probs[1] = np.log([0.25, 0.1, 0.1, 0.15, 0.4])
    (word,) = greedy_words(emissions, 40)
    assert word.confidence == pytest.approx((0.9 * 0.4) ** 0.5, abs=1e-4)


@pytest.mark.parametrize("heard", ["", "____", "||||", "_|?|_"])
def test_no_letters_no_words(heard: str) -> None:
    assert list(utterances(emissions_of(heard), 20 * len(heard))) == []


def test_a_long_pause_ends_an_utterance() -> None:
    pause = PAUSE_MS // 20
    shorter, longer = (list(utterances(emissions_of("a" + "|" * n + "b"), 10_000)) for n in (pause - 1, pause))
    assert [u.text for u in shorter] == ["a b"]
    assert [(u.text, u.start_ms, u.end_ms) for u in longer] == [("a", 0, 20), ("b", 720, 740)]


def test_times_stay_in_the_clip() -> None:
    (word,) = greedy_words(emissions_of("aaaaaaaa"), 100)
    assert (word.start_ms, word.end_ms) == (0, 100)


def test_log_softmax_of_large_logits() -> None:
    assert np.allclose(np.exp(log_softmax(np.array([[1000, 1000], [-1000, 0]], np.float32))), [[0.5, 0.5], [0, 1]])
