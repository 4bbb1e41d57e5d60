"""What a Whisper model is told before a clip: order, limits, nothing dropped in silence, no commands in it."""

from __future__ import annotations

import pytest

from speechpipe.engines.contract import Options
from speechpipe.engines.whisper.prompts import MAX_TOKENS, prompt_tokens
from speechpipe.errors import UsageError


def encode(text: str) -> list[int]:
    """A token a character."""
    return [ord(letter) for letter in text]


def told(options: Options, before: str | None = None) -> str:
    return "".join(map(chr, prompt_tokens(encode, options, before)))


def test_nothing_is_told_by_default() -> None:
    assert told(Options()) == told(Options(), "") == told(Options(), "  ") == ""


def test_names_then_prompt_then_what_was_said() -> None:
    assert told(Options(vocabulary=("Hitra", "Smøla"))) == " Hitra, Smøla"
    assert told(Options(prompt="Reel four.\n")) == " Reel four."
    assert told(Options(prompt="Reel four.", vocabulary=("Hitra",)), "and so on ") == " Hitra Reel four. and so on"


def test_only_the_oldest_of_what_was_said_is_left_out() -> None:
    options = Options(vocabulary=("Hitra",))
    said = "".join(chr(0x4E00 + i) for i in range(400))
    found = told(options, said)
    assert len(found) == MAX_TOKENS
    assert found == " Hitra" + said[-(MAX_TOKENS - 6) :]


def test_names_that_fill_the_prompt_leave_no_room_for_what_was_said() -> None:
    full = Options(vocabulary=("x" * (MAX_TOKENS - 1),))
    assert told(full, "said before") == " " + "x" * (MAX_TOKENS - 1)
    with pytest.raises(UsageError, match=rf"{MAX_TOKENS + 1} tokens of the model; it takes {MAX_TOKENS}"):
        told(Options(vocabulary=("x" * MAX_TOKENS,)))
    with pytest.raises(UsageError, match="Vocabulary and prompt are"):
        told(Options(prompt="y" * 200, vocabulary=("x" * 200,)))
