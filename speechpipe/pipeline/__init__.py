"""The stages of one recording in order: chunk → transcribe → align → deposit. The only place that shifts clip time.

``transcribe()`` is for a developer, ``process()`` for a recording of a repository; flows call a ``Run``'s stages one by
one. All of them are the same stages over the same workspace.
"""

from __future__ import annotations

from speechpipe.pipeline.models import Transcriber
from speechpipe.pipeline.run import Run, process
from speechpipe.pipeline.sources import transcribe
from speechpipe.pipeline.stages import Progress, Recording, Summary

__all__ = ["Progress", "Recording", "Run", "Summary", "Transcriber", "process", "transcribe"]
