"""Whisper: timestamps to utterances, loops found and decoded again, languages mapped, silence judged."""

from __future__ import annotations

import shutil
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
from faster_whisper.transcribe import get_compression_ratio
from numpy.typing import NDArray

from speechpipe.engines import load_engine
from speechpipe.engines.contract import Clip, ModelFiles, Options, Result
from speechpipe.engines.whisper import fallback
from speechpipe.engines.whisper.faster_whisper import FasterWhisper, taken
from speechpipe.engines.whisper.timestamps import split_at_timestamps
from speechpipe.errors import BrokenModel, EngineError, UsageError
from speechpipe.settings.decoding import Decoding

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
    ("asked", "whisper"), [("nb", "no"), ("nb-NO", "no"), ("nob", "no"), ("nn", "nn"), ("jv", "jw"), ("en", "en")]
)
def test_languages_are_named_as_whisper_names_them(engine: FasterWhisper, asked: str, whisper: str) -> None:
    assert engine._whisper_language(asked) == whisper


def test_the_language_asked_for_stays_the_label(engine: FasterWhisper, noise: Clip) -> None:
    (result,) = engine.transcribe([replace(noise, language="nb-NO")], Options())
    assert (result.language, result.language_prob) == ("nb-NO", None)


def test_a_language_that_whisper_lacks_is_explained(engine: FasterWhisper, noise: Clip) -> None:
    with pytest.raises(UsageError, match=r"does not know se \(Northern Sámi; not in Whisper\)"):
        engine.transcribe([replace(noise, language="se")], Options())


def test_a_language_newer_than_the_model_is_explained(engine: FasterWhisper, noise: Clip) -> None:
    # Cantonese came with large-v3; this model has the tokens of the first multilingual ones.
    with pytest.raises(UsageError, match=r"does not know yue \(Cantonese\)"):
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


class Spy:
    """CTranslate2's model, working, with what ``generate`` was asked kept in ``calls``; short of memory if told so."""

    def __init__(self, model: Any, calls: list[dict[str, Any]], room_for: int = 99) -> None:
        self._model, self._calls, self._room_for = model, calls, room_for

    def generate(self, features: Any, prompts: Any, **settings: Any) -> Any:
        self._calls.append({"prompts": prompts, **settings})
        if len(prompts) > self._room_for:
            raise RuntimeError("CUDA failed with error out of memory")
        return self._model.generate(features, prompts, **settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


@pytest.fixture
def calls(engine: FasterWhisper, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What CTranslate2 is asked from here on, by the engine's model and by those that it loads anew."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(engine._whisper, "model", Spy(engine._whisper.model, found))
    fresh = ctranslate2.models.Whisper
    monkeypatch.setattr(ctranslate2.models, "Whisper", lambda **how: Spy(fresh(**how), found))
    return found


Calls = list[dict[str, Any]]


@pytest.fixture(scope="module")
def slate() -> NDArray[np.float32]:
    with wave.open(str(ROOT / "sample_audio" / "slate.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32_768


@pytest.fixture
def spoken(slate: NDArray[np.float32]) -> Clip:
    """Six words, well understood."""
    return Clip(slate[8_000:54_000], "en")


@pytest.fixture
def looping(slate: NDArray[np.float32]) -> Clip:
    """The same words over and over, so that a true text is a loop."""
    return Clip(np.tile(slate[8_000:40_000], 14)[:480_000], "en")


@pytest.fixture
def backwards(slate: NDArray[np.float32]) -> Clip:
    """Speech that nobody understands."""
    return Clip(slate[::-1].copy(), "en")


def text_of(result: Result) -> str:
    return " ".join(utterance.text for utterance in result.utterances)


def test_names_prompt_and_what_was_said_come_before_the_clip(engine: FasterWhisper, noise: Clip, calls: Calls) -> None:
    decode = engine._whisper.hf_tokenizer.decode
    told = Options(vocabulary=("Hitra", "Smøla"), prompt="Reel four.")
    engine.transcribe([noise], Options())
    engine.transcribe([replace(noise, prompt="and so on")], told)
    (plain,), (prompt,) = calls[0]["prompts"], calls[1]["prompts"]
    assert decode(prompt[:1], skip_special_tokens=False) == "<|startofprev|>"
    assert decode(prompt[1 : -len(plain)]) == " Hitra, Smøla Reel four. and so on"
    assert prompt[-len(plain) :] == plain


def test_a_prompt_gives_the_model_no_commands(engine: FasterWhisper, noise: Clip, calls: Calls) -> None:
    engine.transcribe([noise], Options(vocabulary=("a<|endoftext|><|nospeech|>b",)))
    (prompt,) = calls[0]["prompts"]
    assert engine._whisper.hf_tokenizer.decode(prompt[1:-3], skip_special_tokens=False) == " ab"


def test_beam_and_batch_are_those_asked_for(engine: FasterWhisper, spoken: Clip, calls: Calls) -> None:
    engine.transcribe([spoken] * 3, Options(beam_size=2, batch_size=2))
    assert [(call["beam_size"], len(call["prompts"])) for call in calls] == [(2, 2), (2, 1)]


def test_a_clear_text_is_decoded_once_without_chance(engine: FasterWhisper, spoken: Clip, calls: Calls) -> None:
    (result,) = engine.transcribe([spoken], Options())
    assert text_of(result).startswith("tape four one seven side two")
    assert {u.flags for u in result.utterances} == {()}
    assert {u.temperature for u in result.utterances} == {0.0}
    (call,) = calls
    assert (call["num_hypotheses"], call["repetition_penalty"], call["no_repeat_ngram_size"]) == (1, 1.0, 0)
    assert "sampling_temperature" not in call


def test_a_loop_is_decoded_again_without_repeats(engine: FasterWhisper, looping: Clip, calls: Calls) -> None:
    (result,) = engine.transcribe([looping], Options())
    assert {u.flags for u in result.utterances} == {("decoded_again", "no_repeats")}
    assert len(calls) == 2
    assert calls[1]["no_repeat_ngram_size"] > 0
    assert calls[1]["repetition_penalty"] > 1
    words = text_of(result).split()
    fours = list(zip(words, words[1:], words[2:], words[3:], strict=False))
    assert len(fours) == len(set(fours))


def test_a_loop_is_kept_with_its_flag_where_nothing_is_tried(
    engine: FasterWhisper, looping: Clip, calls: Calls
) -> None:
    (result,) = engine.transcribe([looping], Options(fallback="off"))
    assert {u.flags for u in result.utterances} == {("repetition",)}
    assert len(calls) == 1


def test_what_nobody_understands_goes_down_the_whole_ladder(
    engine: FasterWhisper, backwards: Clip, calls: Calls
) -> None:
    (result,) = engine.transcribe([backwards], Options())
    assert all("low_logprob" in u.flags for u in result.utterances)
    assert [(call["beam_size"], len(call["prompts"])) for call in calls] == [(5, 1), (10, 1), (5, 2), (1, 1), (1, 1)]
    assert [call.get("sampling_temperature") for call in calls] == [None, None, None, 0.4, 0.8]
    assert all(call["sampling_topk"] == 0 and call["num_hypotheses"] == 5 for call in calls[3:])


def test_without_chance_no_model_is_loaded_anew(
    engine: FasterWhisper, backwards: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctranslate2.models, "Whisper", None)
    assert engine.transcribe([backwards], Options(fallback="deterministic"))[0].utterances
    with pytest.raises(TypeError):
        engine.transcribe([backwards], Options(fallback="full"))


def test_chance_gives_the_same_words_whatever_came_before(
    engine: FasterWhisper, backwards: Clip, looping: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only what was sampled counts here, so every deterministic way is taken away.
    sampled = tuple(attempt for attempt in fallback.LADDER if attempt.temperature)
    monkeypatch.setattr(fallback, "LADDER", sampled)
    monkeypatch.setattr(engine, "limits", fallback.Limits(logprob=0.0, compression=0.0))
    monkeypatch.setattr(fallback.Limits, "rank", lambda self, take: (1, take.avg_logprob))  # the unlikeliest
    first = engine.transcribe([backwards], Options())
    assert {u.temperature for u in first[0].utterances} < {0.4, 0.8}
    assert engine.transcribe([looping, backwards], Options())[1] == first[0]
    other = FasterWhisper(MODEL, Decoding(threads=1))
    other.limits = engine.limits
    assert other.transcribe([backwards], Options()) == first
    monkeypatch.setattr(fallback, "SEED", 1)
    assert engine.transcribe([backwards], Options()) != first


def test_only_the_clip_that_failed_costs_more(engine: FasterWhisper, spoken: Clip, looping: Clip, calls: Calls) -> None:
    alone = engine.transcribe([spoken], Options())[0]
    calls.clear()
    results = engine.transcribe([spoken, looping, spoken], Options())
    assert [len(call["prompts"]) for call in calls] == [3, 1]
    assert text_of(results[0]) == text_of(results[2]) == text_of(alone)


def test_what_was_told_before_is_left_out_first(engine: FasterWhisper, backwards: Clip, calls: Calls) -> None:
    engine.transcribe([replace(backwards, prompt="tape four")], Options(fallback="deterministic"))
    lengths = [len(call["prompts"][0]) for call in calls]
    assert lengths[0] > lengths[1]
    assert lengths[1] < lengths[2] == lengths[0]
    assert calls[0]["beam_size"] == calls[1]["beam_size"]


@pytest.mark.parametrize("room", [1, 2, 3])
def test_short_of_memory_the_batch_is_halved_and_the_words_are_the_same(spoken: Clip, noise: Clip, room: int) -> None:
    engine = FasterWhisper(MODEL, Decoding(threads=1))
    clips, once = [spoken, noise, spoken, noise, spoken], Options(fallback="off")
    before = engine.transcribe(clips, once)
    calls: Calls = []
    engine._whisper.model = Spy(engine._whisper.model, calls, room)
    after = engine.transcribe(clips, once)
    assert [text_of(result) for result in after] == [text_of(result) for result in before]
    assert max(len(call["prompts"]) for call in calls[-3:]) <= room
    assert {u.flags for result in after for u in result.utterances} == {("smaller_batch",)}
    assert {u.flags for u in engine.transcribe(clips[:1], once)[0].utterances} == {()}


def test_where_not_even_one_clip_fits_the_cure_is_told(spoken: Clip) -> None:
    engine = FasterWhisper(MODEL, Decoding(threads=1))
    engine._whisper.model = Spy(engine._whisper.model, [], room_for=0)
    with pytest.raises(EngineError, match=r"tiny ran out of memory\..*batch_size lower"):
        engine.transcribe([spoken, spoken], Options())


class Output:
    """What CTranslate2 gives for one clip."""

    def __init__(self, tokens: list[int], score: float, no_speech: float) -> None:
        self.sequences_ids, self.scores, self.no_speech_prob = [tokens], [score], no_speech


def test_the_figures_of_a_take_are_those_of_faster_whisper(engine: FasterWhisper) -> None:
    tokenizer = engine._tokenizer("en")
    tokens = [T0, *tokenizer.encode(" eight eight nine"), t(1000)]
    take = taken(Output(tokens, -0.3, 0.1), tokenizer, np.zeros(80_000, np.float32))
    assert take.pieces == ((0, 1000, "eight eight nine"),)
    # The score is a mean over five tokens; the end of text, a sixth, has cost nothing more.
    assert take.avg_logprob == pytest.approx(-0.3 * 5 / 6)
    assert (take.tokens, take.no_speech_prob) == (6, 0.1)
    assert take.compression_ratio == get_compression_ratio("eight eight nine")


@pytest.mark.parametrize("limits", [fallback.Limits(logprob=0.0), fallback.Limits(logprob=0.0, no_speech=0.0)])
def test_the_limits_are_the_engines_own(
    engine: FasterWhisper, spoken: Clip, monkeypatch: pytest.MonkeyPatch, limits: fallback.Limits
) -> None:
    monkeypatch.setattr(engine, "limits", limits)
    (result,) = engine.transcribe([spoken], Options(fallback="off"))
    assert [u.flags for u in result.utterances[:1]] == ([("low_logprob",)] if limits.no_speech else [])


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
