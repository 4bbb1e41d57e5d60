"""What a model's folder must hold, what family it is of, and whether its files are whole."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from speechpipe.errors import BrokenModel
from speechpipe.files import sha256_file
from speechpipe.registry.entries import Family

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
    "whisper": ("preprocessor_config.json",),
    "wav2vec2-ctc": ("config.json", "preprocessor_config.json", "speechpipe.json"),
}
#: Files above ct2: those of the Hugging Face form, and our calibration. The converter's own
#: vocabulary has the letters in another order.
_OF_HUGGING_FACE = ("vocab.json", "preprocessor_config.json", "speechpipe.json")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder whose files were checked; ``digests`` maps each file that is read, relative to it, to its SHA-256."""

    path: Path
    weights: Path
    family: Family
    digests: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """One digest of all files read."""
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.digests.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


def check(folder: Path, *, family: Family | None = None, must_be_sealed: bool = False) -> ModelFolder:
    """Check that all files needed are there, readable, of the (expected) family, and as sealed.

    Raises:
        BrokenModel: names the file that is missing or altered.
    """
    try:
        return _checked(folder, family, must_be_sealed)
    except OSError as error:
        raise BrokenModel(f"The model {folder} cannot be read: {error}.") from error


def _checked(folder: Path, family: Family | None, must_be_sealed: bool) -> ModelFolder:
    seal = read_seal(folder)
    if seal is None and must_be_sealed:
        raise BrokenModel(f"The file {folder / SEAL} of the model is missing.")
    weights = _weights_folder(folder)
    found = _family(weights / "model.bin")
    if family is not None and found != family:
        raise BrokenModel(f"The file {weights / 'model.bin'} holds a {found} model, not a {family} one.")
    digests = {}
    for path in _files(folder, weights, found):
        name = path.relative_to(folder).as_posix()
        digests[name] = _digest(path)
        if seal is not None and seal.get(name) != digests[name]:
            raise BrokenModel(f"The file {path} of the model is not the one sealed in {SEAL}: altered or cut short.")
        if path.suffix == ".json":
            _check_json(path)
    return ModelFolder(folder, weights, found, digests)


def read_seal(folder: Path) -> dict[str, str] | None:
    """Digest by file name from the folder's ``SHA256SUMS``; None where it has none."""
    path = folder / SEAL
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        lines = ["not text"]
    matches = [re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line) for line in lines if line]
    if not all(matches):
        raise BrokenModel(f"The file {path} of the model is not a list of SHA-256 digests.")
    return {match[2]: match[1] for match in matches if match}


def _weights_folder(folder: Path) -> Path:
    """Where the CTranslate2 form lies: in the folder itself or in its sub-folder ct2."""
    for candidate in (folder, folder / "ct2"):
        if (candidate / "model.bin").is_file():
            return candidate
    missing = f"The file {folder / 'ct2' / 'model.bin'} of the model is missing."
    if not (folder / "ct2").is_dir() and any(folder.glob("*.safetensors")):
        copies = "--copy_files tokenizer.json preprocessor_config.json"
        convert = f"ct2-transformers-converter --model {folder} --output_dir {folder / 'ct2'}"
        raise BrokenModel(missing, cure=f"Convert it with: {convert} {copies}")
    raise BrokenModel(missing)


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
    with model.open("rb") as file:
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
        json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BrokenModel(f"The file {path} of the model is not JSON: altered or cut short.") from error


def _digest(path: Path) -> str:
    state = path.stat()
    return _digest_of_state(path, state.st_ino, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest_of_state(path: Path, inode: int, size: int, mtime_ns: int) -> str:
    # Once a process for each state of a file: large models take seconds.
    return sha256_file(path)


_OTHER = "Choose a Whisper or a wav2vec2 CTC model."
