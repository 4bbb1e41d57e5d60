"""One contract for every engine, the fake included: order, times, odd clips, options, models that do not fit."""

from __future__ import annotations

import json
import shutil
import wave
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from speechpipe.engines import ENGINES, engine_for, load_acoustic_model, load_engine
from speechpipe.engines.contract import Clip, Engine, ModelFiles, Options, Result
from speechpipe.errors import BrokenModel, DependencyError, UnknownEngine, UnknownLanguage, UsageError
from speechpipe.settings import Decoding

ROOT = Path(__file__).resolve().parents[2]
MODELS = {
    "faster-whisper": ModelFiles("tiny", ROOT / "models" / "whisper-tiny-archive", "whisper", "r1", "abc", "CC0-1.0"),
    "wav2vec2": ModelFiles("tiny", ROOT / "models" / "wav2vec2-tiny-archive", "wav2vec2-ctc", "r1", "abc", "CC0-1.0"),
    "fake": ModelFiles("tiny", ROOT / "models", "fake", "r1", "abc", "CC0-1.0"),
}
#: The engines that can be told what was said before, and what to expect.
WHISPER = {"faster-whisper"}
ONE_THREAD = Decoding(threads=1)
Samples = NDArray[np.float32]


@pytest.fixture(scope="module", params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Engine:
    return load_engine(request.param, MODELS[request.param], ONE_THREAD)


@pytest.fixture(scope="module", params=["faster-whisper", "wav2vec2"])
def real(request: pytest.FixtureRequest) -> Engine:
    return load_engine(request.param, MODELS[request.param], ONE_THREAD)


@pytest.fixture(scope="module")
def spoken() -> list[tuple[str, Samples]]:
    """The announcements of the slate, each with its text."""
    with wave.open(str(ROOT / "sample_audio" / "slate.wav")) as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32_768
    reference = json.loads((ROOT / "sample_audio" / "slate.wav.reference.json").read_text())["words"]
    groups = [[reference[0]]]
    for before, word in pairwise(reference):
        groups.append([word]) if word["start_ms"] - before["end_ms"] > 500 else groups[-1].append(word)
    return [
        (" ".join(w["text"] for w in g), pcm[(g[0]["start_ms"] - 200) * 16 : (g[-1]["end_ms"] + 200) * 16])
        for g in groups
    ]


@pytest.fixture(scope="module")
def clips(spoken: list[tuple[str, Samples]]) -> list[Clip]:
    return [Clip(pcm, "en") for _, pcm in spoken]


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
    prompt = "tape" if engine.info.name in WHISPER else None
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
    if engine.info.name in WHISPER:
        assert texts(engine.transcribe(clips[:1], Options(**asked)))[0]
    else:
        with pytest.raises(UsageError, match=next(iter(asked))):
            engine.transcribe(clips[:1], Options(**asked))


def test_a_prompt_of_a_clip_is_honoured_or_refused(engine: Engine, clips: list[Clip]) -> None:
    if engine.info.name in WHISPER:
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


# --- which engine runs which model ---


def test_the_engine_follows_from_the_model() -> None:
    assert {name: engine_for(model) for name, model in MODELS.items()} == {name: name for name in ENGINES}


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_refuses_a_family_it_does_not_run(name: str) -> None:
    stranger = replace(MODELS[name], family="rnn-t")
    with pytest.raises(UsageError, match="rnn-t"):
        load_engine(name, stranger, ONE_THREAD)
    with pytest.raises(UsageError, match="No engine"):
        engine_for(stranger)


def test_a_model_of_the_other_family_is_named() -> None:
    with pytest.raises(UsageError, match=r"wav2vec2 runs wav2vec2-ctc models; tiny is of the family whisper"):
        load_engine("wav2vec2", MODELS["faster-whisper"], ONE_THREAD)
    with pytest.raises(UsageError, match="faster-whisper runs whisper models"):
        load_engine("faster-whisper", MODELS["wav2vec2"], ONE_THREAD)
    with pytest.raises(UsageError, match="cannot align"):
        load_acoustic_model(MODELS["faster-whisper"], ONE_THREAD)
    assert engine_for(MODELS["faster-whisper"], "fake") == "fake"


def test_an_unknown_engine_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownEngine, match=r"'vosk'.*faster-whisper, wav2vec2, fake"):
        engine_for(MODELS["fake"], "vosk")


# --- models with files missing or damaged, machines without a package or a device ---


def a_copy(name: str, folder: Path) -> ModelFiles:
    copy = folder / "copy"
    shutil.copytree(MODELS[name].path, copy, ignore=shutil.ignore_patterns("*.safetensors", "README.md"))
    return replace(MODELS[name], path=copy)


NEEDED = {
    "faster-whisper": ["ct2/model.bin", "ct2/config.json", "ct2/tokenizer.json", "ct2/vocabulary.json"],
    "wav2vec2": ["ct2/model.bin", "vocab.json"],
}


@pytest.mark.parametrize(("name", "file"), [(name, file) for name, files in NEEDED.items() for file in files])
def test_a_missing_file_is_named(tmp_path: Path, name: str, file: str) -> None:
    model = a_copy(name, tmp_path)
    (model.path / file).unlink()
    with pytest.raises(BrokenModel, match=Path(file).name):
        load_engine(name, model, ONE_THREAD)


@pytest.mark.parametrize(("name", "file"), [(name, file) for name, files in NEEDED.items() for file in files])
@pytest.mark.parametrize("content", [b"", b"not what it should be"])
def test_a_damaged_file_is_a_broken_model(tmp_path: Path, name: str, file: str, content: bytes) -> None:
    model = a_copy(name, tmp_path)
    (model.path / file).write_bytes(content)
    with pytest.raises(BrokenModel, match=rf"{tmp_path}.*{Path(file).name}"):
        load_engine(name, model, ONE_THREAD)


@pytest.mark.parametrize("name", NEEDED)
def test_truncated_weights_are_a_broken_model(tmp_path: Path, name: str) -> None:
    model = a_copy(name, tmp_path)
    weights = model.path / "ct2" / "model.bin"
    weights.write_bytes(weights.read_bytes()[:100_000])
    with pytest.raises(BrokenModel, match=r"model\.bin"):
        load_engine(name, model, ONE_THREAD)


@pytest.mark.parametrize("name", NEEDED)
def test_the_weights_may_lie_in_the_folder_itself(tmp_path: Path, name: str, clips: list[Clip]) -> None:
    model = a_copy(name, tmp_path)
    for path in (model.path / "ct2").iterdir():
        if not (model.path / path.name).exists() or name == "faster-whisper":
            path.replace(model.path / path.name)
    shutil.rmtree(model.path / "ct2")
    flat = load_engine(name, model, ONE_THREAD).transcribe(clips[:1], Options())
    assert texts(flat) == texts(load_engine(name, MODELS[name], ONE_THREAD).transcribe(clips[:1], Options()))


@pytest.mark.parametrize(("name", "package"), [("faster-whisper", "faster_whisper"), ("wav2vec2", "ctranslate2")])
def test_a_package_that_is_not_installed(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    monkeypatch.delitem(__import__("sys").modules, ENGINES[name].module, raising=False)
    with pytest.raises(DependencyError, match=r"pip install 'speechpipe\["):
        load_engine(name, MODELS[name], ONE_THREAD)


@pytest.mark.parametrize("name", NEEDED)
def test_a_device_or_compute_type_that_is_not_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 0)
    with pytest.raises(UsageError, match="no CUDA device"):
        load_engine(name, MODELS[name], Decoding(device="cuda"))
    with pytest.raises(UsageError, match="'int3'"):
        load_engine(name, MODELS[name], Decoding(device="cpu", compute_type="int3"))
