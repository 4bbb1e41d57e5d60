"""What a model's folder must hold, what family it is of, and whether its files are whole."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from speechpipe.errors import BrokenModel, OutputError
from speechpipe.files import model_not_read, opened, read_bytes, sha256_file
from speechpipe.registry.entries import Family
from speechpipe.registry.storing.locks import LOCK, Lock, LockedFile, read_lock, write_lock

#: Lines of ``sha256sum``; where a model's folder has it, each file that is read is checked against it.
SEAL = "SHA256SUMS"

#: The specification that heads CTranslate2's model.bin.
_FAMILIES: dict[str, Family] = {"WhisperSpec": "whisper", "Wav2Vec2Spec": "wav2vec2-ctc"}

#: Files needed, any one of each row.
_VOCABULARY = ("vocabulary.json", "vocabulary.txt")
_NEEDED: dict[Family, tuple[tuple[str, ...], ...]] = {
    "whisper": (("config.json",), ("tokenizer.json",), _VOCABULARY),
    "wav2vec2-ctc": (_VOCABULARY, ("vocab.json",)),
}
#: Files that loaders read where they are there.
_OPTIONAL: dict[Family, tuple[str, ...]] = {
    "whisper": ("preprocessor_config.json", "generation_config.json"),
    "wav2vec2-ctc": ("config.json", "preprocessor_config.json", "speechpipe.json"),
}
#: Files above ct2: those of the Hugging Face form, and our calibration. The converter's own
#: vocabulary has the letters in another order.
_OF_HUGGING_FACE = ("vocab.json", "preprocessor_config.json", "speechpipe.json")

Form = Literal["ct2", "transformers", "openai", "torchaudio"]
FORMS: tuple[Form, ...] = ("ct2", "transformers", "openai", "torchaudio")

#: Kinds of models that transformers has weights of, by ``model_type`` in config.json.
TRANSFORMERS_FAMILIES: dict[str, Family] = {
    "whisper": "whisper",
    "wav2vec2": "wav2vec2-ctc",
    "wav2vec2-bert": "wav2vec2-bert-ctc",
    "hubert": "hubert-ctc",
}
#: Weights of transformers, the safe form first. An index names shards.
_TRANSFORMERS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
#: The checkpoint of openai-whisper, which holds all but the tokenizer that comes with that package.
_OPENAI = "model.pt"
#: A bundle of torchaudio: which one and of what family, its weights, our calibration.
BUNDLE, BUNDLE_WEIGHTS = "bundle.json", "bundle.pt"
_OF_BUNDLE = (BUNDLE, BUNDLE_WEIGHTS, "speechpipe.json")
#: Of the transformers form: what is needed, any row of it; the rest is read where it is there.
_TOKENIZERS = {"whisper": (("tokenizer.json",), ("vocab.json", "merges.txt"))}
_LETTERS = (("vocab.json",),)


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder whose files were checked; ``digests`` maps each file that is read, relative to it, to its SHA-256.

    ``lock`` is the record of a model that was fetched; None of any other.
    """

    path: Path
    weights: Path
    family: Family
    digests: Mapping[str, str]
    form: Form = "ct2"
    lock: Lock | None = None

    @property
    def sha256(self) -> str:
        """One digest of all files read."""
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.digests.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


def check(
    folder: Path, *, family: Family | None = None, must_be_sealed: bool = False, forms: Sequence[Form] = FORMS
) -> ModelFolder:
    """Check that all files needed are there, readable, of the (expected) family, and as sealed.

    ``forms``: those that may be read, the first that is there is; what is not read is not digested.

    Raises:
        BrokenModel: names the file that is missing or altered. EngineError: one that cannot be read now.
    """
    try:
        return _checked(folder, family, must_be_sealed, forms)
    except OSError as error:
        raise model_not_read(Path(error.filename or folder), error) from error


def _checked(folder: Path, family: Family | None, must_be_sealed: bool, forms: Sequence[Form]) -> ModelFolder:
    seal, lock = read_seal(folder), read_lock(folder)
    if seal is None and must_be_sealed:
        raise BrokenModel(f"The file {folder / SEAL} of the model is missing.")
    weights, form = _weights_folder(folder, forms)
    if form == "ct2":
        found = _family(weights / "model.bin")
        paths: Iterable[Path] = _files(folder, weights, found)
    elif form == "transformers":
        found = family_of_transformers(folder)
        paths = _files_of_transformers(folder, found)
    elif form == "torchaudio":
        found = family_of_bundle(folder)
        paths = [folder / name for name in _OF_BUNDLE if (folder / name).is_file()]
    else:
        found, paths = "whisper", [folder / _OPENAI]
    if family is not None and found != family:
        raise BrokenModel(f"The file {weights / 'model.bin'} holds a {found} model, not a {family} one.")
    digests = {}
    files: dict[str, LockedFile] = {}
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if lock:
            files[name] = _found_whole(path, name, lock)
        digests[name] = files[name].sha256 if lock else _digest(path)
        if seal is not None and seal.get(name) != digests[name]:
            raise BrokenModel(f"The file {path} of the model is not the one sealed in {SEAL}: altered or cut short.")
        if path.suffix == ".json":
            _check_json(path)
    for name in lock.files if lock else ():
        if not (folder / name).is_file():
            raise BrokenModel(f"The file {folder / name} of the model is missing.", cure=repair(lock))
    if lock and lock.files != lock.files | files:
        _remember(folder, lock, files)
    return ModelFolder(folder, weights, found, digests, form, lock)


def _found_whole(path: Path, name: str, lock: Lock) -> LockedFile:
    """What is recorded of a file, where it is as it was; another is digested, compared, and recorded as it is now."""
    facts = lock.files.get(name)
    if facts is None:
        raise BrokenModel(f"The file {path} of the model was added to it.", cure=repair(lock))
    state = path.stat()
    if facts.is_unchanged(state):
        return facts
    if _digest(path) != facts.sha256:
        raise BrokenModel(f"The file {path} of the model is altered, by {LOCK}.", cure=repair(lock))
    return facts.found(state)


def _remember(folder: Path, lock: Lock, files: dict[str, LockedFile]) -> None:
    """So that they need not be digested the next time; a store that is shared read-only does without."""
    with suppress(OutputError, BrokenModel):
        if read_lock(folder) == lock:
            write_lock(folder, lock.model_copy(update={"files": lock.files | files}))


def repair(lock: Lock | None) -> str:
    return f"Fetch it again with: speechpipe models fetch {lock.name}" if lock else BrokenModel.cure


def read_seal(folder: Path) -> dict[str, str] | None:
    """Digest by file name from the folder's ``SHA256SUMS``; None where it has none."""
    path = folder / SEAL
    try:
        lines = read_bytes(path).decode().splitlines()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        lines = ["not text"]
    matches = [re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line) for line in lines if line]
    if not all(matches):
        raise BrokenModel(f"The file {path} of the model is not a list of SHA-256 digests.")
    return {match[2]: match[1] for match in matches if match}


def _weights_folder(folder: Path, forms: Sequence[Form]) -> tuple[Path, Form]:
    """Where the weights lie: CTranslate2's in the folder itself or in its sub-folder ct2, others in the folder."""
    places: dict[Form, tuple[str, ...]] = {
        "ct2": ("model.bin", "ct2/model.bin"),
        "transformers": _TRANSFORMERS,
        "openai": (_OPENAI,),
        "torchaudio": (BUNDLE_WEIGHTS,),
    }
    for form in forms:
        for name in places[form]:
            if (folder / name).is_file():
                return (folder / name).parent, form
        if form == "ct2" and (folder / "ct2").is_dir():
            break
    missing = folder / places[forms[0]][-1 if forms[0] == "ct2" else 0]
    raise BrokenModel(f"The file {missing} of the model is missing.")


def family_of_transformers(folder: Path) -> Family:
    """The family as config.json states it. Raises ``BrokenModel`` for one not used here, or without a CTC head."""
    path = folder / "config.json"
    if not path.is_file():
        raise BrokenModel(f"The file {path} of the model is missing.")
    _check_json(path)
    config = json.loads(read_bytes(path))
    kind = config.get("model_type") if isinstance(config, dict) else None
    family = TRANSFORMERS_FAMILIES.get(str(kind))
    if family is None:
        raise BrokenModel(f"The file {path} is of a model of a kind not used here: {kind}.", cure=_OTHER)
    made_for = config.get("architectures") or ["ForCTC"]
    if family != "whisper" and not str(made_for[0]).endswith("ForCTC"):
        raise BrokenModel(f"The model {folder} has no CTC head: it is pretrained only.", cure=_OTHER)
    return family


def family_of_bundle(folder: Path) -> Family:
    """The family as bundle.json states it. Raises ``BrokenModel``."""
    path = folder / BUNDLE
    if not path.is_file():
        raise BrokenModel(f"The file {path} of the model is missing.")
    _check_json(path)
    content = json.loads(read_bytes(path))
    family = content.get("family") if isinstance(content, dict) else None
    families: tuple[Family, ...] = ("wav2vec2-ctc", "hubert-ctc")
    if family not in families:
        raise BrokenModel(f"The file {path} of the model does not say which of {', '.join(families)} it is.")
    return next(each for each in families if each == family)


def _files_of_transformers(folder: Path, family: Family) -> Iterator[Path]:
    weights = next(folder / name for name in _TRANSFORMERS if (folder / name).is_file())
    if weights.name.endswith(".index.json"):
        for name in sorted(_shards(weights)):
            if not (folder / name).is_file():
                raise BrokenModel(f"The file {folder / name} of the model is missing.")
            yield folder / name
    tokenizers = _TOKENIZERS.get(family, _LETTERS)
    if not any(all((folder / name).is_file() for name in names) for names in tokenizers):
        raise BrokenModel(f"The file {folder / tokenizers[0][0]} of the model is missing.")
    yield weights
    yield from sorted(path for path in folder.glob("*") if path.suffix in (".json", ".txt") and _is_read(path, weights))


def _is_read(path: Path, weights: Path) -> bool:
    return path != weights and path.name not in (LOCK, SEAL) and path.is_file()


def _shards(index: Path) -> set[str]:
    _check_json(index)
    content = json.loads(read_bytes(index))
    names = content.get("weight_map") if isinstance(content, dict) else None
    shards = {str(name) for name in names.values()} if isinstance(names, dict) else set()
    if not shards or any("/" in name or name.startswith(".") for name in shards):
        raise BrokenModel(f"The file {index} of the model does not name its shards.")
    return shards


def _files(folder: Path, weights: Path, family: Family) -> Iterator[Path]:
    def places(name: str) -> list[Path]:
        above = family == "wav2vec2-ctc" and name in _OF_HUGGING_FACE
        return [place / name for place in ((folder, weights) if above else (weights,)) if (place / name).is_file()]

    yield weights / "model.bin"
    for names in _NEEDED[family]:
        found = [path for name in names for path in places(name)]
        if not found:
            home = folder if names[0] in _OF_HUGGING_FACE else weights
            raise BrokenModel(f"The file {home / names[0]} of the model is missing.")
        yield found[0]
    for name in _OPTIONAL[family]:
        yield from places(name)[:1]


def _family(model: Path) -> Family:
    """The family as model.bin states it: a version, then a counted, NUL-ended name.

    Source: ctranslate2.specs.model_spec.Model._save.
    """
    with opened(model) as file:
        head = file.read(64)
    length = struct.unpack_from("<H", head, 4)[0] if len(head) >= 6 else 0
    name = head[6 : 6 + length].rstrip(b"\0").decode("ascii", "replace")
    if name in _FAMILIES:
        return _FAMILIES[name]
    if re.fullmatch(r"[A-Za-z0-9]+Spec", name):
        raise BrokenModel(f"The file {model} is a CTranslate2 model of a kind not used here: {name}.", cure=_OTHER)
    raise BrokenModel(f"The file {model} is not a CTranslate2 model: altered or cut short.")


def _check_json(path: Path) -> None:
    try:
        json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise BrokenModel(f"The file {path} of the model is not JSON: altered or cut short.") from error


def _digest(path: Path) -> str:
    state = path.stat()
    return _digest_of_state(path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@lru_cache(maxsize=256)
def _digest_of_state(path: Path, inode: int, size: int, mtime_ns: int, ctime_ns: int) -> str:
    # Once a process for each state of a file: large models take seconds.
    return sha256_file(path)


_OTHER = "Choose a Whisper or a wav2vec2 CTC model."
