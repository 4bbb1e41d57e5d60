"""What the programs beside it share: the task from the command line, and the words into the file that it names.

Each runs in an environment of its own, so it imports nothing of the project.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def task() -> dict[str, Any]:
    """``media``, ``result``, ``ct2``, ``device``, ``compute_type``, ``threads``, ``beam`` and what the peer needs."""
    return json.loads(sys.argv[1])


def hand_in(words: Iterable[tuple[str, float | None, float | None, float | None]], **said: Any) -> None:
    """Words as (text, start and end in seconds, confidence), and what else is worth knowing."""
    rows = [
        {"text": text, "start_ms": _ms(start), "end_ms": _ms(end), "confident": confidence is not None}
        for text, start, end, confidence in words
    ]
    Path(task()["result"]).write_text(json.dumps({"words": rows, **said}), encoding="utf-8")


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(float(seconds) * 1000)
