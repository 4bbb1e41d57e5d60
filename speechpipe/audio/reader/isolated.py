"""Reading foreign media in a process of its own, ended by a watchdog where it hangs, and survived where it crashes.

What ends it from outside, as where memory is short, is no fault of the file; nor is waiting for a disk. What could pass
is tried once more with a fresh reader.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechpipe import errors
from speechpipe.audio.reader.inspection import Chapter, Inspection
from speechpipe.audio.reader.media import check
from speechpipe.audio.reader.riff import Bext
from speechpipe.audio.reader.worker import BLOCK, HEAD
from speechpipe.errors import MediaUnavailable, SpeechpipeError, UnreadableMedia
from speechpipe.installed import PACKAGE
from speechpipe.transcript_data import Media, Stream

#: Seconds without a sign of life after which a decoder counts as hanging. Tape robots need some of them.
PATIENCE = 120.0
#: The wait for it is counted in pieces: the clock may have gone on while the machine or this process stood still.
_PIECE_S = 1.0
#: Who computed for more than this share of the wait has lost its way in the file; who did not, waits for the disk.
_BUSY = 0.05
#: What a decoder does to itself. All other signals come from outside.
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSYS, signal.SIGTRAP}
_LARGEST = 1 << 28  # bytes of one message; longer is no answer of ours
_PIPE = 1 << 18


def probe(path: Path) -> Media:
    """What the container says of itself, without decoding. ``sha256`` and ``duration_ms`` stay unknown.

    Raises:
        MediaNotFound, MediaUnavailable: no such file, or it cannot be had now.
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
        MediaNotFound, MediaUnavailable, UnreadableMedia: as the reader says; it crashed; it hung.
    """
    exchange = Exchange(do, path, patience=patience)
    for _ in exchange:
        pass
    if exchange.broken:
        raise UnreadableMedia(f"{path} cannot be read: {exchange.broken}.")
    return exchange.answer


class Exchange:
    """One request to a reader: iterate for its blocks (channels, samples), then look at ``answer`` and ``broken``.

    ``broken`` says in words that the reader crashed, twice, or lost its way in the file; the blocks until then are
    good.

    Raises (while iterating):
        MediaNotFound, UnreadableMedia, UsageError: as the reader says. MediaUnavailable: so too, or the reader was
        ended from outside, twice; the blocks until then are good.
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
        given, passing = 0, False
        for last in (False, True):
            trouble: _Broken | SpeechpipeError | None = None
            with closing(self._blocks()) as blocks:
                try:
                    # A second reader gives the same blocks, of which those that were given are passed over.
                    for number, block in enumerate(blocks):
                        if number >= given:
                            given += 1
                            yield block
                except (_Broken, SpeechpipeError) as error:
                    trouble = error
            passing = passing or (isinstance(trouble, _Broken) and trouble.passing)
            if last or trouble is None or not trouble.curable:
                break
        if isinstance(trouble, SpeechpipeError):
            raise trouble
        if trouble is not None and passing:
            raise MediaUnavailable(f"{self._named} could not be read to its end: {trouble}.")
        self.broken = str(trouble or "")

    def _blocks(self) -> Generator[NDArray[np.float32], None, None]:
        """What one reader gives. Raises _Broken, SpeechpipeError."""
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
            answer = json.loads(content)
            error = self._error(answer) if "error" in answer else None
            finished = error is None or not error.curable
        finally:
            if finished:
                _give_back(worker)
            else:
                worker.end()
        if error:
            raise error
        self.answer = answer

    def _error(self, answer: dict[str, str]) -> SpeechpipeError:
        kind: type[SpeechpipeError] = getattr(errors, answer["error"])
        message, cure = (answer[key].replace(self._absolute, self._named) for key in ("message", "cure"))
        return kind(message, cure=cure)


class _Broken(Exception):
    """The reader is no more, or gives no sign of life.

    ``passing``: for no fault of the file. ``curable``: whether another reader may do better at once.
    """

    def __init__(self, message: str, *, passing: bool = False, curable: bool = False) -> None:
        super().__init__(message)
        self.passing, self.curable = passing, curable


class _Worker:
    def __init__(self) -> None:
        # -P: the folder that a person stands in may hold files named like our modules.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), *filter(None, sys.path)])}
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "speechpipe.audio.reader.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for the run, which ends its readers itself
            )
        except OSError as error:  # no memory for another process, or none allowed
            raise _Broken(f"its reader cannot be started ({error.strerror or error})", passing=True) from error
        with suppress(OSError, AttributeError):  # a second of stereo in one go, where the system has such pipes
            fcntl.fcntl(self.process.stdout, fcntl.F_SETPIPE_SZ, _PIPE)  # type: ignore[arg-type]

    def say(self, request: bytes) -> None:
        try:
            self.process.stdin.write(request)  # type: ignore[union-attr]
        except OSError as error:
            raise self._ended() from error

    def read(self, size: int, patience: float) -> bytearray:
        content = bytearray(size)
        view, filled = memoryview(content), 0
        descriptor = self.process.stdout.fileno()  # type: ignore[union-attr]
        while filled < size:
            before = _computed_s(self.process.pid)
            if not _comes(descriptor, patience):
                told = f"its decoder gave no sign of life for {patience:.0f} s and was ended"
                after = _computed_s(self.process.pid)
                waits = before is not None and after is not None and after - before <= _BUSY * patience
                raise _Broken(told, passing=waits)
            got = os.readv(descriptor, [view[filled:]])
            if not got:
                raise self._ended()
            filled += got
        return content

    def end(self) -> None:
        with suppress(OSError):
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]

    def _ended(self) -> _Broken:
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            code = 0
        if -code in _CRASHES:
            return _Broken(f"its decoder crashed (signal {-code})", curable=True)
        if code < 0:
            told = f"its decoder was ended from outside (signal {-code})"
            told += ", as where memory is short" if -code == signal.SIGKILL else ""
            return _Broken(told, passing=True, curable=True)
        return _Broken("its decoder ended without an answer", passing=True, curable=True)


def _comes(descriptor: int, patience: float) -> bool:
    """Whether something can be read, waited for in pieces."""
    while patience > 0:
        if select.select([descriptor], [], [], min(patience, _PIECE_S))[0]:
            return True
        patience -= _PIECE_S
    return False


def _computed_s(process: int) -> float | None:
    """For how long a process has computed so far; None where the system does not tell."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
