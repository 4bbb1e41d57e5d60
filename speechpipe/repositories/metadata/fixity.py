"""Checksums that an archive keeps of its recordings: a file beside each, or the manifests of a BagIt bag (RFC 8493)."""

from __future__ import annotations

import errno
import hashlib
import io
import re
from functools import lru_cache
from itertools import count
from pathlib import Path

from speechpipe.errors import ChecksumMismatch, RepositoryError
from speechpipe.files import BLOCK, opened
from speechpipe.repositories.contract import Fetched, Stat

#: The strongest first: where several are given, one is checked.
ALGORITHMS = ("sha512", "sha256", "sha1", "md5")

_LENGTHS = {128: "sha512", 64: "sha256", 40: "sha1", 32: "md5"}
_LONGEST_LINE = 8192
#: A recording's name may be so long that none with another ending can be.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


def read_through(path: Path, stat: Stat, checksum: str | None) -> Fetched:
    """The file hashed in one reading, for SHA-256 and for the repository's checksum.

    Raises:
        ChecksumMismatch: the content is another than the checksum says. OSError: it cannot be read.
    """
    algorithm, _, expected = (checksum or "sha256:").partition(":")
    own, theirs = hashlib.sha256(), hashlib.new(algorithm, usedforsecurity=False)
    with opened(path) as file:
        while block := file.read(BLOCK):
            own.update(block)
            if algorithm != "sha256":
                theirs.update(block)
    found = own.hexdigest() if algorithm == "sha256" else theirs.hexdigest()
    if expected and found != expected:
        raise ChecksumMismatch(
            f"{path} is not what its checksum says: the repository has {algorithm} {expected[:16]}…, "
            f"the file {found[:16]}…."
        )
    return Fetched(path, own.hexdigest(), stat, checksum)


def normal(digest: str, algorithm: str | None = None) -> str:
    """``sha256:HEX`` of a digest whose algorithm is given or told by its length.

    Raises:
        ValueError: it is no digest.
    """
    bare = digest.strip().lower().removeprefix(f"{algorithm}:")
    if ":" in bare and algorithm is None:
        algorithm, bare = bare.split(":", 1)
    kind = _LENGTHS.get(len(bare))
    if kind is None or not re.fullmatch("[0-9a-f]+", bare) or algorithm not in (None, kind):
        raise ValueError(f"{digest!r} is no {algorithm or 'checksum'}")
    return f"{kind}:{bare}"


def supplied(path: Path, root: Path) -> str | None:
    """What a file beside ``path``, or the bag that it lies in, says of its content.

    Raises:
        RepositoryError: such a file is there, but cannot be understood.
    """
    return _beside(path) or _in_bag(path, root)


def _beside(path: Path) -> str | None:
    for algorithm in ALGORITHMS:
        own, shared = path.with_name(f"{path.name}.{algorithm}"), path.with_suffix(f".{algorithm}")
        for record in (own, shared):
            for digest, name in _lines(record, algorithm):
                # A bare digest stands for the file that the record is named after, with its ending.
                if (name is None and record == own) or (name and Path(name).name == path.name):
                    return digest
    return None


def _in_bag(path: Path, root: Path) -> str | None:
    for folder in path.parents:
        if (folder / "bagit.txt").is_file():
            inside = path.relative_to(folder).as_posix()
            for algorithm in ALGORITHMS:
                if digest := _manifest(folder / f"manifest-{algorithm}.txt", algorithm).get(inside):
                    return digest
            return None
        if folder == root:
            return None
    return None


def _manifest(record: Path, algorithm: str) -> dict[str, str]:
    try:
        stat = record.stat()
    except OSError:
        return {}
    return _cached_manifest(record, algorithm, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=32)
def _cached_manifest(record: Path, algorithm: str, mtime_ns: int, size: int) -> dict[str, str]:
    pairs = ((name, digest) for digest, name in _lines(record, algorithm) if name)
    return {re.sub("%(0[AaDd]|25)", lambda code: chr(int(code[1], 16)), name): digest for name, digest in pairs}


def _line(line: str, number: int, algorithm: str) -> tuple[str, str | None]:
    digest, _, name = line.partition(" ")
    try:
        return normal(digest, algorithm), name.lstrip(" *").removeprefix("./") or None
    except ValueError:
        # What stands there may be a name, which is not to be told of every recording.
        raise ValueError(f"its line {number} is no {algorithm} and a name") from None


def _lines(record: Path, algorithm: str) -> list[tuple[str, str | None]]:
    """Lines as ``md5sum`` and BagIt write them: a digest, white space, perhaps a star, a name."""
    found: list[tuple[str, str | None]] = []
    try:
        with io.TextIOWrapper(opened(record), encoding="utf-8-sig", errors="surrogateescape") as file:
            for number in count(1):
                if not (line := file.readline(_LONGEST_LINE)):
                    break
                if line.strip():
                    found.append(_line(line.strip(), number, algorithm))
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in _ABSENT:
            return []
        what = (isinstance(error, OSError) and error.strerror) or error
        raise RepositoryError(
            f"The checksums in {record} cannot be read: {what}.", cure="Correct or remove this file."
        ) from error
    return found
