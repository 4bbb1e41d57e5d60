"""The flow of one recording: chunk → transcribe → align → deposit, each a task that people see."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from prefect import State, flow, runtime
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.states import Cancelled, Completed, Failed

from speechpipe.console.terminal import fault
from speechpipe.errors import CancelledByPerson, SpeechpipeError, Withdrawn
from speechpipe.pipeline import Run
from speechpipe.repositories.contract import Receipt

from .forms.parameters import How, OneRecording
from .places import Found, below
from .running.ending import end_children
from .running.held import places, transcriber
from .running.process import tame, turn
from .running.stages import STAGES
from .seen.artifacts import row_of, show, slug, told_in_public, told_of
from .seen.progress import Bar
from .seen.rows import escaped

log = logging.getLogger("speechpipe.flows")


def run_name() -> str:
    """The recording's identifier: what people look for in the list of runs; not what somebody asked for, which may be
    the name of a file that must not be told."""
    asked = runtime.flow_run.parameters.get("recording") or {}
    path = asked.get("recording") if isinstance(asked, dict) else getattr(asked, "recording", None)
    return called(str(path)) if path else "recording"


def called(asked: str) -> str:
    with suppress(SpeechpipeError):
        places().find(asked)
    try:
        return places().called(asked)
    except SpeechpipeError:
        return "recording"


@flow(
    name="transcribe-recording",
    flow_run_name=run_name,
    description="Turns one recording into timed text.",
    on_cancellation=[end_children],
    on_crashed=[end_children],
)
def transcribe_recording(recording: OneRecording, how: How = How()) -> Any:  # noqa: B008 (frozen)
    """Chunk, transcribe, align, deposit.

    Args:
        recording: Which one.
        how: How it is transcribed.
    """
    tame()
    recording = in_public(recording)
    with turn(lambda: log.info("Waiting until the machine has room for one more recording.")):
        return transcribed(recording, how)


def in_public(recording: OneRecording) -> OneRecording:
    """What was asked for by the name that may be told, also on the page of this run."""
    name = called(recording.recording)
    if name == recording.recording:
        return recording
    told = recording.model_copy(update={"recording": name})
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(runtime.flow_run.id))
        client.update_flow_run(run.id, parameters={**run.parameters, "recording": told.model_dump(mode="json")})
    return told


def transcribed(recording: OneRecording, how: How) -> State[Any]:
    """The state that the flow ends in: what was done, or what went wrong and what to do next."""
    found: Found | None = None
    run: Run | None = None
    try:
        found = places().find(recording.recording)
        bar = Bar(found.name)
        run = Run(transcriber(how.settings()), found.place.repository, found.item, waiting=bar.waits)
        before = None if recording.again else run.already()
        receipt = before or staged(run, bar, recording.again)
        found = found.place.found(run.item)
    except CancelledByPerson as error:
        log.info("%s", error)
        return Cancelled(message=str(error))
    except SpeechpipeError as error:
        return failed(recording.recording, found.place.found(run.item) if found and run else found, error)
    except PrefectException:
        raise
    except Exception as error:
        return failed(recording.recording, found.place.found(run.item) if found and run else found, fault(error))
    row = row_of(found, receipt)
    row = row.done_before() if before else row
    row = replace(row, link=f"/artifacts/artifact/{show(found, receipt, told_of(row))}")
    log.info("%s", told_of(row))
    return Completed(message=told_of(row), data=row)


def failed(asked: str, found: Found | None, error: SpeechpipeError) -> State[Any]:
    """The failure of a recording, with what to do next also where its run's artifacts are shown."""
    name = found.name if found else asked
    told, cure = (told_in_public(found, text) if found else below(text) for text in (error.message, error.advice))
    next_time = "It is tried again in the next run by itself." if error.curable else "It is not tried again by itself."
    if not isinstance(error, Withdrawn):  # of which the page is to keep nothing
        create_markdown_artifact(
            f"**{escaped(told)}**\n\n{escaped(cure)}\n\n{next_time}", key=slug("failed", name), description="What to do"
        )
    log.error("%s %s", told, cure)
    return Failed(message=f"{told} {cure}", data=type(error)(told, cure=cure))


def staged(run: Run, bar: Bar, again: bool) -> Receipt:
    """The stages, each as a task, with a bar of progress. Not where another run has done it while this one waited,
    unless it is to be done ``again``.

    Raises:
        SpeechpipeError: a stage failed for good; the run keeps a receipt of it.
    """
    with run:
        if bar.waited and not again and (receipt := run.already()):
            return receipt
        for stage in STAGES:
            told = stage(run, bar, return_state=True)
            if not told.is_completed():
                raise told.result(raise_on_failure=False)
    bar.full()
    if run.deposited is None:
        raise SpeechpipeError(f"The results of {bar.recording} were not put away.")
    return run.deposited.receipt
