"""The stages of one recording in order: chunk → transcribe → align → deposit. The only place that shifts clip time.

``transcribe()`` is for a developer, ``process()`` for a recording of a repository; flows call a ``Run``'s stages one by
one. All of them are the same stages over the same workspace.
"""

from __future__ import annotations

from speechpipe.pipeline.journals.batches import Progress
from speechpipe.pipeline.recording import Recording, Summary
from speechpipe.pipeline.run import Run, process
from speechpipe.pipeline.sources import transcribe
from speechpipe.pipeline.transcriber import Transcriber

__all__ = ["Progress", "Recording", "Run", "Summary", "Transcriber", "process", "transcribe"]
