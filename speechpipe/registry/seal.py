"""``python -m speechpipe.registry.seal [FOLDER…]``: write SHA256SUMS of models, by default of all embedded ones."""

from __future__ import annotations

import sys
from pathlib import Path

from speechpipe.files import sha256_file, write_atomically
from speechpipe.registry.entries import embedded_folder, list_models
from speechpipe.registry.storing.folders import SEAL, check

#: Everything that is part of a model; its card may be bettered without a new seal.
_SUFFIXES = {".json", ".txt", ".bin", ".safetensors"}


def seal(folder: Path) -> Path:
    """Write ``SHA256SUMS`` over all files of a model, then check it. ``sha256sum -c SHA256SUMS`` checks it too.

    Raises:
        BrokenModel: a needed file is missing. OutputError: it cannot be written.
    """
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in _SUFFIXES)
    lines = [f"{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in paths]
    write_atomically(folder / SEAL, "".join(lines).encode())
    check(folder, must_be_sealed=True)
    return folder / SEAL


def main(arguments: list[str]) -> None:
    folders = [Path(a) for a in arguments] or [embedded_folder() / e.name for e in list_models() if e.embedded]
    for folder in folders:
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        print(f"{seal(folder)}: {size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
