"""Ctrl-C ends the program with one line and exit code 130, whatever it does at that moment, however it was started."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # the program imports this first, so it imports as little as it can: not even typing and signal
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import NoReturn

EXIT_CODE = 130


def end_by_ctrl_c() -> None:
    """From now on Ctrl-C ends the process at once: nothing is in hand yet, or any longer.

    So it does also where it was ignored at the start, as in the background of a shell, by nohup and by cron: whoever
    sends it to this process means it.
    """
    sys.excepthook = _uncaught
    import signal

    signal.signal(signal.SIGINT, _end)


def stop_by_ctrl_c() -> None:
    """From now on Ctrl-C raises ``KeyboardInterrupt``; a second one ends the process at once, which loses no more than
    the batch in hand."""
    import signal

    sys.unraisablehook = _lost
    signal.signal(signal.SIGINT, _stop)


def asked_to_stop() -> bool:
    """Whether Ctrl-C came: libraries, and Python within a class, may turn what it raised into an error of their own."""
    import signal

    return signal.getsignal(signal.SIGINT) is _end


def leave() -> NoReturn:
    """End a stopped program now. A native library whose loading was cut off would abort at Python's own end; and Python
    would kill itself by the signal, instead of giving the exit code, where a line of ``exec`` was interrupted."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # nobody reads it any more, or it was closed
            continue
    os._exit(EXIT_CODE)


def _end(number: int, frame: FrameType | None) -> None:
    try:
        if sys.stderr is not None:  # else that number may be another file's
            os.write(2, b"\nspeechpipe: Stopped.\n")
    finally:
        os._exit(EXIT_CODE)


def _stop(number: int, frame: FrameType | None) -> None:
    end_by_ctrl_c()
    raise KeyboardInterrupt


def _uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        _end(0, None)
    sys.__excepthook__(kind, error, traceback)


def _lost(what: sys.UnraisableHookArgs) -> None:
    """What is raised while something is thrown away reaches nobody: Python would print it and go on."""
    if issubclass(what.exc_type, KeyboardInterrupt):
        _end(0, None)
    sys.__unraisablehook__(what)
