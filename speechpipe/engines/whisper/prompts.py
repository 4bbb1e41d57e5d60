"""What a Whisper model is told before a clip: names of the collection, a text to go on from, what was said before."""

from __future__ import annotations

from collections.abc import Callable

from speechpipe.engines.contract import Options
from speechpipe.errors import UsageError

#: Whisper's decoder holds 448 tokens; half of them, less the one that opens the prompt, may come before the clip.
MAX_TOKENS = 223


def prompt_tokens(encode: Callable[[str], list[int]], options: Options, before: str | None) -> list[int]:
    """Token ids of vocabulary, prompt and what was said ``before``, in this order, so that the nearest comes last.

    ``encode`` gives the ids of a text, special tokens not read as such. Where there is more than the model takes,
    the oldest of ``before`` is left out.

    Raises:
        UsageError: vocabulary and prompt alone are more than the model takes; none of them is dropped in silence.
    """
    fixed = _tokens(encode, ", ".join(options.vocabulary)) + _tokens(encode, options.prompt or "")
    if len(fixed) > MAX_TOKENS:
        raise UsageError(
            f"Vocabulary and prompt are {len(fixed)} tokens of the model; it takes {MAX_TOKENS}.",
            cure="Leave out the words that it knows already, or that are rarely said.",
        )
    said = _tokens(encode, before or "")
    return fixed + said[max(0, len(said) - (MAX_TOKENS - len(fixed))) :]


def _tokens(encode: Callable[[str], list[int]], text: str) -> list[int]:
    return encode(" " + text.strip()) if text.strip() else []
