"""The command line. A command's module is imported when that command is called, so that ``--help`` answers at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

from speechpipe.console.terminal import ReaderGone, fault, interrupted, reader_gone, report, speak_safely
from speechpipe.errors import SpeechpipeError, UsageError
from speechpipe.installed import version
from speechpipe.stopping import EXIT_CODE, asked_to_stop, end_by_ctrl_c, leave, stop_by_ctrl_c

#: Name of a command → what it does; its module has the same name and holds ``command``.
COMMANDS = {
    "transcribe": "Turn recordings into timed text.",
    "convert": "Write a transcript, also a corrected one, in other formats.",
    "diff": "Show what a person changed in a transcript.",
    "pending": "Show what of the collections would be done now.",
    "withdraw": "Erase what was made of a recording and keep it from being done again.",
    "models": "Choose models, look at them, and keep those that are here.",
    "inspect": "Show what a media file holds.",
    "doctor": "Check what is installed and whether it works.",
    "serve": "Start the flows with their web page.",
}

EPILOG = """\b
Example:
  speechpipe transcribe reel-12.wav --model whisper-tiny-archive

\b
Exit codes: 0 done, 1 fault of speechpipe, 2 usage, 3 media, 4 something not
installed, 5 output, 6 model or engine, 7 repository, 8 some of several
recordings failed, 130 stopped by you.
"""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The command line as a program: exits, by Ctrl-C too, with one line and no traceback."""
    stop_by_ctrl_c()
    try:
        try:
            speak_safely()
            cli.main(list(sys.argv[1:] if arguments is None else arguments), prog_name="speechpipe")
        finally:
            end_by_ctrl_c()
    except KeyboardInterrupt:  # outside of a command
        interrupted()
    except SystemExit as end:
        if end.code != EXIT_CODE:
            raise
    leave()


class Commands(click.Group):
    """Loads a command on use, and turns every way a command can end into an exit code and at most one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"speechpipe.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderGone from error

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]
        arguments = list(sys.argv[1:] if args is None else args)
        sys.exit(self._run(arguments, prog_name or "speechpipe"))

    def _run(self, arguments: list[str], prog_name: str) -> int:
        try:
            refuse_nowhere()
            code = super().main(arguments, prog_name, standalone_mode=False)
            sys.stdout.flush()
            return code if isinstance(code, int) else 0
        except SpeechpipeError as error:
            return interrupted() if asked_to_stop() else report(error)
        except click.ClickException as error:
            error.show()
            return error.exit_code
        except (click.Abort, KeyboardInterrupt):
            return interrupted()
        except (ReaderGone, BrokenPipeError):
            return reader_gone()
        except Exception as error:
            if asked_to_stop():
                return interrupted()
            if "--debug" in arguments:
                raise
            return report(fault(error))


def refuse_nowhere() -> None:
    """Raises UsageError where the working folder was removed: libraries end the process there without a word."""
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError("The folder that you are in was removed.", cure="Go to another, then try again.") from error


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(), prog_name="speechpipe")
@click.option("--debug", is_flag=True, help="Show the whole traceback of an unexpected error.")
def cli(debug: bool) -> None:
    """Turn the spoken word in recordings into timed text: WebVTT, ALTO, JSON and plain text."""
