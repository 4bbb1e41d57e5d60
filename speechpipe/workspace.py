"""The scratch folder of one recording: its lock, its stages' results, and journals that survive kill -9.

Its owner alone may read it, since rights may change after it was made.

Layout below the settings' workspace folder, one folder a recording, named by its content:

    lock                        held while a process works on the recording; dies with the process
    chunk-KEY/plan.json         what was decoded and how it is cut; the PCM lies beside it while it is needed
    transcribe-KEY.jsonl        one line a finished batch of windows, flushed to the disk
    align-KEY.jsonl             the same for alignment
    STAGE-KEY.done.json         written when the stage is complete
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from speechpipe import locks
from speechpipe.errors import AlreadyInWork
from speechpipe.files import explained, read_bytes, write_atomically

KEY_LETTERS = 16
LOCK = "lock"


def stage_key(stage: str, version: int, *upstream: str, **settings: Any) -> str:
    """Digest of all that decides a stage's result: what it builds on, its own version, the settings that matter."""
    content = json.dumps([stage, version, upstream, settings], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:KEY_LETTERS]


class Workspace:
    """One recording's scratch folder. Use ``locked()`` around all work in it."""

    def __init__(self, root: Path, content_sha256: str) -> None:
        self.folder = root / content_sha256[:32]

    @contextmanager
    def locked(self, name: str, waiting: Callable[[], None] | None = None) -> Iterator[Workspace]:
        """Hold the recording; ``name`` is what the error calls it. ``waiting`` is called between two looks at whether
        another has let go of it.

        Raises:
            AlreadyInWork: another process or thread works on it, and ``waiting`` is None.
            OutputError: the workspace cannot be written.
        """
        with explained(self.folder):
            self.folder.mkdir(0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)  # also one that was made when others could read it
        with ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(locks.held(self.folder / LOCK, f"{name} is being transcribed by another run."))
                    break
                except AlreadyInWork:
                    if waiting is None:
                        raise
                    waiting()
            yield self

    def stage_folder(self, stage: str, key: str) -> Path:
        folder = self.folder / f"{stage}-{key}"
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def journal(self, stage: str, key: str) -> Journal:
        return Journal(self.folder / f"{stage}-{key}.jsonl")

    def finish(self, stage: str, key: str, summary: Mapping[str, Any]) -> None:
        """Mark a stage complete; ``summary`` is kept for provenance."""
        write_atomically(self._done(stage, key), _line(summary))

    def finished(self, stage: str, key: str) -> dict[str, Any] | None:
        """The summary of a complete stage, or None."""
        return read_json(self._done(stage, key))

    def drop_pcm(self) -> None:
        """Remove the decoded audio, by far the largest part; journals and plans stay, so that a re-run is cheap."""
        for folder in self.folder.glob("chunk-*"):
            for file in folder.rglob("*.s16*"):
                file.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove all that was made of the recording; the lock stays."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != LOCK:
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _done(self, stage: str, key: str) -> Path:
        return self.folder / f"{stage}-{key}.done.json"


class Journal:
    """An append-only file of JSON lines. A line is either whole on the disk or counts as never written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[dict[str, Any]]:
        """All whole lines; a torn tail, as kill -9 leaves it, is cut off the file."""
        try:
            content = read_bytes(self.path)
        except FileNotFoundError:
            return []
        entries, whole = [], 0
        for line in content.splitlines(keepends=True):
            entry = _parse(line)
            if entry is None:
                break
            entries.append(entry)
            whole += len(line)
        if whole < len(content):
            with explained(self.path):
                os.truncate(self.path, whole)
        return entries

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write one line and wait until the disk has it.

        Raises:
            OutputError: it could not be written.
        """
        with explained(self.path), self.path.open("ab") as file:
            file.write(_line(entry))
            file.flush()
            os.fsync(file.fileno())


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file written atomically; None where there is none."""
    try:
        return _parse(read_bytes(path))
    except FileNotFoundError:
        return None


def _line(entry: Mapping[str, Any]) -> bytes:
    # ASCII: a file name that is not UTF-8 comes as lone surrogates, which only escapes can carry.
    return json.dumps(entry, separators=(",", ":")).encode("ascii") + b"\n"


def _parse(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
