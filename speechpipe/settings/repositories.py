"""Collections, and what a batch makes of their recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from speechpipe.settings.section import Section


class Collection(Section):
    """Recordings below ``root``; results below ``outputs``, those that are not for everybody below ``restricted``.

    ``metadata`` is a table (CSV or JSON) of what is known of the recordings; without it ``metadata.csv`` or
    ``metadata.json`` in ``root`` is taken, where there is one.
    """

    root: Path
    outputs: Path
    restricted: Path | None = Field(None, description="None: a folder beside outputs, named OUTPUTS-restricted")
    metadata: Path | None = None


class Night(Section):
    """What a batch offers again, and what it makes of recordings of which something is not known."""

    settle_minutes: float = Field(5.0, ge=0, description="a file that changed within this time may still be growing")
    ready_marker: str | None = Field(None, min_length=2, description="an ending (.ready) or a file's name (READY)")
    unknown_rights: Literal["restrict", "open", "skip"] = "restrict"
    rerun: Literal["never", "failed", "model-changed", "all"] = "never"
    rerun_quota: int = Field(100, ge=0, description="at most so many finished recordings are done again in a night")
