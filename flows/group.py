"""The flow of a group: short recordings one after the other in one process, so that a model is loaded once for all."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from prefect import flow, runtime
from prefect.states import Completed, Failed

from speechpipe.batch.queue import common_reason
from speechpipe.errors import OutputError, SpeechpipeError
from speechpipe.repositories.contract import Receipt

from .forms.parameters import How, SeveralRecordings
from .places import Found, below
from .recording import transcribe_recording
from .running.ending import end_children
from .running.held import places, transcriber
from .running.process import tame, turn
from .running.within import runs_within

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
    try:
        with turn(lambda: log.info("Waiting until the machine has room for one more group.")):
            reason = one_by_one(recordings.recordings, recordings.again, how)
    except SpeechpipeError as error:
        reason = below(str(error))
    if reason:
        log.error("%s", reason)
        return Failed(message=reason)
    return Completed(message=f"{len(recordings.recordings)} recordings.")


def one_by_one(names: Sequence[str], again: bool, how: How) -> str | None:
    """Each in a run of its own; how it ended is known from its receipt. Returns why the rest was left, if it was."""
    ended: list[Receipt] = []
    asked, model = {"how": how.model_dump(mode="json")}, transcriber(how.settings()).model.name
    with runs_within(transcribe_recording) as begin:
        for name in names:
            found: Found | None = None
            try:
                found = places().find(name)
                found.place.check_room()
            except OutputError as error:
                return f"Stopped, as nothing can be written: {below(str(error))}"
            except SpeechpipeError:
                pass  # its own run says why it cannot be found
            begin(name, {"recording": {"recording": name, "again": again}, **asked}, [model])
            if found and (receipt := found.place.repository.existing(found.item)):
                ended.append(receipt)
            if reason := common_reason(ended):
                return f"Stopped, as every recording fails for one reason: {below(reason)}"
    return None
