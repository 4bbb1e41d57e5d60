"""What a file of results may be called."""

from __future__ import annotations

import re

from speechpipe.transcript_data import TranscriptData


def file_name(transcript: TranscriptData) -> str:
    """The recording's own file name, safe to join to a folder: ``media.name`` may come from anywhere."""
    last = re.split(r"[/\\]", transcript.media.name)[-1].replace("\0", "")
    return last if last.strip(". ") else "transcript"
