"""Models put into a store without a hub, for tests of what comes after fetching."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

from speechpipe.registry.storing.locks import Lock, LockedFile
from speechpipe.registry.storing.store import Store

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def model_bin(spec: str = "WhisperSpec", mel_bins: int = 80) -> bytes:
    """A CTranslate2 model.bin with one tiny variable, that of Whisper's first layer."""
    name, variable = spec.encode() + b"\0", b"encoder/conv1/weight\0"
    head = struct.pack("<IH", 6, len(name)) + name + struct.pack("<II", 3, 1)
    return (
        head + struct.pack("<H", len(variable)) + variable + struct.pack("<BIIIBI", 3, 8, mel_bins, 3, 0, 4) + bytes(4)
    )


def whisper_files(**more: bytes) -> dict[str, bytes]:
    json = b"{}"
    names = ("config.json", "tokenizer.json", "vocabulary.json", "preprocessor_config.json")
    return {"model.bin": model_bin(), **dict.fromkeys(names, json), **more}


def put(
    store: Store, name: str, files: dict[str, bytes] | None = None, *, licence: str | None = "apache-2.0",
    commit: str = COMMIT, family: str = "whisper",
) -> Lock:  # fmt: skip
    """Take a model with these files into the store, as fetching does."""
    files = files or whisper_files()
    folder = store.partial(name) / "files"
    for file, content in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)
    facts = {n: LockedFile(size=len(c), sha256=hashlib.sha256(c).hexdigest()) for n, c in files.items()}
    lock = Lock.model_validate(
        {
            "name": name,
            "repository": name.partition("@")[0],
            "commit": commit,
            "family": family,
            "form": "ct2",
            "licence": licence,
            "fetched": "2026-01-02T03:04:05Z",
            "files": facts,
        }
    )
    with store.held(name):
        store.take(folder, lock)
    Path(store.partial(name)).rmdir()
    return lock
