"""Reading foreign media in a process of its own, ended by a watchdog where it hangs, and survived where it crashes."""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechpipe import errors
from speechpipe.audio.inspection import Chapter, Inspection
from speechpipe.audio.media import check
from speechpipe.audio.riff import Bext
from speechpipe.audio.worker import BLOCK, HEAD
from speechpipe.errors import SpeechpipeError, UnreadableMedia
from speechpipe.installed import PACKAGE
from speechpipe.transcript import Media, Stream

#: Seconds without a sign of life after which a decoder counts as hanging. Tape robots need some of them.
PATIENCE = 120.0
_LARGEST = 1 << 28  # bytes of one message; longer is no answer of ours
_PIPE = 1 << 18


def probe(path: Path) -> Media:
    """What the container says of itself, without decoding. ``sha256`` and ``duration_ms`` stay unknown.

    Raises:
        MediaNotFound: no such file, or it may not be read.
        UnreadableMedia: empty, not a plain file, or no media.
    """
    return inspect(path).media


def inspect(path: Path) -> Inspection:
    """All that a file says of itself, without decoding. Raises as ``probe``."""
    found = ask("inspect", Path(path))
    media, bext = found["media"], found["bext"]
    streams = tuple(Stream(**stream) for stream in media["streams"])
    return Inspection(
        **{
            **found,
            "media": Media(**{**media, "streams": streams}),
            "chapters": tuple(Chapter(**chapter) for chapter in found["chapters"]),
            "bext": Bext(**{**bext, "coding_history": tuple(bext["coding_history"])}) if bext else None,
        }
    )


def ask(do: str, path: Path, patience: float = PATIENCE) -> dict[str, Any]:
    """The answer to a request without sound.

    Raises:
        MediaNotFound, UnreadableMedia: as the reader says; it crashed; it hung.
    """
    exchange = Exchange(do, path, patience=patience)
    for _ in exchange:
        pass
    if exchange.broken:
        raise UnreadableMedia(f"{path} cannot be read: {exchange.broken}.")
    return exchange.answer


class Exchange:
    """One request to a reader: iterate for its blocks (channels, samples), then look at ``answer`` and ``broken``.

    ``broken`` says in words that the reader crashed or hung; the blocks until then are good.

    Raises (while iterating):
        MediaNotFound, UnreadableMedia, UsageError: as the reader says.
    """

    def __init__(self, do: str, path: Path, stream: int | None = None, patience: float = PATIENCE) -> None:
        self._path = Path(path)
        self._named, self._absolute = str(path), str(self._path.absolute())
        name = os.fsencode(self._absolute).hex()  # hexadecimal: a name may hold bytes that are no text
        self._request = json.dumps({"do": do, "path": name, "stream": stream}).encode("ascii") + b"\n"
        self._patience = patience
        self.answer: dict[str, Any] = {}
        self.broken = ""

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        check(self._path)
        worker = _borrow()
        finished = False
        try:
            worker.say(self._request)
            while True:
                kind, rows, columns = HEAD.unpack(worker.read(HEAD.size, self._patience))
                size = rows * columns * (4 if kind == BLOCK else 1)
                if size > _LARGEST:
                    raise _Broken("its reader answered nonsense")
                content = worker.read(size, self._patience)
                if kind != BLOCK:
                    break
                yield np.frombuffer(content, "<f4").reshape(columns, rows).T
            finished = True
            self.answer = json.loads(content)
        except _Broken as error:
            self.broken = str(error)
        finally:
            if finished:
                _give_back(worker)
            else:
                worker.end()
        if "error" in self.answer:
            kind_of_error: type[SpeechpipeError] = getattr(errors, self.answer["error"])
            message, cure = (self.answer[key].replace(self._absolute, self._named) for key in ("message", "cure"))
            raise kind_of_error(message, cure=cure)


class _Broken(Exception):
    """The reader is no more, or gives no sign of life."""


class _Worker:
    def __init__(self) -> None:
        # -P: the folder that a person stands in may hold files named like our modules.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), *filter(None, sys.path)])}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "speechpipe.audio.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the run, which ends its readers itself
        )
        with suppress(OSError, AttributeError):  # a second of stereo in one go, where the system has such pipes
            fcntl.fcntl(self.process.stdout, fcntl.F_SETPIPE_SZ, _PIPE)  # type: ignore[arg-type]

    def say(self, request: bytes) -> None:
        try:
            self.process.stdin.write(request)  # type: ignore[union-attr]
        except OSError as error:
            raise _Broken(self._end()) from error

    def read(self, size: int, patience: float) -> bytearray:
        content = bytearray(size)
        view, filled = memoryview(content), 0
        descriptor = self.process.stdout.fileno()  # type: ignore[union-attr]
        while filled < size:
            if not select.select([descriptor], [], [], patience)[0]:
                raise _Broken(f"its decoder gave no sign of life for {patience:.0f} s and was ended")
            got = os.readv(descriptor, [view[filled:]])
            if not got:
                raise _Broken(self._end())
            filled += got
        return content

    def end(self) -> None:
        with suppress(OSError):
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]

    def _end(self) -> str:
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            code = 0
        return f"its decoder crashed (signal {-code})" if code < 0 else "its decoder ended without an answer"


_idle: list[_Worker] = []
_lock = threading.Lock()


def _borrow() -> _Worker:
    with _lock:
        while _idle:
            worker = _idle.pop()
            if worker.process.poll() is None:
                return worker
            worker.end()
    return _Worker()


def _give_back(worker: _Worker) -> None:
    with _lock:
        _idle.append(worker)


def _end_all() -> None:
    with _lock:
        while _idle:
            _idle.pop().end()


atexit.register(_end_all)
os.register_at_fork(after_in_child=_idle.clear)
