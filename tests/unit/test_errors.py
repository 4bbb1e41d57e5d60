"""The tree in the docstring is the real one, and every error is one line with a cure and an exit code."""

from __future__ import annotations

import pickle
import re

import pytest

from speechpipe import errors
from speechpipe.errors import SpeechpipeError, one_line

CODES = {
    "SpeechpipeError": 1,
    "UsageError": 2,
    "MediaError": 3,
    "DependencyError": 4,
    "OutputError": 5,
    "EngineError": 6,
    "RepositoryError": 7,
    "BatchFailed": 8,
    "Interrupted": 130,
}
CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SpeechpipeError)]
every_class = pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)


def drawn() -> dict[str, tuple[str | None, int | None]]:
    """Class → (its parent, its exit code where one is drawn), as the module's docstring draws them."""
    tree: dict[str, tuple[str | None, int | None]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.fullmatch(r"    ([│├└─ ]*)(\w+)(?: +(\d+) .*)?", line)
        if not found:
            continue
        depth = len(found[1]) // 4
        del above[depth:]
        tree[found[2]] = (above[-1] if above else None, int(found[3]) if found[3] else None)
        above.append(found[2])
    return tree


def test_the_tree_is_drawn_as_it_is() -> None:
    tree = drawn()
    assert set(tree) == {kind.__name__ for kind in CLASSES}
    for kind in CLASSES:
        parent, code = tree[kind.__name__]
        assert kind.__base__ is not None
        assert (parent or "Exception") == kind.__base__.__name__
        assert code is None or code == kind.exit_code


@every_class
def test_the_exit_code_is_that_of_its_branch(kind: type[SpeechpipeError]) -> None:
    branch = next(parent.__name__ for parent in kind.__mro__ if parent.__name__ in CODES)
    assert kind.exit_code == CODES[branch]


def test_no_two_branches_share_an_exit_code() -> None:
    assert len(set(CODES.values())) == len(CODES)
    assert set(CODES) == {"SpeechpipeError"} | {k.__name__ for k in CLASSES if k.__base__ is SpeechpipeError}


@every_class
def test_an_error_is_one_line_that_ends_with_its_cure(kind: type[SpeechpipeError]) -> None:
    error = kind("Something\nhappened to\ta\x1b[31mfile\udce5.")
    assert str(error).splitlines() == [str(error)]
    assert str(error).isprintable()
    assert kind.cure
    assert str(error).endswith(kind.cure)
    assert error.message == r"Something happened to a\x1b[31mfile\udce5."
    assert kind.cure.endswith((".", "list", "--help", "FILE", "doctor"))


@every_class
def test_an_error_crosses_processes_unchanged(kind: type[SpeechpipeError]) -> None:
    error = kind("What happened.", cure="What to do.")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (str(again), again.message, again.advice) == ("What happened. What to do.", "What happened.", "What to do.")


def test_a_cure_can_be_left_out() -> None:
    assert str(SpeechpipeError("What happened.", cure="")) == "What happened."


@pytest.mark.parametrize(
    ("kind", "curable"),
    [
        ("UsageError", False),
        ("MediaError", False),
        ("MediaUnavailable", True),
        ("UnreadableMedia", False),
        ("OutputError", True),
        ("EngineError", True),
        ("BrokenModel", False),
    ],
)
def test_what_may_succeed_when_tried_again(kind: str, curable: bool) -> None:
    assert getattr(errors, kind).curable is curable


@pytest.mark.parametrize(
    ("text", "line"),
    [("a  b\n\nc", "a b c"), ("\x00", "\\x00"), ("\ud800", "\\ud800"), ("\u202e", "\\u202e"), ("æ «»", "æ «»")],
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text) == line
