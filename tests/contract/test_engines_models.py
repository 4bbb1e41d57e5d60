"""Which engine runs which model; models with files missing, damaged or malicious; machines that lack something."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
import subprocess
import sys
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speechpipe.engines import ENGINES, engine_for, load_acoustic_model, load_engine
from speechpipe.engines.contract import Clip, ModelFiles, Options
from speechpipe.errors import BrokenModel, UnknownEngine, UsageError
from speechpipe.settings.decoding import Decoding
from tests import ctc_models

ROOT = Path(__file__).resolve().parents[2]
WHISPER = ModelFiles("tiny", ROOT / "models" / "whisper-tiny-archive", "whisper")
WAV2VEC2 = ModelFiles("tiny", ROOT / "models" / "wav2vec2-tiny-archive", "wav2vec2-ctc")
ONE_THREAD = Decoding(threads=1)

#: Engine, model, and the files that it cannot do without.
NEEDED: dict[str, tuple[str, ModelFiles, tuple[str, ...]]] = {
    "faster-whisper": (
        "faster-whisper",
        WHISPER,
        ("ct2/model.bin", "ct2/config.json", "ct2/tokenizer.json", "ct2/vocabulary.json"),
    ),
    "wav2vec2": ("wav2vec2", WAV2VEC2, ("ct2/model.bin", "vocab.json")),
    "whisper": ("whisper", WHISPER, ("model.safetensors", "config.json")),
    "transformers-whisper": ("transformers", WHISPER, ("model.safetensors", "config.json", "tokenizer.json")),
    "transformers-wav2vec2": (
        "transformers",
        WAV2VEC2,
        ("model.safetensors", "config.json", "vocab.json", "preprocessor_config.json"),
    ),
}
ON_CTRANSLATE2 = ("faster-whisper", "wav2vec2")


def marks(name: str) -> Any:
    return () if name in ON_CTRANSLATE2 else pytest.mark.extra


EACH = [pytest.param(name, marks=marks(name)) for name in NEEDED]
EACH_FILE = [pytest.param(name, file, marks=marks(name)) for name, (_, _, files) in NEEDED.items() for file in files]


@pytest.fixture(scope="module")
def clip() -> Clip:
    with wave.open(str(ROOT / "sample_audio" / "slate.wav")) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32_768
    return Clip(pcm[:60_000], "en")


def heard(engine: str, model: ModelFiles, clip: Clip) -> str:
    (result,) = load_engine(engine, model, ONE_THREAD).transcribe([clip], Options())
    return " ".join(utterance.text for utterance in result.utterances)


def a_copy(name: str, folder: Path) -> tuple[str, ModelFiles]:
    engine, model, files = NEEDED[name]
    unread = [] if "model.safetensors" in files else ["*.safetensors"]
    shutil.copytree(model.path, folder / "copy", ignore=shutil.ignore_patterns("README.md", *unread))
    return engine, replace(model, path=folder / "copy")


# --- which engine runs which model ---


def test_the_engine_follows_from_the_model_and_its_files(tmp_path: Path) -> None:
    assert (engine_for(WHISPER), engine_for(WAV2VEC2)) == ("faster-whisper", "wav2vec2")
    (tmp_path / "model.safetensors").touch()
    of_hugging_face = {
        family: engine_for(ModelFiles("m", tmp_path, family))
        for family in ("whisper", "wav2vec2-ctc", "wav2vec2-bert-ctc", "hubert-ctc", "fake")
    }
    assert set(of_hugging_face.values()) == {"transformers", "fake"}
    assert of_hugging_face["fake"] == "fake"


def test_the_form_for_ctranslate2_comes_first(tmp_path: Path) -> None:
    for file in ("model.safetensors", "model.bin"):
        (tmp_path / file).touch()
    assert engine_for(ModelFiles("m", tmp_path, "whisper")) == "faster-whisper"
    assert engine_for(ModelFiles("m", tmp_path, "whisper"), "transformers") == "transformers"


def test_a_checkpoint_of_openai_goes_to_its_own_engine(tmp_path: Path) -> None:
    (tmp_path / "model.pt").touch()
    assert engine_for(ModelFiles("m", tmp_path, "whisper")) == "whisper"


def test_a_folder_without_weights_is_never_faked(tmp_path: Path) -> None:
    assert engine_for(ModelFiles("m", tmp_path, "whisper")) == "faster-whisper"
    with pytest.raises(BrokenModel, match=r"model\.bin"):
        load_engine("auto", ModelFiles("m", tmp_path, "whisper"), ONE_THREAD)


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_refuses_a_family_it_does_not_run(name: str) -> None:
    stranger = replace(WHISPER, family="rnn-t")
    with pytest.raises(UsageError, match="rnn-t"):
        load_engine(name, stranger, ONE_THREAD)
    with pytest.raises(UsageError, match="No engine"):
        engine_for(stranger)


def test_a_model_of_the_other_family_is_named() -> None:
    with pytest.raises(UsageError, match=r"wav2vec2 runs wav2vec2-ctc models; tiny is of the family whisper"):
        load_engine("wav2vec2", WHISPER, ONE_THREAD)
    for engine in ("faster-whisper", "whisper"):
        with pytest.raises(UsageError, match=f"{engine} runs whisper models"):
            load_engine(engine, WAV2VEC2, ONE_THREAD)
    with pytest.raises(UsageError, match="cannot align"):
        load_acoustic_model(WHISPER, ONE_THREAD)
    assert engine_for(WHISPER, "fake") == "fake"


@pytest.mark.extra
@pytest.mark.parametrize("family", ["wav2vec2-ctc", "wav2vec2-bert-ctc", "hubert-ctc"])
def test_a_folder_that_holds_another_family_than_was_said(family: str) -> None:
    with pytest.raises(BrokenModel, match=r"config\.json is of a whisper model, not of a"):
        load_engine("transformers", replace(WHISPER, family=family), ONE_THREAD)
    for engine in ("whisper", "transformers"):
        with pytest.raises(BrokenModel, match=r"config\.json is of a wav2vec2 model, not of a whisper one"):
            load_engine(engine, replace(WAV2VEC2, family="whisper"), ONE_THREAD)


def test_an_unknown_engine_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownEngine, match=r"'vosk'.*wav2vec2, transformers, torchaudio, whisper, fake"):
        engine_for(WHISPER, "vosk")


# --- models with files missing or damaged ---


@pytest.mark.parametrize(("name", "file"), EACH_FILE)
def test_a_missing_file_is_named(tmp_path: Path, name: str, file: str) -> None:
    engine, model = a_copy(name, tmp_path)
    (model.path / file).unlink()
    with pytest.raises(BrokenModel, match=Path(file).name):
        load_engine(engine, model, ONE_THREAD)


@pytest.mark.parametrize(("name", "file"), EACH_FILE)
@pytest.mark.parametrize("content", [b"", b"not what it should be"])
def test_a_damaged_file_is_a_broken_model(tmp_path: Path, name: str, file: str, content: bytes) -> None:
    engine, model = a_copy(name, tmp_path)
    (model.path / file).write_bytes(content)
    with pytest.raises(BrokenModel, match=rf"{tmp_path}.*{Path(file).name}"):
        load_engine(engine, model, ONE_THREAD)


@pytest.mark.parametrize("name", EACH)
def test_truncated_weights_are_a_broken_model(tmp_path: Path, name: str) -> None:
    engine, model = a_copy(name, tmp_path)
    weights = model.path / NEEDED[name][2][0]
    weights.write_bytes(weights.read_bytes()[:100_000])
    with pytest.raises(BrokenModel, match=weights.name):
        load_engine(engine, model, ONE_THREAD)


@pytest.mark.extra
@pytest.mark.parametrize("name", ["whisper", "transformers-whisper", "transformers-wav2vec2"])
def test_weights_that_lack_one_are_no_model(tmp_path: Path, name: str) -> None:
    """transformers alone would put random numbers there, and go on."""
    from safetensors.torch import load_file, save_file

    engine, model = a_copy(name, tmp_path)
    weights = load_file(model.path / "model.safetensors")
    del weights[next(key for key in sorted(weights) if "layers.1" in key)]
    save_file(weights, model.path / "model.safetensors", {"format": "pt"})
    with pytest.raises(BrokenModel, match=r"model\.safetensors"):
        load_engine(engine, model, ONE_THREAD)


@pytest.mark.parametrize("name", ON_CTRANSLATE2)
def test_the_weights_may_lie_in_the_folder_itself(tmp_path: Path, name: str, clip: Clip) -> None:
    engine, model = a_copy(name, tmp_path)
    for path in (model.path / "ct2").iterdir():
        if not (model.path / path.name).exists() or name == "faster-whisper":
            path.replace(model.path / path.name)
    shutil.rmtree(model.path / "ct2")
    assert heard(engine, model, clip) == heard(engine, NEEDED[name][1], clip) != ""


# --- other forms of weights; what is malicious in them is not run ---


@pytest.mark.extra
@pytest.mark.parametrize("name", ["whisper", "transformers-whisper", "transformers-wav2vec2"])
def test_weights_may_lie_in_several_files(tmp_path: Path, name: str, clip: Clip) -> None:
    from safetensors.torch import load_file, save_file

    engine, model = a_copy(name, tmp_path)
    state = load_file(model.path / "model.safetensors")
    parts: dict[str, dict[str, Any]] = {"model-1.safetensors": {}, "model-2.safetensors": {}}
    index = {key: sorted(parts)[number % 2] for number, key in enumerate(state)}
    for key, part in index.items():
        parts[part][key] = state[key]
    for part, held in parts.items():
        save_file(held, model.path / part, {"format": "pt"})
    (model.path / "model.safetensors").unlink()
    (model.path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    assert heard(engine, model, clip) == heard(engine, NEEDED[name][1], clip) != ""
    (model.path / "model-2.safetensors").unlink()
    with pytest.raises(BrokenModel, match="model"):
        load_engine(engine, model, ONE_THREAD)


class Trap:
    """Unpickled, it would write a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


@pytest.mark.extra
@pytest.mark.parametrize(
    ("name", "file"),
    [("whisper", "model.pt"), ("whisper", "pytorch_model.bin"), ("transformers-whisper", "pytorch_model.bin")],
)
@pytest.mark.parametrize("form", ["torch", "pickle"])
def test_code_in_weights_is_not_run(tmp_path: Path, name: str, file: str, form: str) -> None:
    import torch

    engine, model = a_copy(name, tmp_path)
    (model.path / "model.safetensors").unlink()
    content = {"dims": {}, "model_state_dict": {}, "trap": Trap(tmp_path / "sprung")}
    if form == "torch":
        torch.save(content, model.path / file)
    else:
        (model.path / file).write_bytes(pickle.dumps(content))
    with pytest.raises(BrokenModel, match=file):
        load_engine(engine, model, ONE_THREAD)
    assert not (tmp_path / "sprung").exists()
    pickle.loads(pickle.dumps(Trap(tmp_path / "sprung")))
    assert (tmp_path / "sprung").exists()


@pytest.mark.extra
def test_code_beside_the_weights_is_not_run(tmp_path: Path) -> None:
    _, model = a_copy("transformers-wav2vec2", tmp_path)
    config = json.loads((model.path / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "trap.Trap", "AutoModelForCTC": "trap.Trap"}
    (model.path / "config.json").write_text(json.dumps(config))
    (model.path / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')")
    load_engine("transformers", model, ONE_THREAD)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.extra
def test_a_checkpoint_as_openai_saves_it(tmp_path: Path, clip: Clip) -> None:
    import torch

    from speechpipe.engines.whisper.openai_whisper import _model

    built = _model(WHISPER)
    checkpoint = {"dims": vars(built.dims), "model_state_dict": built.state_dict()}
    torch.save(checkpoint, tmp_path / "model.pt")
    model = replace(WHISPER, path=tmp_path)
    assert heard("auto", model, clip) == heard("whisper", WHISPER, clip) != ""


@pytest.mark.extra
def test_a_vocabulary_that_openai_does_not_know(tmp_path: Path) -> None:
    _, model = a_copy("whisper", tmp_path)
    config = json.loads((model.path / "config.json").read_text())
    (model.path / "config.json").write_text(json.dumps(config | {"vocab_size": 51_900}))
    with pytest.raises(BrokenModel, match="tokens of its own"):
        load_engine("whisper", model, ONE_THREAD)


def test_a_header_of_safetensors_longer_than_the_file(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 40) + b"{}")
    assert engine_for(ModelFiles("m", tmp_path, "whisper")) == "transformers"


# --- machines without a package or a device ---

PACKAGES = {
    "faster-whisper": ("faster_whisper", "speechpipe"),
    "wav2vec2": ("ctranslate2", "speechpipe"),
    "whisper": ("whisper", "speechpipe[openai]"),
    "transformers-whisper": ("transformers", "speechpipe[transformers]"),
    "transformers-wav2vec2": ("torch", "speechpipe[transformers]"),
}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_that_is_not_installed(name: str) -> None:
    """In a process of its own, where the package cannot be imported, as on a machine without it."""
    engine, model, _ = NEEDED[name]
    package, install = PACKAGES[name]
    code = f"""
import sys
sys.modules[{package!r}] = None
from pathlib import Path
from speechpipe.engines import load_engine
from speechpipe.engines.contract import ModelFiles
from speechpipe.errors import DependencyError
from speechpipe.settings.decoding import Decoding
try:
    load_engine({engine!r}, ModelFiles("m", Path({str(model.path)!r}), {model.family!r}), Decoding())
except DependencyError as error:
    print(error.message, error.advice, sep="\\n")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    said, cure = done.stdout.splitlines()
    assert "is not installed" in said
    assert cure == f'Install it with: pip install "{install}"'


@pytest.mark.parametrize("name", EACH)
def test_a_device_or_compute_type_that_is_not_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, model, _ = NEEDED[name]
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 0)
    if name not in ON_CTRANSLATE2:
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(UsageError, match="no CUDA device"):
        load_engine(engine, model, Decoding(device="cuda"))
    with pytest.raises(UsageError, match="MPS"):
        load_engine(engine, model, Decoding(device="mps"))
    with pytest.raises(UsageError, match="'int3'"):
        load_engine(engine, model, Decoding(device="cpu", compute_type="int3"))


@pytest.mark.extra
@pytest.mark.parametrize("name", ["whisper", "transformers-whisper", "transformers-wav2vec2"])
def test_half_precision_is_for_cuda_alone(name: str) -> None:
    engine, model, _ = NEEDED[name]
    with pytest.raises(UsageError, match="float16"):
        load_engine(engine, model, Decoding(device="cpu", compute_type="float16"))
    assert load_engine(engine, model, Decoding(device="cpu")).info.settings["compute_type"] == "float32"


@pytest.mark.extra
def test_torch_gets_the_threads_that_are_set() -> None:
    import torch

    before = torch.get_num_threads()
    try:
        for threads in (2, 1):
            load_engine("transformers", WAV2VEC2, Decoding(threads=threads))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


@pytest.mark.extra
def test_a_ctc_model_of_hugging_face_alone_aligns(tmp_path: Path, clip: Clip) -> None:
    model = load_acoustic_model(ctc_models.hubert(tmp_path / "m"), ONE_THREAD)
    (emissions,) = model.emissions([clip.pcm])
    assert emissions is not None
    assert emissions.frames == 187
