"""How the commands speak: errors in one line, progress for a terminal or a log, text that cannot steer the terminal."""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TextIO

from speechpipe.errors import Interrupted, SpeechpipeError, one_line

#: The pipeline's stages as people call them.
STAGES = {"chunk": "finding speech", "transcribe": "transcribing", "align": "timing words"}
PIPE_CLOSED = 141  # 128 + SIGPIPE, as a shell shows it


class ReaderGone(Exception):
    """Whoever read stdout closed it, as ``head`` does. No ``OSError``, since click ends by itself on such a one."""


def say(text: str = "") -> None:
    """One line of a result on stdout."""
    print(text, flush=True)


def note(text: str) -> None:
    """One line about the work on stderr."""
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


def reader_gone() -> int:
    """Stdout was closed by its reader: end without a word, also when Python flushes at its end."""
    with suppress(OSError):  # a replaced stdout has no descriptor, and nothing to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE_CLOSED


def fault(error: BaseException) -> SpeechpipeError:
    """An error nobody foresaw, as one line; its traceback goes into a file."""
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
            path = folder / name
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
            return path
        except OSError:
            continue
    return None


def speak_safely() -> None:
    """A name that the terminal's encoding lacks is shown as an escape instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


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
    """A line when a stage begins and one each ten percent of it."""

    def __init__(self, name: str) -> None:
        self._name = shown(name)
        self._stage = ""
        self._tenths = 0

    def __call__(self, stage: str, done_ms: int, total_ms: int) -> None:
        label = f"{self._name}: {STAGES.get(stage, stage)}"
        if stage != self._stage:
            self._stage, self._tenths = stage, 0
            note(label)
        tenths = min(10, done_ms * 10 // total_ms) if total_ms > 0 else 0
        if tenths > self._tenths:
            self._tenths = tenths
            note(f"{label} {tenths * 10} %")

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
            self._bar = self._new_bar(f"{self._name}: {STAGES.get(stage, stage)}")
        if total_ms > 0:
            self._bar.total = total_ms
            self._bar.update(min(done_ms, total_ms) - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _new_bar(self, label: str) -> Any:
        from tqdm import tqdm

        # total=1 until the first report; tqdm counts milliseconds of the recording.
        return tqdm(total=1, desc=label, bar_format=self.FORMAT, leave=False, dynamic_ncols=True, file=sys.stderr)
