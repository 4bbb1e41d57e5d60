"""How the commands speak: errors in one line, progress for a terminal or a log, text that cannot steer the terminal."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TextIO

from speechpipe.errors import EngineError, Interrupted, OutputError, SpeechpipeError, one_line
from speechpipe.files import claimed

#: The pipeline's stages as people call them.
STAGES = {"chunk": "finding speech", "transcribe": "transcribing", "align": "timing words"}
PIPE_CLOSED = 141  # 128 + SIGPIPE, as a shell shows it


class ReaderGone(Exception):
    """Whoever read stdout closed it, as ``head`` does. No ``OSError``, since click ends by itself on such a one."""


def say(text: str = "") -> None:
    """One line of a result on stdout."""
    print(text, flush=True)


def note(text: str) -> None:
    """One line about the work on stderr; where that is full there is nobody to be told."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def say_json(data: Mapping[str, Any]) -> None:
    """One object on one line of stdout; ASCII, since a raw control character would reach the terminal."""
    say(json.dumps(data, ensure_ascii=True, allow_nan=False))


def shown(path: Path | str) -> str:
    """A name from outside, with whatever could steer a terminal made visible."""
    return one_line(str(path))


def report(error: SpeechpipeError) -> int:
    note(f"speechpipe: {error}")
    return error.exit_code


def interrupted() -> int:
    note("")  # the terminal's ^C stands on the line of the progress bar
    return report(Interrupted("Stopped."))


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM stops the work as Ctrl-C does: at once where Python runs, after the batch in hand in native code."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def reader_gone() -> int:
    """Stdout was closed by its reader: end without a word, also when Python flushes at its end."""
    with suppress(OSError):  # a replaced stdout has no descriptor, and nothing to flush
        _to_nowhere(sys.stdout.fileno())
    return PIPE_CLOSED


def fault(error: BaseException) -> SpeechpipeError:
    """An error nobody foresaw, as one line; its traceback goes into a file. A lack of memory is no fault of ours."""
    if isinstance(error, MemoryError):
        return EngineError(
            "There is not enough memory to go on.", cure="Work on fewer at once, or with less beside it."
        )
    what = one_line(f"{type(error).__name__}: {error}")
    kept = keep_traceback(error)
    cure = f"Please report it with {kept}" if kept else "Run it again as speechpipe --debug and report what that prints"
    return SpeechpipeError(f"This is a fault of speechpipe ({what}).", cure=f"{cure}.")


def keep_traceback(error: BaseException) -> Path | None:
    """Write the traceback into the workspace, or the system's temporary folder; None where neither can be written."""
    text = "".join(traceback.format_exception(error))
    name = f"fault-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt"
    for folder in (_faults_folder(), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = claimed(folder / name)
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
            return path
        except (OSError, OutputError):
            continue
    return None


def speak_safely() -> None:
    """A name that the terminal's encoding lacks is shown as an escape instead of ending the program, and a stdout that
    takes no more, as a full disk does, is told as such. One that was closed at the start says nothing."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        with suppress(OSError):  # a replaced one has no descriptor
            buffer = io.BufferedWriter(_Stdout(out.fileno(), "wb", closefd=False))
            at_once = out.line_buffering or out.write_through
            sys.stdout = io.TextIOWrapper(buffer, out.encoding, out.errors, line_buffering=at_once)


class _Stdout(io.FileIO):
    def write(self, content: Any) -> int:
        try:
            return super().write(content) or 0
        except BrokenPipeError:
            raise
        except OSError as error:
            _to_nowhere(self.fileno())  # Python would try again at its end
            raise OutputError(
                f"Cannot write to standard output: {error.strerror or error}.", cure="Free some space, then run again."
            ) from error


def _open_what_is_closed() -> None:
    """Python has no stream where a descriptor was closed, and the next file to be opened would get its number: what a
    library prints would go into it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


def _to_nowhere(descriptor: int) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _faults_folder() -> Path:
    from speechpipe.settings import Settings

    try:
        return Settings.load().workspace_folder / "faults"
    except SpeechpipeError:
        return Path(tempfile.gettempdir())


class Progress(Protocol):
    def __call__(self, stage: str, done_ms: int, total_ms: int) -> None: ...
    def close(self) -> None: ...


def progress_for(path: Path, quiet: bool) -> Progress:
    """A bar on a terminal, lines in a log, nothing where nothing is wanted."""
    if quiet:
        return Silence()
    return Bar(path.name) if has_width(sys.stderr) else Lines(path.name)


def has_width(stream: TextIO) -> bool:
    """Whether it is a terminal on which a bar can be drawn; some that call themselves one are no column wide."""
    try:
        return stream.isatty() and os.get_terminal_size(stream.fileno()).columns > 0
    except (OSError, ValueError):
        return stream.isatty()


class Silence:
    def __call__(self, stage: str, done_ms: int, total_ms: int) -> None:
        return

    def close(self) -> None:
        return


class Lines:
    """For a log: a line when a stage begins, one each ten percent of it, and one where a minute passed without."""

    EVERY_S = 60.0

    def __init__(self, name: str) -> None:
        self._name = shown(name)
        self._stage = ""
        self._tenths = 0
        self._began = self._said = 0.0
        self._first_ms = 0  # what an earlier run had done

    def __call__(self, stage: str, done_ms: int, total_ms: int) -> None:
        label, now = f"{self._name}: {STAGES.get(stage, stage)}", time.monotonic()
        percent = min(100, done_ms * 100 // total_ms) if total_ms > 0 else 0
        if stage != self._stage:
            self._stage, self._tenths = stage, percent // 10
            self._began, self._first_ms, self._said = now, done_ms, now
            note(f"{label}, {percent} % done before" if percent else label)
        elif percent // 10 > self._tenths or now - self._said >= self.EVERY_S:
            self._tenths, self._said = percent // 10, now
            note(f"{label} {percent} %{self._left(done_ms, total_ms, now)}")

    def _left(self, done_ms: int, total_ms: int, now: float) -> str:
        done = done_ms - self._first_ms
        if done <= 0 or done_ms >= total_ms:
            return ""
        left = round((now - self._began) * (total_ms - done_ms) / done)
        return f", {left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"

    def close(self) -> None:
        return


class Bar:
    """One bar a stage, with the time left."""

    FORMAT = "{desc} {percentage:3.0f} % |{bar}| {elapsed} passed, {remaining} left"

    def __init__(self, name: str) -> None:
        name = shown(name)
        self._name = name if len(name) <= 40 else f"{name[:24]}…{name[-15:]}"
        self._stage = ""
        self._bar: Any = None

    def __call__(self, stage: str, done_ms: int, total_ms: int) -> None:
        if stage != self._stage:
            self.close()
            self._stage = stage
            self._bar = self._new_bar(f"{self._name}: {STAGES.get(stage, stage)}", min(done_ms, max(total_ms, 1)))
        if total_ms > 0:
            self._bar.total = total_ms
            self._bar.update(min(done_ms, total_ms) - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _new_bar(self, label: str, before: int) -> Any:
        """``before``: what an earlier run had done, which says nothing of the time left."""
        from tqdm import tqdm

        # tqdm counts milliseconds of the recording; their total may become known later.
        return tqdm(
            total=max(before, 1),
            initial=before,
            desc=label,
            bar_format=self.FORMAT,
            leave=False,
            dynamic_ncols=True,
            mininterval=0.5,
            file=sys.stderr,
        )
