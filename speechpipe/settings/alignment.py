"""How words get their times."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from speechpipe.settings.section import Section


class Alignment(Section):
    method: Literal["viterbi", "torchaudio"] = Field("viterbi", description="which code searches for the words' times")
