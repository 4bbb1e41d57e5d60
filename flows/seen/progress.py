"""The bar of a recording's progress on its page; and whether a person has cancelled its run."""

from __future__ import annotations

import logging
import time
from typing import cast
from uuid import UUID

from httpx import HTTPError
from prefect import runtime
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.orchestration import get_client

from speechpipe.errors import CancelledByPerson

from .artifacts import slug

log = logging.getLogger("speechpipe.flows")

#: What share of a recording's work is behind when a stage begins and ends, in percent.
SHARES = {"chunk": (0, 10), "transcribe": (10, 80), "align": (80, 98), "deposit": (98, 100)}
SECONDS_BETWEEN_UPDATES = 3.0


class Bar:
    """The recording's bar of progress on the web page with the time left, moved at most every few seconds; for what is
    done sooner there is none. Each time it is seen to whether a person has cancelled the run."""

    def __init__(self, recording: str) -> None:
        self.id: UUID | None = None
        self.recording = recording
        self.waited = False
        self.began = self.moved = time.monotonic()

    def at(self, stage: str, done_ms: int, total_ms: int) -> None:
        """The callback that the pipeline's stages take. Raises ``CancelledByPerson``."""
        now = time.monotonic()
        if now - self.moved < SECONDS_BETWEEN_UPDATES:
            return
        self.moved = now
        stop_if_cancelled()
        begin, end = SHARES.get(stage, (0, 100))
        part = min(1.0, done_ms / total_ms) if total_ms else 0.0
        percent = begin + (end - begin) * part
        self._move(percent, f"{stage}, {left((now - self.began) * (100 - percent) / percent)}" if percent else stage)

    def waits(self) -> None:
        """Another run has the recording, or one of the same content: as two paths may have."""
        if not self.waited:
            log.info("Another run is at work on this recording, or on a copy of it. Waiting until that has ended.")
        self.waited = True
        time.sleep(SECONDS_BETWEEN_UPDATES)
        stop_if_cancelled()

    def full(self) -> None:
        if self.id:
            self._move(100.0, "done")

    def _move(self, percent: float, told: str) -> None:
        told = f"{self.recording}: {told}"
        if self.id:
            update_progress_artifact(self.id, percent, description=told)
        else:
            created = create_progress_artifact(percent, key=slug("progress", self.recording), description=told)
            self.id = cast(UUID, created)  # no coroutine: the flow is synchronous


def stop_if_cancelled() -> None:
    """Raises ``CancelledByPerson``: of a run within a run, which has no process of its own that could be ended."""
    if runtime.flow_run.id is None:
        return
    try:
        with get_client(sync_client=True) as client:
            run = client.read_flow_run(UUID(runtime.flow_run.id))
    except HTTPError:
        return  # the server is on its way back
    if run.deployment_id is None and run.state is not None and run.state.is_cancelling():
        raise CancelledByPerson


def left(seconds: float) -> str:
    """``about 2 h 5 min left``, as exactly as it is worth."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute left"
    return f"about {minutes // 60} h {minutes % 60} min left" if minutes >= 60 else f"about {minutes} min left"
