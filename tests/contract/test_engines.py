"""One contract for every engine, the fake included: order, times, odd clips, options, models that do not fit."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import jiwer
import numpy as np
import pytest
from numpy.typing import NDArray

from speechpipe.engines import ENGINES, check_options, load_engine
from speechpipe.engines.contract import Clip, Engine, ModelFiles, Options, Result, TellsLanguages
from speechpipe.errors import UnknownLanguage, UsageError
from speechpipe.settings.decoding import Decoding
from tests import ctc_models, torchaudio_models

ROOT = Path(__file__).resolve().parents[2]
WHISPER = ModelFiles("tiny", ROOT / "models" / "whisper-tiny-archive", "whisper", "r1", "abc", "CC0-1.0")
WAV2VEC2 = ModelFiles("tiny", ROOT / "models" / "wav2vec2-tiny-archive", "wav2vec2-ctc", "r1", "abc", "CC0-1.0")
ONE_THREAD = Decoding(threads=1)
Samples = NDArray[np.float32]


class Case(NamedTuple):
    """An engine over a model; ``reference``: the case that runs the same model, and says nearly the same."""

    engine: str
    model: ModelFiles | Callable[[Path], ModelFiles]
    reference: str | None = None


LIGHT = {
    "faster-whisper": Case("faster-whisper", WHISPER),
    "wav2vec2": Case("wav2vec2", WAV2VEC2),
    "fake": Case("fake", replace(WHISPER, path=ROOT / "models", family="fake")),
}
ON_TORCH = {
    "whisper": Case("whisper", WHISPER, "faster-whisper"),
    "transformers-whisper": Case("transformers", WHISPER, "faster-whisper"),
    "transformers-wav2vec2": Case("transformers", WAV2VEC2, "wav2vec2"),
    "transformers-wav2vec2-bert": Case("transformers", ctc_models.bert),
    "transformers-hubert": Case("transformers", ctc_models.hubert),
    "torchaudio-wav2vec2": Case("torchaudio", torchaudio_models.archive, "wav2vec2"),
}
CASES = LIGHT | ON_TORCH
#: Those whose model was taught to hear.
REAL = (
    "faster-whisper",
    "wav2vec2",
    "whisper",
    "transformers-whisper",
    "transformers-wav2vec2",
    "torchaudio-wav2vec2",
)


def cases(*names: str) -> list[Any]:
    return [pytest.param(name, marks=pytest.mark.extra if name in ON_TORCH else ()) for name in names]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Engine]:
    """An engine by the name of its case, loaded once."""

    @cache
    def load(name: str) -> Engine:
        case = CASES[name]
        model = case.model if isinstance(case.model, ModelFiles) else case.model(tmp_path_factory.mktemp(name) / "m")
        return load_engine(case.engine, model, ONE_THREAD)

    return load


@pytest.fixture(scope="module", params=cases(*CASES))
def engine(request: pytest.FixtureRequest, loaded: Callable[[str], Engine]) -> Engine:
    return loaded(request.param)


@pytest.fixture(
    scope="module", params=cases(*(name for name in CASES if name.split("-")[-1] in ("whisper", "wav2vec2")))
)
def real(request: pytest.FixtureRequest, loaded: Callable[[str], Engine]) -> Engine:
    """Engines over models that learned to hear."""
    return loaded(request.param)


def takes_prompts(engine: Engine) -> bool:
    """Whisper can be told what was said before, and what to expect."""
    return isinstance(engine, TellsLanguages)


def announcements(recording: str) -> list[tuple[str, Samples]]:
    """What is said between two pauses in a recording of sample_audio, and the sound of it."""
    with wave.open(str(ROOT / "sample_audio" / recording)) as file:
        assert file.getframerate() == 16_000
        frames = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, file.getnchannels())
    reference = json.loads((ROOT / "sample_audio" / f"{recording}.reference.json").read_text())["words"]
    groups = [[reference[0]]]
    for before, word in pairwise(reference):
        pause = word["start_ms"] - before["end_ms"] > 500 or word["channel"] != before["channel"]
        groups.append([word]) if pause else groups[-1].append(word)
    return [
        (
            " ".join(word["text"] for word in group),
            frames[max(0, group[0]["start_ms"] - 200) * 16 : (group[-1]["end_ms"] + 200) * 16, group[0]["channel"] or 0]
            / np.float32(32_768),
        )
        for group in groups
    ]


@pytest.fixture(scope="module")
def spoken() -> list[tuple[str, Samples]]:
    return announcements("slate.wav")


@pytest.fixture(scope="module")
def clips(spoken: list[tuple[str, Samples]]) -> list[Clip]:
    return [Clip(pcm, "en") for _, pcm in spoken]


@pytest.fixture(scope="module")
def many() -> list[Clip]:
    """Three recordings in two languages."""
    languages = {"slate.wav": "en", "interview.wav": "en", "innspilling.wav": "nb"}
    return [Clip(pcm, language) for name, language in languages.items() for _, pcm in announcements(name)]


def tone(ms: int, level: float = 0.3) -> Samples:
    return (level * np.sin(np.arange(ms * 16) * 2 * np.pi * 440 / 16_000)).astype(np.float32)


def texts(results: list[Result]) -> list[str]:
    return [" ".join(utterance.text for utterance in result.utterances) for result in results]


NOTHING_TO_HEAR: dict[str, Callable[[], Samples]] = {
    "empty": lambda: np.zeros(0, np.float32),
    "one sample": lambda: np.ones(1, np.float32),
    "399 samples": lambda: tone(100)[:399],
    "silence": lambda: np.zeros(48_000, np.float32),
    "constant": lambda: np.full(48_000, 0.5, np.float32),
    "a step of 16 bits": lambda: np.where(np.arange(48_000) % 2, 1 / 32_768, 0).astype(np.float32),
    "all NaN": lambda: np.full(16_000, np.nan, np.float32),
    "one NaN": lambda: np.where(np.arange(16_000) == 77, np.nan, tone(1000)).astype(np.float32),
    "infinite": lambda: np.where(np.arange(16_000) == 77, np.inf, tone(1000)).astype(np.float32),
}


@pytest.mark.parametrize("kind", NOTHING_TO_HEAR)
def test_nothing_to_hear_gives_an_empty_result(engine: Engine, kind: str) -> None:
    clip = Clip(NOTHING_TO_HEAR[kind](), "en")
    assert engine.transcribe([clip], Options()) == [Result((), "en")]
    assert engine.detect_language([clip]) == [None]


def test_no_clips_give_no_results(engine: Engine) -> None:
    assert engine.transcribe([], Options()) == []
    assert engine.detect_language([]) == []


@pytest.mark.parametrize("samples", [400, 401, 719, 720, 1600])
def test_shortest_clips_that_can_be_heard(engine: Engine, samples: int) -> None:
    (result,) = engine.transcribe([Clip(tone(200)[:samples], "en")], Options())
    assert all(0 <= u.start_ms <= u.end_ms <= round(samples / 16) for u in result.utterances)


def test_times_count_from_the_clip_and_stay_in_it(engine: Engine, clips: list[Clip]) -> None:
    for clip, result in zip(clips, engine.transcribe(clips, Options()), strict=True):
        assert result.utterances
        last = 0
        for utterance in result.utterances:
            assert 0 <= last <= utterance.start_ms < utterance.end_ms <= len(clip.pcm) // 16
            last = utterance.end_ms
            for word in utterance.words:
                assert utterance.start_ms <= (word.start_ms or 0) <= (word.end_ms or 0) <= utterance.end_ms
                assert word.timing == "decoder"
                assert 0 < (word.confidence or 0) <= 1
            assert utterance.text == " ".join(utterance.text.split()) != ""
            if utterance.words:
                assert utterance.text == " ".join(word.text for word in utterance.words)


def test_order_is_kept_and_batches_change_nothing(engine: Engine, clips: list[Clip]) -> None:
    silent = Clip(np.zeros(16_000, np.float32), "en")
    prompt = "tape" if takes_prompts(engine) else None
    half = Clip(clips[1].pcm[: len(clips[1].pcm) // 2], "en")
    mixed = [clips[2], silent, clips[0], replace(clips[1], prompt=prompt), half, silent]
    together = texts(engine.transcribe(mixed, Options(batch_size=8)))
    assert together == texts(engine.transcribe(mixed, Options(batch_size=2)))
    assert together == [texts(engine.transcribe([clip], Options()))[0] for clip in mixed]
    assert together[1] == together[5] == ""
    assert len(set(together)) >= 4


def test_same_clips_same_results(engine: Engine, clips: list[Clip]) -> None:
    assert engine.transcribe(clips, Options()) == engine.transcribe(clips, Options())


def test_clips_are_left_as_they_were(engine: Engine, clips: list[Clip]) -> None:
    pcm = clips[0].pcm.copy()
    pcm.flags.writeable = False
    engine.transcribe([Clip(pcm, "en")], Options())
    engine.detect_language([Clip(pcm)])
    assert np.array_equal(pcm, clips[0].pcm)


def test_thirty_seconds_are_heard_and_one_sample_more_is_refused(engine: Engine) -> None:
    assert engine.info.max_clip_ms == 30_000
    assert len(engine.transcribe([Clip(tone(30_000, 0.01), "en")], Options())) == 1
    longer = Clip(np.append(tone(30_000, 0.01), np.float32(0)), "en")
    for ask in (lambda: engine.transcribe([longer], Options()), lambda: engine.detect_language([longer])):
        with pytest.raises(UsageError, match="30000 ms"):
            ask()


def test_two_channels_are_refused(engine: Engine) -> None:
    with pytest.raises(UsageError, match="mono"):
        engine.transcribe([Clip(np.zeros((16_000, 2), np.float32), "en")], Options())


@pytest.mark.parametrize("value", [0, -1, True, 2.5, "5", None])
@pytest.mark.parametrize("option", ["beam_size", "batch_size"])
def test_values_that_no_engine_knows(engine: Engine, option: str, value: object) -> None:
    with pytest.raises(UsageError, match=option):
        engine.transcribe([], replace(Options(), **{option: value}))  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", [{"beam_size": 1}, {"prompt": "Reel four."}, {"vocabulary": ("reel", "tape")}])
def test_an_option_is_honoured_or_refused(engine: Engine, clips: list[Clip], asked: dict[str, Any]) -> None:
    if takes_prompts(engine):
        assert texts(engine.transcribe(clips[:1], Options(**asked)))[0]
    else:
        with pytest.raises(UsageError, match=next(iter(asked))):
            engine.transcribe(clips[:1], Options(**asked))


def test_a_prompt_of_a_clip_is_honoured_or_refused(engine: Engine, clips: list[Clip]) -> None:
    if takes_prompts(engine):
        assert texts(engine.transcribe([replace(clips[0], prompt="Reel four.")], Options()))[0]
    else:
        with pytest.raises(UsageError, match="said before"):
            engine.transcribe([replace(clips[0], prompt="Reel four.")], Options())


def test_an_unknown_language_is_refused_before_any_clip_is_heard(engine: Engine, clips: list[Clip]) -> None:
    with pytest.raises(UnknownLanguage, match="klingon"):
        engine.transcribe([clips[0], replace(clips[0], language="klingon")], Options())


def test_info_tells_the_model(engine: Engine) -> None:
    info = engine.info
    assert (info.model, info.model_revision, info.model_sha256, info.model_licence) == ("tiny", "r1", "abc", "CC0-1.0")
    assert info.name in ENGINES
    assert info.version[0].isdigit()
    assert json.loads(json.dumps(info.settings)) == info.settings


def test_speech_is_really_recognised(real: Engine, spoken: list[tuple[str, Samples]], clips: list[Clip]) -> None:
    said = [word for text, _ in spoken for word in text.split()]
    heard = " ".join(texts(real.transcribe(clips, Options()))).split()
    assert len(set(said) & set(heard)) >= 0.8 * len(set(said))


@pytest.mark.parametrize("kind", ["hiss", "hum", "tone"])
def test_no_words_in_what_is_no_speech(real: Engine, kind: str) -> None:
    noise = np.random.default_rng(1).normal(0, 0.05, 80_000).astype(np.float32)
    hum = (0.2 * np.sin(np.arange(80_000) * 2 * np.pi * 50 / 16_000)).astype(np.float32)
    pcm = {"hiss": noise, "hum": hum, "tone": tone(5000)}[kind]
    assert texts(real.transcribe([Clip(pcm, "en")], Options())) == [""]


# --- the same clip in, a comparable result out ---

#: Share of words that may differ from the reference engine's, and how far (ms) the edges of an utterance may be apart.
#: Measured on these 21 announcements: no word, and two steps of Whisper's clock of 20 ms, although the models on
#: CTranslate2 are quantised and those on torch are not. One word more is 0.013.
WORDS_APART, MS_APART, LOGPROB_APART = 0.013, 40, 0.05


@pytest.fixture(scope="module", params=cases(*(name for name, case in CASES.items() if case.reference)))
def pair(request: pytest.FixtureRequest, loaded: Callable[[str], Engine]) -> tuple[Engine, Engine]:
    """The reference engine and another one over the same model."""
    return loaded(str(CASES[request.param].reference)), loaded(request.param)


def test_all_engines_hear_nearly_the_same_words(pair: tuple[Engine, Engine], many: list[Clip]) -> None:
    reference, other = (texts(engine.transcribe(many, Options())) for engine in pair)
    assert len(" ".join(reference).split()) > 60
    assert jiwer.wer(" ".join(reference), " ".join(other)) <= WORDS_APART


def test_all_engines_hear_them_at_nearly_the_same_times(pair: tuple[Engine, Engine], many: list[Clip]) -> None:
    compared = 0
    for reference, other in zip(*(engine.transcribe(many, Options()) for engine in pair), strict=True):
        if texts([reference]) != texts([other]) or len(reference.utterances) != len(other.utterances):
            continue
        for a, b in zip(reference.utterances, other.utterances, strict=True):
            assert abs(a.start_ms - b.start_ms) <= MS_APART
            assert abs(a.end_ms - b.end_ms) <= MS_APART
            compared += 1
    assert compared >= 0.8 * len(many)


def test_all_engines_tell_scores_or_none_alike(pair: tuple[Engine, Engine], many: list[Clip]) -> None:
    for reference, other in zip(*(engine.transcribe(many, Options()) for engine in pair), strict=True):
        for a, b in zip(reference.utterances, other.utterances, strict=False):
            for name in ("avg_logprob", "no_speech_prob", "compression_ratio", "temperature"):
                assert (getattr(a, name) is None) == (getattr(b, name) is None), name
            if a.text == b.text and a.avg_logprob is not None and b.avg_logprob is not None:
                assert a.avg_logprob == pytest.approx(b.avg_logprob, abs=LOGPROB_APART)


def test_all_engines_detect_the_same_language(pair: tuple[Engine, Engine], many: list[Clip]) -> None:
    reference, other = (engine.detect_language(many[::3]) for engine in pair)
    for a, b in zip(reference, other, strict=True):
        assert (a and a[0]) == (b and b[0])
        assert (a and a[1]) == pytest.approx(b and b[1], abs=0.05)


@pytest.mark.extra
def test_engines_on_torch_compute_alike(loaded: Callable[[str], Engine], many: list[Clip]) -> None:
    reference, other = (loaded(name).transcribe(many, Options()) for name in ("whisper", "transformers-whisper"))
    assert texts(reference) == texts(other)
    for a, b in zip(reference, other, strict=True):
        for ours, theirs in zip(a.utterances, b.utterances, strict=True):
            assert (ours.start_ms, ours.end_ms) == (theirs.start_ms, theirs.end_ms)
            assert ours.avg_logprob == pytest.approx(theirs.avg_logprob, abs=1e-3)


def test_no_engine_is_left_out() -> None:
    assert {case.engine for case in CASES.values()} == set(ENGINES)
    families = {family for row in ENGINES.values() for family in row.families}
    assert families == {"fake", "whisper", "wav2vec2-ctc", "wav2vec2-bert-ctc", "hubert-ctc"}


def test_what_an_engine_cannot_do_is_known_before_it_is_loaded(engine: Engine) -> None:
    name, family = engine.info.name, "whisper" if takes_prompts(engine) else "wav2vec2-ctc"
    model = replace(WHISPER, family=family)
    for field in fields(Options):
        other = {
            "beam_size": 2,
            "batch_size": 3,
            "prompt": "x",
            "vocabulary": ("x",),
            "context": True,
            "fallback": "off",
        }
        asked = Options(**{field.name: other[field.name]})  # type: ignore[arg-type]
        if field.name in engine.info.options:
            check_options(name, model, asked)
        else:
            with pytest.raises(UsageError, match=f"{name} has no option {field.name}"):
                check_options(name, model, asked)
