"""What a process of a run holds for all its recordings: models loaded once, collections looked through once."""

from __future__ import annotations

import os
from functools import lru_cache

from speechpipe.pipeline import Transcriber
from speechpipe.settings import Settings

from ..places import OUTPUTS, RECORDINGS, Places
from ..seen.fetching import Fetching


def transcriber(settings: Settings) -> Transcriber:
    """One for all recordings with the same settings, so that models are loaded once."""
    return _transcriber(settings.model_dump_json())


@lru_cache(maxsize=1)
def _transcriber(settings: str) -> Transcriber:
    fetching = Fetching()
    made = Transcriber(Settings.model_validate_json(settings), fetching)
    fetching.close()
    return made


def places() -> Places:
    """The collections, looked through once a process."""
    return _places(os.environ.get(RECORDINGS), os.environ.get(OUTPUTS))


@lru_cache(maxsize=1)
def _places(*_environment: str | None) -> Places:
    return Places.from_environment()
