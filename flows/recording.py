"""The flow of one recording: chunk → transcribe → align → deposit, each a task that people see."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from httpx import HTTPError
from prefect import State, flow, runtime, task
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.states import Cancelled, Completed, Failed

from speechpipe.cli.console import fault
from speechpipe.errors import CancelledByPerson, Interrupted, SpeechpipeError, Withdrawn
from speechpipe.pipeline import Run, Transcriber
from speechpipe.pipeline.report import Row
from speechpipe.repositories.contract import Receipt
from speechpipe.repositories.rights import may_show, public_text
from speechpipe.settings import Settings

from .ending import end_children
from .fetching import Fetching
from .parameters import How, OneRecording
from .places import OUTPUTS, RECORDINGS, Found, Places, below
from .process import tame, turn
from .rows import escaped, fenced

log = logging.getLogger("speechpipe.flows")

#: What share of a recording's work is behind when a stage begins and ends, in percent.
SHARES = {"chunk": (0, 10), "transcribe": (10, 80), "align": (80, 98), "deposit": (98, 100)}
SECONDS_BETWEEN_UPDATES = 3.0
RETRY_SECONDS = [5.0, 30.0]
SHOWN_CUES = 100


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


def row_of(found: Found, receipt: Receipt) -> Row:
    """What may be told of a recording to everybody who opens the web page."""
    files = found.place.repository.paths(found.item, receipt) if may_show(found.item) else ()
    row = Row.of(receipt, files, name=found.name, text=may_show(found.item))
    told, cure = (text and told_in_public(found, text) for text in (row.message, row.cure))
    return replace(row, message=told, cure=cure)


def told_in_public(found: Found, text: str) -> str:
    return below(public_text(found.item, text))


def stage_task(name: str, description: str, work: Callable[[Run, Bar], str]) -> Any:
    """A stage as a task; its sentence becomes its state, and an error's sentence with its cure becomes a failure."""

    @task(
        name=name,
        task_run_name=name,
        description=description,
        cache_policy=NO_CACHE,
        retries=len(RETRY_SECONDS),
        retry_delay_seconds=RETRY_SECONDS,
        retry_condition_fn=is_curable,
        persist_result=False,
    )
    def stage(run: Run, bar: Bar) -> State[Any]:
        try:
            sentence = work(run, bar)
            if run.deposited is None:  # else nothing may stop it any more
                bar.at(name, 1, 1)
        except SpeechpipeError as error:
            return Failed(message=below(public_text(run.item, str(error))), data=error)
        except Exception as error:
            told = fault(error)
            return Failed(message=below(public_text(run.item, str(told))), data=told)
        sentence = below(public_text(run.item, sentence))
        log.info("%s", sentence)
        return Completed(message=sentence)

    return stage


def is_curable(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Whether trying again may help: what is wrong with a recording or a model does not mend itself."""
    error = state.data
    return isinstance(error, SpeechpipeError) and error.curable and not isinstance(error, Interrupted)


chunk = stage_task(
    "chunk",
    "Decodes the sound, finds where somebody speaks and cuts it in pauses.",
    lambda run, bar: run.chunk(bar.at).sentence,
)
transcribe = stage_task(
    "transcribe",
    "Turns what is said into words.",
    lambda run, bar: run.transcribe(bar.at).sentence,
)
align = stage_task(
    "align",
    "Finds when each word begins and ends.",
    lambda run, bar: run.align(bar.at).sentence,
)
deposit = stage_task(
    "deposit",
    "Writes the files and the receipt.",
    lambda run, bar: wrote(run.deposit(), may_show(run.item)),
)
STAGES = (chunk, transcribe, align, deposit)


def transcriber(settings: Settings) -> Transcriber:
    """One for all recordings with the same settings, so that models are loaded once."""
    return _transcriber(settings.model_dump_json())


@lru_cache(maxsize=1)
def _transcriber(settings: str) -> Transcriber:
    fetching = Fetching()
    made = Transcriber(Settings.model_validate_json(settings), fetching)
    fetching.close()
    return made


@lru_cache(maxsize=1)
def _places(*_environment: str | None) -> Places:
    return Places.from_environment()


def places() -> Places:
    """The collections, looked through once a process."""
    return _places(os.environ.get(RECORDINGS), os.environ.get(OUTPUTS))


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


def show(found: Found, receipt: Receipt, sentence: str) -> object:
    """What was recognised and where it lies, on the recording's page; returns the artifact's id."""
    files = found.place.repository.paths(found.item, receipt)
    parts = ["\n".join(f"- {escaped(below(str(file)))}" for file in files)] if may_show(found.item) else []
    parts += [_captions(files)] if may_show(found.item) else ["Its text is not shown here, as its rights say."]
    return create_markdown_artifact(
        "\n\n".join(filter(None, parts)) or sentence, key=slug("transcript", found.name), description=sentence
    )


def _captions(files: tuple[Path, ...]) -> str:
    captions = next((file for file in files if file.suffix == ".vtt"), None)
    blocks = captions.read_text(encoding="utf-8").strip().split("\n\n") if captions else []
    cues = [block for block in blocks if "-->" in block]
    more = f"\n\nThe file of captions has {len(cues) - SHOWN_CUES} more." if len(cues) > SHOWN_CUES else ""
    return fenced("\n\n".join(cues[:SHOWN_CUES])) + more if cues else ""


def told_of(row: Row) -> str:
    """``reel-12.wav: speech in English, 120 words, mean confidence 0.87.``"""
    parts = [f"{row.outcome} in {row.language}" if row.language else row.outcome]
    parts += [f"{row.words} words"] if row.words else []
    parts += [f"mean confidence {row.confidence:.2f}"] if row.confidence is not None else []
    return f"{row.recording}: {', '.join(parts)}."


def slug(kind: str, name: str) -> str:
    """A key as Prefect wants them: small letters, digits, dashes."""
    return f"{kind}-{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}"[:200].rstrip("-")


def wrote(receipt: Receipt, named: bool) -> str:
    """What was written, by name where the names may be told."""
    files = list(receipt.files)
    if not named or not files:
        return f"Wrote {len(files)} files."
    return f"Wrote {', '.join(files[:-1])} and {files[-1]}." if len(files) > 1 else f"Wrote {files[0]}."
