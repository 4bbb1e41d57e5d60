"""Whisper: timestamps to utterances, loops found and decoded again, languages mapped, silence judged."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speechpipe.engines import load_engine
from speechpipe.engines.contract import Clip, ModelFiles, Options, Result
from speechpipe.engines.faster_whisper import FasterWhisper, _Decoding, is_loop, split_at_timestamps
from speechpipe.errors import BrokenModel, EngineError, UsageError
from speechpipe.settings import Decoding

ROOT = Path(__file__).resolve().parents[2]
MODEL = ModelFiles("tiny", ROOT / "models" / "whisper-tiny-archive", "whisper")
EOT, T0 = 50257, 50364


def t(ms: int) -> int:
    return T0 + ms // 20


@pytest.fixture(scope="module")
def engine() -> FasterWhisper:
    found = load_engine("faster-whisper", MODEL, Decoding(threads=1))
    assert isinstance(found, FasterWhisper)
    return found


@pytest.fixture
def noise() -> Clip:
    return Clip(np.random.default_rng(2).normal(0, 0.1, 32_000).astype(np.float32), "en")


SPLITS = {
    "pairs": ([t(0), 1, 2, t(1000), t(1200), 3, t(2000)], [(0, 1000, [1, 2]), (1200, 2000, [3])]),
    "one time between two": ([t(0), 1, t(1000), 2, t(2000)], [(0, 1000, [1]), (1000, 2000, [2])]),
    "no times": ([1, 2], [(0, 5000, [1, 2])]),
    "no end": ([t(400), 1], [(400, 5000, [1])]),
    "no start": ([1, t(400)], [(0, 400, [1])]),
    "times only": ([t(0), t(1000)], []),
    "nothing": ([], []),
    "after the end of the clip": ([t(4000), 1, t(9000), t(9000), 2, t(9500)], [(4000, 5000, [1]), (5000, 5000, [2])]),
    "backwards": ([t(3000), 1, t(1000), 2, t(2000)], [(3000, 3000, [1]), (3000, 3000, [2])]),
    "special tokens are no text": ([t(0), 1, EOT, 50259, t(1000)], [(0, 1000, [1])]),
}


@pytest.mark.parametrize("case", SPLITS)
def test_timestamps_split_the_text(case: str) -> None:
    tokens, expected = SPLITS[case]
    assert list(split_at_timestamps(tokens, T0, EOT, 5000)) == expected


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ("eight eight eight eight eight eight", True),
        ("eight eight eight eight eight", False),
        ("four four four four", False),
        ("no. No, no! NO no no", True),
        ("on tape " * 4, True),
        ("on tape " * 3, False),
        ("before it one two three " + "the end of tape " * 4 + "and after", True),
        ("a b c d e f g h " * 4, True),
        ("tape four one seven side two recorded in bergen", False),
        ("", False),
        ("... --- ...", False),
    ],
)
def test_loops(text: str, loop: bool) -> None:
    assert is_loop(text) is loop


@pytest.mark.parametrize(
    ("asked", "whisper"), [("nb", "no"), ("nb-NO", "no"), ("nob", "no"), ("nn", "nn"), ("jv", "jw"), ("en", "en")]
)
def test_languages_are_named_as_whisper_names_them(engine: FasterWhisper, asked: str, whisper: str) -> None:
    assert engine._whisper_language(asked) == whisper


def test_the_language_asked_for_stays_the_label(engine: FasterWhisper, noise: Clip) -> None:
    (result,) = engine.transcribe([replace(noise, language="nb-NO")], Options())
    assert (result.language, result.language_prob) == ("nb-NO", None)


def test_a_language_that_whisper_lacks_is_explained(engine: FasterWhisper, noise: Clip) -> None:
    with pytest.raises(UsageError, match=r"Northern Sámi \(se\).*no code"):
        engine.transcribe([replace(noise, language="se")], Options())


def test_a_language_newer_than_the_model_is_explained(engine: FasterWhisper, noise: Clip) -> None:
    # Cantonese came with large-v3; this model has the tokens of the first multilingual ones.
    with pytest.raises(UsageError, match=r"Cantonese \(yue\).*code yue is not in the model"):
        engine.transcribe([replace(noise, language="yue")], Options())


def test_an_english_only_model(engine: FasterWhisper, noise: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_multilingual", False)
    assert engine.detect_language([noise]) == [None]
    with pytest.raises(UsageError, match="English only"):
        engine.transcribe([replace(noise, language="nb")], Options())


def test_a_language_is_detected_with_its_probability(engine: FasterWhisper, noise: Clip) -> None:
    clip = replace(noise, language=None)
    (result,) = engine.transcribe([clip], Options())
    (found,) = engine.detect_language([clip])
    assert found is not None
    assert (result.language, result.language_prob) == found
    assert found[0] in {"en", "nb"}
    assert 0 < found[1] <= 1


def asked(engine: FasterWhisper, clip: Clip, options: Options, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What CTranslate2 was asked for ``clip``; it does it, too."""
    calls: list[dict[str, Any]] = []
    model = engine._whisper.model

    class Spy:
        def generate(self, features: Any, prompts: Any, **settings: Any) -> Any:
            calls.append({"prompts": prompts, **settings})
            return model.generate(features, prompts, **settings)

        def __getattr__(self, name: str) -> Any:
            return getattr(model, name)

    with monkeypatch.context() as patch:
        patch.setattr(engine._whisper, "model", Spy())
        engine.transcribe([clip], options)
    return calls[0]


def test_names_prompt_and_what_was_said_come_before_the_clip(
    engine: FasterWhisper, noise: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = engine._whisper.hf_tokenizer.decode
    (plain,) = asked(engine, noise, Options(), monkeypatch)["prompts"]
    told = Options(vocabulary=("Hitra", "Smøla"), prompt="Reel four.")
    (prompt,) = asked(engine, replace(noise, prompt="and so on"), told, monkeypatch)["prompts"]
    assert decode(prompt[:1], skip_special_tokens=False) == "<|startofprev|>"
    assert decode(prompt[1 : -len(plain)]) == " Hitra, Smøla Reel four. and so on"
    assert prompt[-len(plain) :] == plain


def test_a_prompt_gives_the_model_no_commands(
    engine: FasterWhisper, noise: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    (prompt,) = asked(engine, noise, Options(vocabulary=("a<|endoftext|><|nospeech|>b",)), monkeypatch)["prompts"]
    assert engine._whisper.hf_tokenizer.decode(prompt[1:-3], skip_special_tokens=False) == " ab"


class Output:
    """What CTranslate2 gives for one clip."""

    def __init__(self, tokens: list[int], score: float, no_speech: float) -> None:
        self.sequences_ids, self.scores, self.no_speech_prob = [tokens], [score], no_speech


@pytest.fixture
def said(engine: FasterWhisper, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts words into the model's mouth: ``said(first, again)``; each (text, score, no-speech probability)."""

    def script(*takes: tuple[str, float, float]) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []

        def generate(encoded: Any, jobs: Any, options: Any, **more: Any) -> list[_Decoding]:
            text, score, no_speech = takes[len(calls)]
            calls.append(more)
            tokenizer = engine._tokenizer("en")
            return [_Decoding.of(Output([T0, *tokenizer.encode(" " + text), t(1000)], score, no_speech), tokenizer)]

        monkeypatch.setattr(engine, "_generate", generate)
        return calls

    return script


LOOP, CLEAN = "eight " * 12, "eight eight nine"


def text_of(result: Result) -> tuple[str, tuple[str, ...]]:
    return " ".join(u.text for u in result.utterances), result.utterances[0].flags


def test_a_loop_is_decoded_again_and_the_cure_is_kept(engine: FasterWhisper, noise: Clip, said: Any) -> None:
    calls = said((LOOP, -0.1, 0.0), (CLEAN, -0.9, 0.0))
    (result,) = engine.transcribe([noise], Options())
    assert text_of(result) == (CLEAN, ())
    assert calls[0] == {}
    assert calls[1]["no_repeat_ngram_size"] > 0
    assert calls[1]["repetition_penalty"] > 1


def test_a_loop_without_cure_is_flagged_and_the_likelier_one_kept(
    engine: FasterWhisper, noise: Clip, said: Any
) -> None:
    said((LOOP, -0.5, 0.0), ("nine " * 12, -0.1, 0.0))
    (result,) = engine.transcribe([noise], Options())
    assert text_of(result) == (("nine " * 12).strip(), ("repetition",))


def test_a_cure_that_says_nothing_is_still_no_loop(engine: FasterWhisper, noise: Clip, said: Any) -> None:
    said((LOOP, -0.5, 0.0), ("", -0.1, 0.0))
    assert engine.transcribe([noise], Options()) == [Result((), "en")]


def test_a_clean_text_is_decoded_once(engine: FasterWhisper, noise: Clip, said: Any) -> None:
    calls = said((CLEAN, -0.3, 0.1))
    (result,) = engine.transcribe([noise], Options())
    assert len(calls) == 1
    (utterance,) = result.utterances
    assert (utterance.temperature, utterance.no_speech_prob) == (0.0, 0.1)
    # The score is a mean over five tokens; the end of text, a sixth, has cost nothing more.
    assert utterance.avg_logprob == pytest.approx(-0.3 * 5 / 6, abs=1e-3)
    assert utterance.compression_ratio is not None


@pytest.mark.parametrize(
    ("score", "no_speech", "kept"), [(-2.0, 0.9, False), (-0.3, 0.9, True), (-2.0, 0.1, True), (-0.3, 0.1, True)]
)
def test_silence_is_what_is_no_speech_and_unlikely_as_text(
    engine: FasterWhisper, noise: Clip, said: Any, score: float, no_speech: float, kept: bool
) -> None:
    said((CLEAN, score, no_speech))
    (result,) = engine.transcribe([noise], Options())
    assert bool(result.utterances) is kept


def test_a_failure_of_native_code_is_an_engine_error(
    engine: FasterWhisper, noise: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("CUDA failed with error out of memory")

    monkeypatch.setattr(engine, "_generate", fail)
    with pytest.raises(EngineError, match=r"tiny failed: CUDA.*batch_size lower"):
        engine.transcribe([noise], Options())


def test_bands_that_do_not_fit_the_model_are_named(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(MODEL.path / "ct2", copy)
    (copy / "preprocessor_config.json").write_text('{"feature_size": 128}')
    with pytest.raises(BrokenModel, match=r"preprocessor_config\.json says 128 bands"):
        FasterWhisper(replace(MODEL, path=copy), Decoding(threads=1))


def test_an_old_conversion_without_a_preprocessor_config_loads(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(MODEL.path / "ct2", copy, ignore=shutil.ignore_patterns("preprocessor_config.json"))
    assert FasterWhisper(replace(MODEL, path=copy), Decoding(threads=1))._extract.mel_filters.shape[0] == 80


def test_all_probabilities_of_languages_are_told_the_best_as_detected(engine: FasterWhisper, noise: Clip) -> None:
    clips = [replace(noise, language=None), Clip(np.zeros(0, np.float32))]
    whole, nothing = engine.language_probabilities(clips)
    assert whole is not None and nothing is None
    best = max(whole, key=lambda language: whole[language])
    assert engine.detect_language(clips)[0] == (best, round(whole[best], 4))
    assert abs(sum(whole.values()) - 1) < 1e-3 and {"en", "nb", "sv"} <= set(whole)
