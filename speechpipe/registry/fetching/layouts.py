"""Which of a repository's files are needed: publishers lay their models out in many ways.

Looked for in this order: CTranslate2 where the registry says, at the root, in a sub-folder; transformers weights as
safetensors, then as ``.bin``. The registry's word is a hint only, since what is in the repository decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from speechpipe.errors import BrokenModel

Form = Literal["ct2", "transformers"]

#: Beside model.bin; the second row may lie at the root when the model lies in a sub-folder.
_CT2 = ("model.bin", "config.json", "vocabulary.json", "vocabulary.txt")
_SHARED = ("tokenizer.json", "preprocessor_config.json")
#: At the root in any layout: letters by id of a CTC model, and our calibration of its word boundaries.
_OF_CTC = ("vocab.json", "speechpipe.json")
#: Whisper's, and the letters of a CTC model: without either no weights are of use, and they are long to fetch.
_TOKENIZERS = ("tokenizer.json", "vocab.json")

_TRANSFORMERS = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "normalizer.json",
    "vocab.json",
    "merges.txt",
    "speechpipe.json",
)
#: One file or its shards with their index; others of like names (fp32, other tools) are not fetched.
_WEIGHTS = (
    (r"model\.safetensors", None),
    (r"model-\d{5}-of-\d{5}\.safetensors", "model.safetensors.index.json"),
    (r"pytorch_model\.bin", None),
    (r"pytorch_model-\d{5}-of-\d{5}\.bin", "pytorch_model.bin.index.json"),
)
#: What else a repository may hold, to say what was found instead.
_FOREIGN = {
    ".onnx": "ONNX",
    ".gguf": "GGUF",
    ".nemo": "NeMo",
    ".h5": "TensorFlow",
    ".msgpack": "Flax",
    "ggml-model.bin": "GGML",
    "adapter_model.safetensors": "an adapter without its model",
}


@dataclass(frozen=True, slots=True)
class Remote:
    """A file of a repository. ``sha256`` is known of large files, ``blob`` (git's SHA-1) of small ones."""

    path: str
    size: int
    sha256: str | None = None
    blob: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """``files``: where each goes in the model's folder → what is fetched for it."""

    form: Form
    files: Mapping[str, Remote]

    @property
    def size(self) -> int:
        return sum(remote.size for remote in self.files.values())

    @property
    def in_order(self) -> list[tuple[str, Remote]]:
        """The small files first: they tell whether the large ones are worth the time."""
        return sorted(self.files.items(), key=lambda item: item[1].size)


def plan(repository: str, remotes: Iterable[Remote], hint: str | None = None) -> Plan:
    """What to fetch; ``hint`` is the folder of the CTranslate2 form as the registry knows it ("." for the root).

    Raises:
        BrokenModel: nothing that can be used here; says what there is instead.
    """
    files = {remote.path: remote for remote in remotes}
    if (folder := _ct2_folder(files, hint)) is not None:
        return Plan("ct2", dict(_ct2_files(files, folder)))
    if (weights := _weights(files)) and not _ct2_folders(files):
        return Plan("transformers", {name: files[name] for name in (*_TRANSFORMERS, *weights) if name in files})
    raise BrokenModel(_nothing(repository, files), cure="Choose another model; see: speechpipe models list")


def _ct2_folder(files: Mapping[str, Remote], hint: str | None) -> str | None:
    """The folder with a whole CTranslate2 model: as hinted, or the smallest one, for they hold the same model."""
    whole = [
        folder
        for folder in _ct2_folders(files)
        if any(place in files for name in _TOKENIZERS for place in (_at(folder, name), name))
    ]
    if hint in whole:
        return hint
    return min(whole, key=lambda folder: (files[_at(folder, "model.bin")].size, folder), default=None)


def _ct2_folders(files: Mapping[str, Remote]) -> list[str]:
    """Those with CTranslate2's weights: a model.bin without a vocabulary is another's."""
    paths = [PurePosixPath(path) for path in files]
    folders = [path.parent.as_posix() for path in paths if path.name == "model.bin" and len(path.parts) <= 2]
    return [folder for folder in folders if any(_at(folder, name) in files for name in _CT2[2:])]


def _ct2_files(files: Mapping[str, Remote], folder: str) -> Iterator[tuple[str, Remote]]:
    target = "." if folder == "." else "ct2"
    for name in (*_CT2, *_SHARED):
        places = (_at(folder, name), name) if name in _SHARED else (_at(folder, name),)
        found = next((place for place in places if place in files), None)
        if found:
            yield _at(target, name), files[found]
    for name in _OF_CTC:
        found = next((place for place in (_at(folder, name), name) if place in files), None)
        if found:
            yield name, files[found]


def _weights(files: Mapping[str, Remote]) -> list[str]:
    for pattern, index in _WEIGHTS:
        found = sorted(path for path in files if re.fullmatch(pattern, path))
        if found and (index is None or index in files):
            return [*found, *([index] if index else [])]
    return []


def _nothing(repository: str, files: Mapping[str, Remote]) -> str:
    foreign = sorted({kind for path in files for end, kind in _FOREIGN.items() if path.endswith(end)})
    if _ct2_folders(files):
        return f"{repository} holds CTranslate2 weights, but no tokenizer: the file tokenizer.json is missing."
    instead = f"only {', '.join(foreign)}" if foreign else "no weights of any kind known here"
    return f"{repository} holds neither CTranslate2 nor transformers weights, {instead}."


def _at(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"
