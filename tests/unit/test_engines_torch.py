"""The engines on torch, inside: geometry of frames, masks, names of weights, chance under a seed, loops kept off."""

from __future__ import annotations

import json
import pickle
import shutil
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speechpipe.alignment import align
from speechpipe.engines import load_acoustic_model, load_engine
from speechpipe.engines.contract import Clip, ModelFiles, Options
from speechpipe.engines.whisper.fallback import LADDER, Attempt, Job
from speechpipe.errors import BrokenModel, EngineError, UsageError
from speechpipe.settings.decoding import Decoding
from tests import ctc_models, torchaudio_models

pytestmark = pytest.mark.extra

ROOT = Path(__file__).resolve().parents[2]
MODEL = ModelFiles("tiny", ROOT / "models" / "whisper-tiny-archive", "whisper")
ONE_THREAD = Decoding(threads=1)


@pytest.fixture(scope="module")
def pcm() -> np.ndarray:
    with wave.open(str(ROOT / "sample_audio" / "slate.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32_768


# --- CTC: frames and masks ---

KINDS: dict[str, tuple[Any, dict[str, Any], tuple[int, int], tuple[bool, bool]]] = {
    # samples a frame and middle of the first; whether it takes a mask, and clips of several lengths at once
    "hubert, group norm": (ctc_models.hubert, {}, (320, 199), (False, False)),
    "hubert, layer norm": (ctc_models.hubert, {"norm": "layer"}, (320, 199), (True, True)),
    "wav2vec2, group norm": (ctc_models.wav2vec2, {}, (320, 199), (False, False)),
    "wav2vec2, adapter": (ctc_models.wav2vec2, {"norm": "layer", "adapter": True}, (640, 199), (True, False)),
    "wav2vec2-bert": (ctc_models.bert, {}, (320, 279), (True, True)),
    "wav2vec2-bert, adapter": (ctc_models.bert, {"adapter": True}, (640, 279), (True, False)),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    build, how, _, _ = KINDS[request.param]
    return request.param, load_engine("transformers", build(tmp_path_factory.mktemp("m") / "m", **how), ONE_THREAD)


def test_frames_lie_where_the_model_looks(kind: tuple[str, Any], pcm: np.ndarray) -> None:
    name, engine = kind
    (found,) = engine.emissions([pcm[:48_000]])
    assert (found.samples_per_frame, found.first_frame_centre) == KINDS[name][2]
    last = found.first_frame_centre + (found.frames - 1) * found.samples_per_frame
    assert 48_000 - 2 * found.samples_per_frame < last < 48_000


def test_clips_are_masked_and_padded_where_the_model_can_bear_it(kind: tuple[str, Any]) -> None:
    name, engine = kind
    assert (engine._masked, engine._padded) == KINDS[name][3]


def test_a_clip_sounds_the_same_among_longer_ones(kind: tuple[str, Any], pcm: np.ndarray) -> None:
    _, engine = kind
    clips = [pcm[:48_000], pcm[:96_001], pcm[:400], pcm[20_000:50_123], pcm[:560]]
    together, alone = engine.emissions(clips), [engine.emissions([clip])[0] for clip in clips]
    for one, other in zip(together, alone, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert one.log_probs.shape == other.log_probs.shape
            assert np.abs(one.log_probs - other.log_probs).max() < 1e-3
            assert np.exp(one.log_probs).sum(axis=1) == pytest.approx(1, abs=1e-4)


def test_a_shift_by_one_frame_is_a_shift_by_its_samples(tmp_path: Path, pcm: np.ndarray) -> None:
    """What the numbers above mean: the features of wav2vec2-bert move by one where the sound moves by 320 samples."""
    engine = load_engine("transformers", ctc_models.bert(tmp_path / "m"), ONE_THREAD)
    step = engine._layout.samples_per_frame  # type: ignore[attr-defined]

    def features(clip: np.ndarray) -> np.ndarray:
        return engine._features([clip], sampling_rate=16_000, return_tensors="np", do_normalize_per_mel_bins=False)[  # type: ignore[attr-defined, no-any-return]
            "input_features"
        ][0]

    here, later = features(pcm[step:48_000]), features(pcm[:48_000])
    assert here == pytest.approx(later[1 : len(here) + 1], abs=1e-3)


def test_out_of_memory_is_answered_by_fewer_at_once(
    tmp_path: Path, pcm: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine: Any = load_engine("transformers", ctc_models.bert(tmp_path / "m"), ONE_THREAD)
    clips = [pcm[:16_000], pcm[:20_000], pcm[:24_000], pcm[:28_000]]
    expected, forward, sizes = engine.emissions(clips), engine._model.forward, list[int]()

    def small(**given: Any) -> Any:
        sizes.append(len(given["input_features"]))
        if sizes[-1] > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(**given)

    monkeypatch.setattr(engine._model, "forward", small)
    for one, other in zip(engine.emissions(clips), expected, strict=True):
        assert one.log_probs == pytest.approx(other.log_probs, abs=1e-3)
    assert sizes == [4, 2, 2]
    engine._batches._fits = None
    monkeypatch.setattr(engine._model, "forward", lambda **given: 1 / 0 if given else None)
    with pytest.raises(ZeroDivisionError):
        engine.emissions(clips)


# --- What hears another rate than 16 kHz, and torchaudio's bundles ---


def at_half_the_rate(folder: Path) -> ModelFiles:
    model = ctc_models.wav2vec2(folder)
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sampling_rate": 8_000}))
    return model


def test_a_model_of_another_rate_hears_the_sound_resampled(tmp_path: Path, pcm: np.ndarray) -> None:
    import torch
    import torchaudio

    engine: Any = load_engine("transformers", at_half_the_rate(tmp_path / "half"), ONE_THREAD)
    plain: Any = load_engine("transformers", ctc_models.wav2vec2(tmp_path / "plain"), ONE_THREAD)
    half = torchaudio.functional.resample(torch.from_numpy(pcm[:96_000]), 16_000, 8_000).numpy()
    (heard,), (expected,) = engine.emissions([pcm[:96_000]]), plain.emissions([half])
    assert heard.log_probs == pytest.approx(expected.log_probs, abs=1e-4)
    assert (heard.samples_per_frame, heard.first_frame_centre) == (640, 398), "counted in samples of the clip"
    assert heard.frames * 640 == pytest.approx(96_000, abs=1_280)
    short, long = engine.emissions([pcm[:700], pcm[:96_000]])
    assert short is None and long is not None, "350 samples are no frame"


def test_what_ctranslate2_runs_is_not_resampled_and_says_so(tmp_path: Path) -> None:
    shutil.copytree(ctc_models.TAUGHT, tmp_path / "m")
    features = tmp_path / "m" / "preprocessor_config.json"
    features.write_text(json.dumps(json.loads(features.read_text()) | {"sampling_rate": 8_000}))
    with pytest.raises(UsageError, match="hears 8000 samples a second") as refused:
        load_engine("wav2vec2", ModelFiles("m", tmp_path / "m", "wav2vec2-ctc"), ONE_THREAD)
    assert "transformers" in refused.value.advice


@pytest.mark.parametrize("rate", ["fast", 0, 44_100])
def test_a_rate_that_means_nothing_is_a_broken_model(tmp_path: Path, rate: Any) -> None:
    model = at_half_the_rate(tmp_path / "m")
    path = model.path / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sampling_rate": rate}))
    with pytest.raises(BrokenModel, match=str(rate)):
        load_engine("transformers", model, ONE_THREAD)


def test_a_bundle_gives_the_emissions_of_the_same_model_elsewhere(tmp_path: Path, pcm: np.ndarray) -> None:
    model = torchaudio_models.archive(tmp_path / "m")
    taught = ModelFiles("taught", ctc_models.TAUGHT, "wav2vec2-ctc")
    clips = [pcm[:96_000], pcm[:300], pcm[30_000:50_000]]
    bundle, reference = (load_acoustic_model(each, ONE_THREAD).emissions(clips) for each in (model, taught))
    assert bundle[1] is reference[1] is None
    for one, other in ((bundle[0], reference[0]), (bundle[2], reference[2])):
        assert one is not None and other is not None
        assert np.abs(np.exp(one.log_probs) - np.exp(other.log_probs)).max() < 0.01
        assert one.tokens[1:] == other.tokens[1:] and one.blank_id == other.blank_id
        assert one.word_delimiter_id == other.word_delimiter_id and one.case == other.case
        assert (one.samples_per_frame, one.first_frame_centre) == (other.samples_per_frame, other.first_frame_centre)


def test_an_aligner_without_a_sign_between_words_times_them_too(
    tmp_path: Path, pcm: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the kind of MMS_FA."""
    import torch
    import torchaudio

    model = torchaudio_models.archive(tmp_path / "m")
    state, bundle = torchaudio_models.translated(aligner=True)
    torch.save(state, model.path / "bundle.pt")
    monkeypatch.setattr(torchaudio.pipelines, torchaudio_models.NAME, bundle)
    (emissions,) = load_acoustic_model(model, ONE_THREAD).emissions([pcm[:48_000]])
    assert emissions is not None
    assert emissions.word_delimiter_id is None and "*" not in emissions.tokens
    (expected,) = load_acoustic_model(ModelFiles("taught", ctc_models.TAUGHT, "wav2vec2-ctc"), ONE_THREAD).emissions(
        [pcm[:48_000]]
    )
    said = "tape four one seven side two"
    for method in ("viterbi", "torchaudio"):
        words = align(said, emissions, 3_000, method).words
        reference = align(said, expected, 3_000).words
        assert [word.text for word in words] == said.split()
        for word, other in zip(words, reference, strict=True):
            assert word.confidence is not None
            assert abs((word.start_ms or 0) - (other.start_ms or 0)) <= 100


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("NO_SUCH_BUNDLE", "no bundle of torchaudio"),
        ("os.path", "no bundle of torchaudio"),
        ("HUBERT_BASE", "no bundle of torchaudio"),
        ("__name__", "no bundle of torchaudio"),
    ],
)
def test_a_bundle_that_torchaudio_does_not_have(tmp_path: Path, name: str, why: str) -> None:
    model = torchaudio_models.archive(tmp_path / "m")
    (model.path / "bundle.json").write_text(json.dumps({"bundle": name, "family": "wav2vec2-ctc"}))
    with pytest.raises(BrokenModel, match=why):
        load_engine("torchaudio", model, ONE_THREAD)


@pytest.mark.parametrize("file", ["bundle.json", "bundle.pt"])
def test_a_bundle_without_a_file_names_it(tmp_path: Path, file: str) -> None:
    model = torchaudio_models.archive(tmp_path / "m")
    (model.path / file).unlink()
    with pytest.raises(BrokenModel, match=file):
        load_engine("torchaudio", model, ONE_THREAD)


def test_weights_of_a_bundle_that_would_run_code_are_refused(tmp_path: Path) -> None:
    model = torchaudio_models.archive(tmp_path / "m")
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (ran,)

    (model.path / "bundle.pt").write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(BrokenModel):
        load_engine("torchaudio", model, ONE_THREAD)
    assert not ran.exists()


# --- Whisper ---


@pytest.fixture(scope="module", params=["whisper", "transformers"])
def engine(request: pytest.FixtureRequest) -> Iterator[Any]:
    yield load_engine(request.param, MODEL, ONE_THREAD)


def takes(engine: Any, pcm: np.ndarray, attempt: Attempt, prompt: tuple[int, ...] = ()) -> Any:
    import torch

    with torch.inference_mode():
        return engine._takes([Job(pcm, "en", prompt)], attempt, Options())[0]


@pytest.mark.parametrize("attempt", LADDER, ids=lambda attempt: f"{attempt.name} {attempt.temperature}")
def test_every_way_to_decode_again_hears_speech(engine: Any, pcm: np.ndarray, attempt: Attempt) -> None:
    clip = pcm[:60_000]
    found = takes(engine, clip, attempt)
    assert found == takes(engine, clip, attempt)
    assert found.avg_logprob < 0
    assert {"tape", "four", "two"} <= set(found.text.split())


def test_chance_begins_anew_and_is_left_as_it_was(engine: Any) -> None:
    import torch

    noise = np.random.default_rng(3).normal(0, 0.1, 48_000).astype(np.float32)
    sampled = LADDER[-1]
    torch.manual_seed(5)
    first = takes(engine, noise, sampled)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert float(drawn) == float(torch.rand(1))
    torch.manual_seed(6)
    assert takes(engine, noise, sampled) == first


def test_a_loop_is_decoded_again_and_the_fallback_can_be_switched_off(
    engine: Any, pcm: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate, asked = engine._generate, list[Attempt]()
    looping = engine._text_tokens(" song by mary" * 12)

    def loop_first(encoded: Any, jobs: Any, beam: int, attempt: Attempt) -> Any:
        asked.append(attempt)
        found = generate(encoded, jobs, beam, attempt)
        return [(looping, -0.1, 0.0)] * len(jobs) if attempt.name == "first" else found

    monkeypatch.setattr(engine, "_generate", loop_first)
    clip = Clip(pcm[:60_000], "en")
    (again,) = engine.transcribe([clip], Options())
    assert [attempt.name for attempt in asked] == ["first", "no_repeats"]
    assert [u.flags for u in again.utterances] == [("decoded_again", "no_repeats")]
    assert "tape" in again.utterances[0].text
    asked.clear()
    (kept,) = engine.transcribe([clip], Options(fallback="off"))
    assert [attempt.name for attempt in asked] == ["first"]
    assert kept.utterances[0].flags == ("repetition",)


def test_beam_prompt_and_vocabulary_reach_the_model(
    engine: Any, pcm: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[tuple[int, tuple[int, ...]]]()

    def seen(encoded: Any, jobs: Any, beam: int, attempt: Attempt) -> Any:
        asked.extend((beam, job.prompt) for job in jobs)
        return [([], -0.1, 0.0)] * len(jobs)

    monkeypatch.setattr(engine, "_generate", seen)
    clip = replace(Clip(pcm[:60_000], "en"), prompt="said before")
    for options in (Options(), Options(beam_size=2), Options(prompt="A reel."), Options(vocabulary=("Vardø", "Mary"))):
        engine.transcribe([clip], replace(options, fallback="off"))
    before = tuple(engine._text_tokens(" said before"))
    assert asked == [
        (5, before),
        (2, before),
        (5, (*engine._text_tokens(" A reel."), *before)),
        (5, (*engine._text_tokens(" Vardø, Mary"), *before)),
    ]


def test_a_prompt_holds_no_command_to_the_model(engine: Any) -> None:
    tokenizer = engine._tokenizer(None)
    tokens = engine._text_tokens(" <|endoftext|> hello <|nospeech|>")
    assert tokens
    assert max(tokens) < tokenizer.eot


def test_a_prompt_changes_what_is_thought_likely(engine: Any, pcm: np.ndarray) -> None:
    bare, told = (takes(engine, pcm[:60_000], Attempt("first"), prompt) for prompt in ((), (5, 6, 7)))
    assert bare.text == told.text
    assert bare.avg_logprob != told.avg_logprob


def test_a_language_that_whisper_does_not_know(engine: Any, pcm: np.ndarray) -> None:
    with pytest.raises(UsageError, match="Northern"):
        engine.transcribe([Clip(pcm[:16_000], "se")], Options())


def test_what_the_model_raises_is_an_error_of_the_engine(
    engine: Any, pcm: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("CUDA error: device-side assert")

    monkeypatch.setattr(engine, "_encode", broken)
    with pytest.raises(EngineError, match="tiny failed: CUDA error"):
        engine.transcribe([Clip(pcm[:16_000], "en")], Options())


def test_openai_names() -> None:
    from speechpipe.engines.whisper.openai_whisper import openai_name

    assert {name: openai_name(name) for name in NAMES} == NAMES


NAMES = {
    "model.encoder.layers.0.fc1.bias": "encoder.blocks.0.mlp.0.bias",
    "model.decoder.layers.3.encoder_attn.k_proj.weight": "decoder.blocks.3.cross_attn.key.weight",
    "model.decoder.layers.3.encoder_attn_layer_norm.bias": "decoder.blocks.3.cross_attn_ln.bias",
    "model.encoder.layers.1.self_attn_layer_norm.weight": "encoder.blocks.1.attn_ln.weight",
    "model.encoder.layers.1.final_layer_norm.weight": "encoder.blocks.1.mlp_ln.weight",
    "model.encoder.layer_norm.weight": "encoder.ln_post.weight",
    "model.decoder.layer_norm.weight": "decoder.ln.weight",
    "model.decoder.embed_tokens.weight": "decoder.token_embedding.weight",
    "model.decoder.embed_positions.weight": "decoder.positional_embedding",
}


@pytest.mark.parametrize(
    ("said", "size", "expected"),
    [
        ([1, 2, 3, 1, 2], 3, {3}),
        ([1, 2, 3, 1, 2, 4, 1, 2], 3, {3, 4}),
        ([1, 1, 1], 2, {1}),
        ([1, 2], 3, set()),
        ([1, 2, 3, 4], 3, set()),
        ([1, 1, 1], 0, set()),
        ([], 4, set()),
    ],
)
def test_tokens_that_would_repeat(said: list[int], size: int, expected: set[int]) -> None:
    from speechpipe.engines.whisper.openai_whisper import _repeating

    assert _repeating(said, size) == expected
