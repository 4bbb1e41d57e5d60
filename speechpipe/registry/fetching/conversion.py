"""From transformers weights to CTranslate2, where a publisher gives no CTranslate2 form.

The work is done in a process of its own without a network: its memory is given back, and what kills it kills nothing
else. Weights are data: safetensors, or pickles read by ``weights_only``; no code that comes with a model is run.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess  # the converter's own process, by an argument list
import sys
from collections.abc import Sequence
from importlib import util
from pathlib import Path
from typing import Any, BinaryIO

from speechpipe import installed
from speechpipe.errors import BrokenModel, DependencyError, EngineError
from speechpipe.files import explained, opened, read_bytes, write_atomically
from speechpipe.registry.storing.folders import family_of_transformers

#: The wav2vec 2.0 layout that CTranslate2 computes (that of XLS-R); others run on transformers.
_XLS_R = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}

#: Of Whisper: the tokenizer as one file, or what it is made from.
_TOKENIZERS = (("tokenizer.json",), ("vocab.json", "merges.txt"))

#: What stays of the transformers form beside ``ct2``.
_KEPT_OF_CTC = ("config.json", "vocab.json", "preprocessor_config.json", "speechpipe.json")

#: Whisper's features as all its sizes have them; only the number of mel bins differs.
_FEATURES = {"sampling_rate": 16_000, "hop_length": 160, "chunk_length": 30, "n_fft": 400}


def plan(folder: Path, name: str) -> bool:
    """Whether transformers weights are to be converted; False where CTranslate2 cannot run them, but transformers can.

    Looks at the small files only. Raises:
        BrokenModel: a kind of model that is not used here, no CTC head, or no tokenizer; names what is missing.
        DependencyError: it must be converted, and the packages for that are not installed.
    """
    family = family_of_transformers(folder)
    if family == "whisper":
        if not any(all((folder / file).is_file() for file in files) for files in _TOKENIZERS):
            raise BrokenModel(f"{name} has no tokenizer: the file tokenizer.json is missing.", cure=_OTHER)
    else:
        if not (folder / "vocab.json").is_file():
            raise BrokenModel(f"{name} has no tokenizer: the file vocab.json is missing.", cure=_OTHER)
        if family != "wav2vec2-ctc" or not runs_on_ct2(read_object(folder / "config.json")):
            return False
        features = folder / "preprocessor_config.json"
        if features.is_file() and read_object(features).get("sampling_rate", 16_000) != 16_000:
            return False  # only the engines on torch resample
    if missing := missing_packages():
        raise DependencyError(
            f"{name} must be converted, and {' and '.join(missing)} is not installed.",
            cure="Install it with: pip install 'speechpipe[transformers]', or fetch on a machine that has it"
            " and bring the model with: speechpipe models export, then speechpipe models import",
        )
    return True


def missing_packages() -> list[str]:
    """What the conversion needs and is not installed."""
    return [package for package in ("transformers", "torch") if util.find_spec(package) is None]


def runs_on_ct2(config: dict[str, Any]) -> bool:
    """Whether CTranslate2 computes this wav2vec 2.0 layout as transformers does."""
    return all(config.get(key) == value for key, value in _XLS_R.items()) and not config.get("add_adapter")


def compute_type(folder: Path, device: str, avoid: Sequence[str] = ()) -> str:
    """int8 for a processor; for a GPU float16, but bfloat16 where the weights are: those overflow in float16.

    None of ``avoid``, which spoil the model.
    """
    import ctranslate2

    if device == "cpu" or (device == "auto" and not ctranslate2.get_cuda_device_count()):
        return "float32" if "int8" in avoid else "int8"
    kinds = ("bfloat16", "float32") if _is_bfloat16(folder) else ("float16", "bfloat16", "float32")
    return next(kind for kind in kinds if kind not in avoid)


def convert(source: Path, target: Path, kind: str) -> dict[str, str]:
    """Convert the model in ``source`` into ``target``, with ``kind`` as the type of its numbers.

    Returns the versions of what converted it. Raises:
        BrokenModel: its files do not make a model. EngineError: not enough memory. DependencyError: see ``plan``.
    """
    with explained(target):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(installed.PACKAGE.parent),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
    }
    command = [sys.executable, "-P", "-m", __name__, str(source), str(target), kind]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    answer = _answer(done.stdout)
    if done.returncode == 0 and "software" in answer:
        return {str(key): str(value) for key, value in answer["software"].items()}
    shutil.rmtree(target, ignore_errors=True)
    if done.returncode < 0 or answer.get("kind") == "MemoryError":
        raise EngineError(f"There is not enough memory to convert the model in {source}.", cure=_MEMORY)
    if answer.get("kind") in ("ImportError", "ModuleNotFoundError"):
        raise DependencyError(f"The converter does not load: {answer.get('message')}.", cure=_EXTRA)
    if answer.get("kind") == "OSError" and "space" in str(answer.get("message")):
        with explained(target):
            raise OSError(28, "No space left on device")
    why = answer.get("message") or (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
    raise BrokenModel(f"The model in {source} cannot be converted: {why}.", cure=_OTHER)


def complete(folder: Path) -> list[str]:
    """Write ``preprocessor_config.json`` where a Whisper model lacks it: loaders would take 80 mel bins for granted,
    and those of the size large-v3 have 128. Returns the names of the files written."""
    weights = next((place for place in (folder, folder / "ct2") if (place / "model.bin").is_file()), folder)
    path = weights / "preprocessor_config.json"
    if path.is_file():
        return []
    bins = read_object(folder / "config.json").get("num_mel_bins") if (folder / "config.json").is_file() else None
    if bins is None and (weights / "model.bin").is_file():
        bins = mel_bins(weights / "model.bin")
    if not isinstance(bins, int):
        return []
    features = {"feature_extractor_type": "WhisperFeatureExtractor", "feature_size": bins, **_FEATURES}
    write_atomically(path, json.dumps(features, indent=1).encode())
    return [path.relative_to(folder).as_posix()]


def mel_bins(model: Path) -> int | None:
    """Mel bins that a Whisper model in CTranslate2's form takes; None for another model.

    Its first layer's shape tells. Source of the form: ctranslate2.specs.model_spec.ModelSpec._serialize.
    """
    try:
        with opened(model) as file:
            _, name = _number(file, "<I"), _string(file)
            if name != "WhisperSpec":
                return None
            _, count = _number(file, "<I"), _number(file, "<I")
            for _ in range(min(count, 100_000)):
                variable = _string(file)
                shape = [_number(file, "<I") for _ in range(_number(file, "<B"))]
                if variable == "encoder/conv1/weight" and len(shape) == 3:
                    return shape[1]
                file.seek(1, 1)
                file.seek(_number(file, "<I"), 1)
    except (struct.error, UnicodeDecodeError):
        return None
    return None


def read_object(path: Path) -> dict[str, Any]:
    """The object in a model's JSON file. Raises ``BrokenModel`` naming the file."""
    try:
        content = json.loads(read_bytes(path))
    except FileNotFoundError as error:
        raise BrokenModel(f"The file {path} of the model is missing.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise BrokenModel(f"The file {path} of the model is not JSON: altered or cut short.") from error
    if not isinstance(content, dict):
        raise BrokenModel(f"The file {path} of the model does not hold a JSON object.")
    return content


def _is_bfloat16(folder: Path) -> bool:
    config = read_object(folder / "config.json")
    if "bfloat16" in (config.get("dtype"), config.get("torch_dtype")):
        return True
    return any(_has_bfloat16(path) for path in folder.glob("*.safetensors"))


def _has_bfloat16(path: Path) -> bool:
    """Source of the form: the header of safetensors, a length and then JSON of each tensor's type and place."""
    with opened(path) as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(min(length, 100 << 20))
    try:
        tensors = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise BrokenModel(f"The file {path} of the model is no safetensors file: altered or cut short.") from error
    return any(isinstance(tensor, dict) and tensor.get("dtype") == "BF16" for tensor in tensors.values())


def _number(file: BinaryIO, form: str) -> int:
    return int(struct.unpack(form, file.read(struct.calcsize(form)))[0])


def _string(file: BinaryIO) -> str:
    return file.read(_number(file, "<H")).rstrip(b"\0").decode()


def _answer(stdout: str) -> dict[str, Any]:
    try:
        answer = json.loads(stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _convert_here(source: Path, target: Path, kind: str) -> dict[str, str]:
    """The work itself, in the process made for it."""
    import ctranslate2
    import torch
    import transformers
    from ctranslate2.converters import TransformersConverter

    class Converter(TransformersConverter):  # type: ignore[misc]
        """Loads data only, in float32: what was trained in bfloat16 overflows in float16."""

        def load_model(self, model_class: Any, folder: str, **options: Any) -> Any:
            options |= {"dtype": torch.float32, "local_files_only": True, "trust_remote_code": False}
            safe = any(Path(folder).glob("*.safetensors"))
            return model_class.from_pretrained(folder, use_safetensors=safe, weights_only=True, **options)

        def load_tokenizer(self, tokenizer_class: Any, folder: str, **options: Any) -> Any:
            tokenizer = tokenizer_class.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, **options
            )
            if not is_ctc and not (source / "tokenizer.json").is_file():
                tokenizer.backend_tokenizer.save(str(source / "tokenizer.json"))
            return tokenizer

    is_ctc = family_of_transformers(source) == "wav2vec2-ctc"
    weights = target / "ct2"
    Converter(str(source)).convert(str(weights), quantization=kind)
    if is_ctc:
        for name in _KEPT_OF_CTC:
            if (source / name).is_file():
                shutil.copyfile(source / name, target / name)
    else:
        _finish_whisper(source, weights)
    return {
        "ctranslate2": str(ctranslate2.__version__),
        "transformers": str(transformers.__version__),
        "torch": str(torch.__version__),
    }


def _finish_whisper(source: Path, weights: Path) -> None:
    for name in ("tokenizer.json", "preprocessor_config.json", "generation_config.json"):
        if (source / name).is_file():
            shutil.copyfile(source / name, weights / name)
    if not (weights / "preprocessor_config.json").is_file():
        bins = read_object(source / "config.json").get("num_mel_bins", 80)
        features = {"feature_extractor_type": "WhisperFeatureExtractor", "feature_size": bins, **_FEATURES}
        write_atomically(weights / "preprocessor_config.json", json.dumps(features, indent=1).encode())


def main(arguments: list[str]) -> int:
    """One line of JSON on stdout: the software, or what went wrong."""
    source, target, kind = arguments
    try:
        software = _convert_here(Path(source), Path(target), kind)
    except Exception as error:  # it is reported in the process that asked
        print(json.dumps({"kind": type(error).__name__, "message": " ".join(str(error).split())[:500]}))
        return 1
    print(json.dumps({"software": software}))
    return 0


_OTHER = "Choose another model; see: speechpipe models list"
_EXTRA = "Install it with: pip install 'speechpipe[transformers]'"
_MEMORY = "Convert it on a machine with more memory, and bring it with: speechpipe models export, then import"

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
