"""How an engine decodes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from speechpipe.settings.section import Section


class Decoding(Section):
    beam_size: int = Field(5, ge=1, le=20)
    batch_size: int = Field(8, ge=1, le=64)
    prompt: str | None = Field(None, description="a text that the recording could go on from")
    vocabulary: tuple[str, ...] = Field((), description="names and places of the collection")
    context: bool = Field(False, description="each window is told what was recognised before it")
    fallback: Literal["off", "deterministic", "full"] = Field("full", description="how a failed window is tried again")
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    compute_type: str = "default"
    threads: int = Field(0, ge=0, description="0: as many as there are cores")
