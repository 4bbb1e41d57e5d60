"""Which language token a Whisper model is given: its own, a relative's, or the one that it was trained with."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from speechpipe import languages
from speechpipe.engines.contract import EngineInfo
from speechpipe.engines.loading import read_json

_FILE = "generation_config.json"


def whisper_language(code: str, info: EngineInfo, folders: Sequence[Path], has: Callable[[str], bool]) -> str:
    """What Whisper calls the language ``code`` (``nb`` → ``no``, ``gsw`` → ``de``).

    A language of the model's own that Whisper lacks, such as Northern Sámi, was trained under another one's token,
    which stands in ``generation_config.json`` in one of ``folders``. ``has`` tells whether the model has a token.

    Raises:
        UnknownLanguage: the model does not know it; says which it knows. BrokenModel: that file is damaged.
    """
    token = languages.whisper_code(code)
    if token is None and languages.check(code) in (info.languages or ()):
        token = forced_language(folders)
    if token is None or not has(token):
        raise languages.unsupported(info.model, code, info.languages or ())
    return token


def forced_language(folders: Sequence[Path]) -> str | None:
    """The language that a model's ``generation_config.json`` forces, as ``language`` or among its forced tokens; None
    where it forces none. Raises ``BrokenModel``."""
    config = next((found for folder in folders if (found := read_json(folder / _FILE))), {})
    ids = config.get("lang_to_id")
    forced = config.get("forced_decoder_ids")
    if isinstance(config.get("language"), str):
        return _code(config["language"])
    if not isinstance(ids, dict) or not isinstance(forced, list):
        return None
    tokens = {number: token for token, number in ids.items() if isinstance(number, int)}
    pairs = [pair for pair in forced if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], int)]
    return next((_code(tokens[number]) for _, number in pairs if number in tokens), None)


def _code(language: str) -> str | None:
    """``fi`` of ``<|fi|>``, ``fi`` or ``finnish``."""
    plain = language.strip().lower()
    if match := re.fullmatch(r"<\|([a-z]{2,3})\|>|([a-z]{2,3})", plain):
        return match[1] or match[2]
    named = (row.whisper for row in languages.LANGUAGES.values() if row.name.lower() == plain)
    return next(named, None)
