"""From transformers weights to CTranslate2: the traps of published models, and the same output as the original."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speechpipe import installed
from speechpipe.engines.contract import Clip, ModelFiles, Options
from speechpipe.errors import BrokenModel, DependencyError, EngineError
from speechpipe.registry.fetching import conversion
from speechpipe.registry.storing.folders import check
from speechpipe.settings.decoding import Decoding
from tests.stored import model_bin

WHISPER, CTC = "whisper-tiny-archive", "wav2vec2-tiny-archive"
XLS_R = {"model_type": "wav2vec2", "feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}


def original(name: str, folder: Path) -> Path:
    """The embedded model in transformers' form alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (installed.models_folder() / name).iterdir():
        if path.suffix in (".json", ".safetensors") and path.name != "speechpipe.json":
            shutil.copyfile(path, folder / path.name)
    return folder


def described(folder: Path, *files: str, **config: object) -> Path:
    """A folder with this config.json, and empty files beside it."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    for name in files:
        (folder / name).write_text("{}")
    return folder


def slate(root: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    with wave.open(str(root / "sample_audio" / "slate.wav")) as file:
        return (np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32_768).astype(np.float32)


@pytest.mark.parametrize(
    ("files", "config", "said"),
    [
        ([], {"model_type": "whisper"}, r"no tokenizer: the file tokenizer\.json"),
        (["vocab.json"], {"model_type": "whisper"}, r"tokenizer\.json"),
        ([], XLS_R, r"no tokenizer: the file vocab\.json"),
        (["vocab.json"], {**XLS_R, "architectures": ["Wav2Vec2Model"]}, "no CTC head"),
        (["vocab.json"], {"model_type": "llama"}, "not used here: llama"),
        (["vocab.json"], {}, "not used here: None"),
    ],
)
def test_what_cannot_be_used_is_refused(files: list[str], config: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(BrokenModel, match=said):
        conversion.plan(described(tmp_path, *files, **config), "Org/m")


@pytest.mark.parametrize(
    ("config", "converts"),
    [
        (XLS_R, True),
        ({**XLS_R, "feat_extract_norm": "group"}, False),
        ({**XLS_R, "conv_bias": False}, False),
        ({**XLS_R, "do_stable_layer_norm": False}, False),
        ({**XLS_R, "add_adapter": True}, False),
        ({"model_type": "wav2vec2-bert", "architectures": ["Wav2Vec2BertForCTC"]}, False),
    ],
)
def test_which_layouts_ctranslate2_runs(
    config: dict[str, object], converts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "missing_packages", list)
    assert conversion.plan(described(tmp_path, "vocab.json", **config), "Org/m") is converts


def test_missing_packages_are_named_with_their_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "missing_packages", lambda: ["torch"])
    folder = described(tmp_path, "tokenizer.json", model_type="whisper")
    with pytest.raises(DependencyError, match=r"Org/m must be converted, and torch .*pip install 'speechpipe\[tr"):
        conversion.plan(folder, "Org/m")


def safetensors(path: Path, kind: str) -> None:
    header = json.dumps({"x": {"dtype": kind, "shape": [1], "data_offsets": [0, 2]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(2))


@pytest.mark.parametrize(
    ("stated", "stored", "device", "expected"),
    [
        ("float32", "F32", "cpu", "int8"),
        ("bfloat16", "BF16", "cpu", "int8"),
        ("float32", "F32", "cuda", "float16"),
        ("float16", "F16", "cuda", "float16"),
        ("bfloat16", "F32", "cuda", "bfloat16"),
        ("float32", "BF16", "cuda", "bfloat16"),
    ],
)
def test_the_type_suits_the_device_and_bfloat16_never_becomes_float16(
    stated: str, stored: str, device: str, expected: str, tmp_path: Path
) -> None:
    for key in ("dtype", "torch_dtype"):
        folder = described(tmp_path, **{key: stated})
        safetensors(folder / "model.safetensors", stored)
        assert conversion.compute_type(folder, device) == expected


def test_a_model_is_not_converted_to_what_spoils_it(tmp_path: Path) -> None:
    folder = described(tmp_path)
    safetensors(folder / "model.safetensors", "F32")
    assert conversion.compute_type(folder, "cuda", ("float16",)) == "bfloat16"
    assert conversion.compute_type(folder, "cuda", ("float16", "bfloat16")) == "float32"
    assert conversion.compute_type(folder, "cpu", ("float16",)) == "int8"
    assert conversion.compute_type(folder, "cpu", ("int8",)) == "float32"


@pytest.mark.parametrize("content", [b"", b"\xff" * 8, (9).to_bytes(8, "little") + b'{"half": '])
def test_broken_safetensors_are_named(content: bytes, tmp_path: Path) -> None:
    folder = described(tmp_path)
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(BrokenModel, match=r"model\.safetensors"):
        conversion.compute_type(folder, "cuda")


@pytest.mark.parametrize("bins", [80, 128])
def test_mel_bins_are_read_from_the_weights(bins: int, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(model_bin(mel_bins=bins))
    assert conversion.mel_bins(tmp_path / "model.bin") == bins
    assert conversion.complete(tmp_path) == ["preprocessor_config.json"]
    made = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert made["feature_size"] == bins
    assert conversion.complete(tmp_path) == []


def test_mel_bins_are_those_of_the_embedded_model() -> None:
    assert conversion.mel_bins(installed.models_folder() / WHISPER / "ct2" / "model.bin") == 80
    assert conversion.mel_bins(installed.models_folder() / CTC / "ct2" / "model.bin") is None


@pytest.mark.parametrize("content", [b"", b"\0" * 40, model_bin()[:30], model_bin("Wav2Vec2Spec")])
def test_of_another_file_there_are_no_mel_bins(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(content)
    assert conversion.mel_bins(tmp_path / "model.bin") is None
    assert conversion.complete(tmp_path) == []


def test_a_converter_that_is_killed_is_short_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], -9, "", "")

    monkeypatch.setattr(conversion.subprocess, "run", killed)
    with pytest.raises(EngineError, match="not enough memory"):
        conversion.convert(tmp_path, tmp_path / "out", "int8")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("stdout", "kind"),
    [
        ('{"kind": "ImportError", "message": "no torch"}', DependencyError),
        ('{"kind": "MemoryError", "message": ""}', EngineError),
        ('{"kind": "ValueError", "message": "shape"}', BrokenModel),
        ("not json", BrokenModel),
        ("", BrokenModel),
    ],
)
def test_what_went_wrong_in_the_converter_is_said(
    stdout: str, kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failed(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 1, stdout, "last line of stderr")

    monkeypatch.setattr(conversion.subprocess, "run", failed)
    with pytest.raises(kind):
        conversion.convert(tmp_path, tmp_path / "out", "int8")


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both embedded models, converted from their originals."""
    folder = tmp_path_factory.mktemp("converted")
    targets = {}
    for name in (WHISPER, CTC):
        targets[name] = folder / name
        source = original(name, folder / "source" / name)
        (source / "preprocessor_config.json").unlink() if name == WHISPER else None
        software = conversion.convert(source, targets[name], "int8")
        assert set(software) == {"ctranslate2", "transformers", "torch"}
    return targets


@pytest.mark.extra
def test_converted_models_are_whole(converted: dict[str, Path]) -> None:
    assert (check(converted[WHISPER]).family, check(converted[CTC]).family) == ("whisper", "wav2vec2-ctc")
    made = json.loads((converted[WHISPER] / "ct2" / "preprocessor_config.json").read_text())
    assert made["feature_size"] == 80
    assert (converted[CTC] / "vocab.json").read_bytes() == (installed.models_folder() / CTC / "vocab.json").read_bytes()


@pytest.mark.extra
def test_a_converted_ctc_model_gives_the_originals_logits(
    converted: dict[str, Path], root: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    from speechpipe.engines.ctc.wav2vec2 import load

    pcm = slate(root)
    folder = installed.models_folder() / CTC
    model = Wav2Vec2ForCTC.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    features = Wav2Vec2FeatureExtractor.from_pretrained(folder)(pcm, sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        expected = torch.log_softmax(model(features.input_values).logits[0], -1).numpy()
    exact = tmp_path / "float32"
    conversion.convert(original(CTC, tmp_path / "source"), exact, "float32")
    for path, mean_error in ((exact, 1e-4), (converted[CTC], 0.2)):
        engine: Any = load(ModelFiles("m", path, "wav2vec2-ctc"), Decoding(threads=1))
        emissions = engine.emissions([Clip(pcm)])[0]
        assert emissions.log_probs.shape == expected.shape
        assert np.abs(emissions.log_probs - expected).mean() < mean_error
        assert (emissions.log_probs.argmax(-1) == expected.argmax(-1)).mean() > 0.99


@pytest.mark.extra
def test_a_converted_whisper_model_writes_what_the_original_writes(converted: dict[str, Path], root: Path) -> None:
    import torch
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizerFast

    from speechpipe.engines.whisper.faster_whisper import load

    pcm = slate(root)[: 4 * 16_000]
    folder = installed.models_folder() / WHISPER
    model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    tokenizer = WhisperTokenizerFast.from_pretrained(folder, local_files_only=True)
    features = WhisperFeatureExtractor(feature_size=80)(pcm, sampling_rate=16_000, return_tensors="pt").input_features
    with torch.no_grad():
        ids = model.generate(features, language="en", task="transcribe", num_beams=5)
    expected = tokenizer.batch_decode(ids, skip_special_tokens=True)[0].split()
    engine = load(ModelFiles("m", converted[WHISPER], "whisper"), Decoding(threads=1))
    (result,) = engine.transcribe([Clip(pcm, "en")], Options())
    assert len(expected) > 3
    assert " ".join(utterance.text for utterance in result.utterances).split() == expected


@pytest.mark.extra
def test_a_model_of_128_mel_bins_in_bfloat16_without_a_ready_tokenizer(tmp_path: Path) -> None:
    import ctranslate2
    import torch
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    source = tmp_path / "source"
    config = WhisperConfig(
        vocab_size=51866, num_mel_bins=128, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
    )  # fmt: skip
    WhisperForConditionalGeneration(config).to(torch.bfloat16).save_pretrained(source)
    embedded = json.loads((installed.models_folder() / WHISPER / "tokenizer.json").read_text())
    vocabulary = embedded["model"]["vocab"]
    (source / "vocab.json").write_text(json.dumps(vocabulary))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in embedded["model"]["merges"]]
    (source / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    shutil.copyfile(installed.models_folder() / WHISPER / "tokenizer_config.json", source / "tokenizer_config.json")
    assert conversion.plan(source, "Org/m")
    assert conversion.compute_type(source, "cuda") == "bfloat16"
    conversion.convert(source, tmp_path / "out", "int8")
    checked = check(tmp_path / "out")
    assert json.loads((checked.weights / "preprocessor_config.json").read_text())["feature_size"] == 128
    assert (checked.weights / "tokenizer.json").is_file()
    model = ctranslate2.models.Whisper(str(checked.weights), compute_type="float32")
    assert model.n_mels == 128


class Wicked:
    """Unpickled, it would write a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


@pytest.mark.extra
def test_pickled_weights_are_data(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    source = original(CTC, tmp_path / "source")
    torch.save(load_file(source / "model.safetensors"), source / "pytorch_model.bin")
    (source / "model.safetensors").unlink()
    assert conversion.convert(source, tmp_path / "out", "float32")
    check(tmp_path / "out")
    marker = tmp_path / "sprung"
    # In torch's own archive: a bare pickle is refused for its form, before anything in it could run.
    torch.save({"lm_head.weight": Wicked(marker)}, source / "pytorch_model.bin")
    with pytest.raises(BrokenModel, match="cannot be converted"):
        conversion.convert(source, tmp_path / "wicked", "float32")
    assert not marker.exists()
    assert not (tmp_path / "wicked").exists()


@pytest.mark.extra
def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path) -> None:
    source = original(CTC, tmp_path / "source")
    config = json.loads((source / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModelForCTC": "evil.Model"}
    (source / "config.json").write_text(json.dumps(config))
    (source / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (source / "torch.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    program = (
        f"from pathlib import Path\nfrom speechpipe.registry.fetching import conversion\n"
        f"conversion.convert(Path({str(source)!r}), Path({str(tmp_path / 'out')!r}), 'int8')\n"
    )
    subprocess.run([sys.executable, "-P", "-c", program], cwd=source, check=True)
    assert not (tmp_path / "ran").exists()
    check(tmp_path / "out")


@pytest.mark.extra
@pytest.mark.parametrize("spoil", ["cut", "tokenizer"])
def test_a_broken_original_is_one_line(spoil: str, tmp_path: Path) -> None:
    source = original(WHISPER, tmp_path / "source")
    if spoil == "cut":
        weights = source / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1_000_000])
    else:
        (source / "tokenizer.json").write_text('{"version": 1}')
    with pytest.raises(BrokenModel, match="cannot be converted") as caught:
        conversion.convert(source, tmp_path / "out", "int8")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
