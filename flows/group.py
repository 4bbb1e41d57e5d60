"""The flow of a group: short recordings one after the other in one process, so that a model is loaded once for all."""

from __future__ import annotations

import logging
from typing import Any

from prefect import flow, runtime, tags
from prefect.states import Completed, Failed

from speechpipe.pipeline.queue import common_reason
from speechpipe.repositories.contract import Receipt

from .ending import end_children
from .parameters import How, OneRecording, SeveralRecordings
from .process import tame, turn
from .recording import places, transcribe_recording, transcriber

log = logging.getLogger("speechpipe.flows")


def run_name() -> str:
    asked = runtime.flow_run.parameters.get("recordings") or {}
    names = asked.get("recordings", ()) if isinstance(asked, dict) else asked.recordings
    return f"group of {len(names)}"


@flow(
    name="transcribe-group",
    flow_run_name=run_name,
    description="Short recordings one after the other, each in a run of its own.",
    on_cancellation=[end_children],
    on_crashed=[end_children],
)
def transcribe_group(recordings: SeveralRecordings, how: How = How()) -> Any:  # noqa: B008 (frozen)
    """Each of them; one that fails never stops the others, unless all fail for one reason.

    Args:
        recordings: Which of them.
        how: How they are transcribed.
    """
    tame()
    ended: list[Receipt] = []
    with turn(lambda: log.info("Waiting until the machine has room for one more group.")):
        for name in recordings.recordings:
            do_one(name, recordings.again, how)
            found = places().find(name)
            if receipt := found.place.repository.existing(found.item):
                ended.append(receipt)
            if reason := common_reason(ended):
                return Failed(message=f"Stopped, as every recording fails for one reason: {reason}")
    return Completed(message=f"{len(ended)} recordings.")


def do_one(name: str, again: bool, how: How) -> None:
    """A recording in a run of its own; how it ended is known from its receipt."""
    with tags(transcriber(how.settings()).model.name, *(runtime.flow_run.tags or ())):
        transcribe_recording(OneRecording(recording=name, again=again), how, return_state=True)
