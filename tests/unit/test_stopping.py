"""What Ctrl-C does to the program at moments at which Python itself would print a traceback or go on."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

STOPPED = "\nspeechpipe: Stopped.\n"
BEGIN = "import signal\nfrom speechpipe.stopping import end_by_ctrl_c, leave, stop_by_ctrl_c\n"
STRIKE = "signal.raise_signal(signal.SIGINT)"


def ended(program: str, *, ignored: bool = False) -> tuple[int, str, str]:
    def before() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.SIG_DFL)

    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program], capture_output=True, text=True, preexec_fn=before, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("ignored", [False, True])
def test_before_and_after_the_work_it_ends_the_process(ignored: bool) -> None:
    assert ended(f"end_by_ctrl_c()\n{STRIKE}\nprint('went on')", ignored=ignored) == (130, "", STOPPED)


@pytest.mark.parametrize("ignored", [False, True])
def test_at_work_it_is_raised(ignored: bool) -> None:
    program = f"stop_by_ctrl_c()\ntry: {STRIKE}\nexcept KeyboardInterrupt: print('tidied up'), leave()"
    assert ended(program, ignored=ignored) == (130, "tidied up\n", "")


def test_a_second_one_does_not_wait_for_what_the_first_has_begun() -> None:
    program = f"stop_by_ctrl_c()\ntry: {STRIKE}\nexcept KeyboardInterrupt: {STRIKE}\nprint('went on')"
    assert ended(program) == (130, "", STOPPED)


def test_it_ends_the_process_where_nobody_would_hear_of_it() -> None:
    program = f"class Held:\n    def __del__(self): {STRIKE}\nstop_by_ctrl_c()\nHeld()\nprint('went on')"
    assert ended(program) == (130, "", STOPPED)


#: Python 3.11 turns what is raised there into a RuntimeError.
WITHIN_A_CLASS = """
import click, sys, types
class Named:
    def __set_name__(self, owner, name):
        signal.raise_signal(signal.SIGINT)
@click.command()
def command():
    try:
        type("Holder", (), {"named": Named()})
    except RuntimeError as error:
        {raised}
module = sys.modules["speechpipe.cli.doctor"] = types.ModuleType("doctor")
module.command = command
from speechpipe.cli import main
main(["doctor"])
"""


@pytest.mark.parametrize(
    "raised", ["raise", "from speechpipe.errors import EngineError; raise EngineError('It broke.')"]
)
def test_what_python_or_a_library_makes_of_it_is_no_other_error(raised: str) -> None:
    said = "\nspeechpipe: Stopped. Run the same command again to go on where it stopped.\n"
    assert ended(WITHIN_A_CLASS.replace("{raised}", raised)) == (130, "", said)


def test_other_errors_are_told_as_ever() -> None:
    code, _, said = ended("end_by_ctrl_c()\n1 / 0")
    assert (code, said.splitlines()[-1]) == (1, "ZeroDivisionError: division by zero")
    program = "class Held:\n    def __del__(self): 1 / 0\nstop_by_ctrl_c()\nHeld()"
    code, _, said = ended(program)
    assert (code, said.splitlines()[-1]) == (0, "ZeroDivisionError: division by zero")


def test_it_ends_without_a_stderr_to_say_so() -> None:
    assert ended(f"import sys\nsys.stderr.close()\nsys.stderr = None\nend_by_ctrl_c()\n{STRIKE}") == (130, "", "")


def test_the_library_leaves_signals_alone() -> None:
    program = "import speechpipe.cli, sys\nprint(signal.getsignal(signal.SIGINT), sys.excepthook is sys.__excepthook__)"
    code, out, _ = ended(program)
    assert (code, "default_int_handler" in out, out.endswith("True\n")) == (0, True, True)
