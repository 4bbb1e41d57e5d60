"""The lock record of a fetched model: where its bytes came from, at which commit, and the digest of each file."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from speechpipe.errors import BrokenModel
from speechpipe.files import model_not_read, read_bytes, write_atomically
from speechpipe.registry.entries import Family

#: Its name in the model's folder.
LOCK = "lock.json"

#: A model's name: an id of the hub, or one of the registry, and a revision where another than the usual was asked for.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?(@[A-Za-z0-9][A-Za-z0-9._/-]*)?")


def safe_name(name: str) -> str:
    """Raises ``ValueError`` for what could name a place outside the store."""
    if not _NAME.fullmatch(name) or ".." in name or len(name) > 200:
        raise ValueError(f"{name!r} is no name of a model")
    return name


def safe_path(path: str) -> str:
    """Raises ``ValueError`` for a file's name that leaves its folder or hides in it."""
    parts = PurePosixPath(path).parts
    plain = all(part != "/" and not part.startswith(".") for part in parts) and "\\" not in path
    if not parts or not plain or not path.isprintable() or path != "/".join(parts) or len(path) > 250:
        raise ValueError(f"{path!r} is no name of a model's file")
    return path


Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, AfterValidator(safe_path)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class LockedFile(_Record):
    """The times and the inode are those of when it was last found whole: with all of them the same it is taken for
    unchanged. A date can be set back, ``ctime_ns`` cannot."""

    size: int = Field(ge=0)
    sha256: Digest
    mtime_ns: int | None = None
    ctime_ns: int | None = None
    inode: int | None = None

    def found(self, state: os.stat_result) -> LockedFile:
        """The same, found whole in this state."""
        seen = {"mtime_ns": state.st_mtime_ns, "ctime_ns": state.st_ctime_ns, "inode": state.st_ino}
        return self.model_copy(update=seen)

    def is_unchanged(self, state: os.stat_result) -> bool:
        return state.st_size == self.size and self == self.found(state)


class Conversion(_Record):
    """How a model was converted after it was fetched; ``source`` holds the digests of what was fetched."""

    compute_type: str
    software: dict[str, str]
    source: dict[FileName, Digest]


class Lock(_Record):
    """``commit`` is that of ``repository``; ``revision`` what was asked for, None for the usual one.

    ``licence`` is what the model's card says at that commit, None where it says nothing.
    """

    schema_version: Literal[1] = 1
    name: Annotated[str, AfterValidator(safe_name)]
    repository: str
    revision: str | None = None
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40,64}$")]
    family: Family
    form: Literal["ct2", "transformers", "openai", "torchaudio"]
    licence: str | None = None
    fetched: str
    conversion: Conversion | None = None
    files: dict[FileName, LockedFile] = Field(min_length=1)

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files.values())

    def without_times(self) -> Lock:
        """As it says something on any machine."""
        nothing = dict.fromkeys(("mtime_ns", "ctime_ns", "inode"))
        files = {name: file.model_copy(update=nothing) for name, file in self.files.items()}
        return self.model_copy(update={"files": files})


def read_lock(folder: Path) -> Lock | None:
    """The lock record of a model's folder; None where it has none. Raises ``BrokenModel``."""
    path = folder / LOCK
    try:
        return Lock.model_validate_json(read_bytes(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise model_not_read(path, error) from error
    except (ValidationError, RecursionError) as error:
        raise BrokenModel(f"The file {path} of the model cannot be read: altered or cut short.") from error


def write_lock(folder: Path, lock: Lock) -> None:
    write_atomically(folder / LOCK, lock.model_dump_json(indent=1).encode())
