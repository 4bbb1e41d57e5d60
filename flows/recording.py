"""The flow of one recording: chunk → transcribe → align → deposit, each a task that people see."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect import State, flow, runtime, task
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, Failed

from speechpipe.errors import Interrupted, SpeechpipeError
from speechpipe.pipeline import Run, Transcriber
from speechpipe.repositories.contract import Receipt
from speechpipe.settings import Settings

from .parameters import How, OneRecording
from .places import Places, below
from .rows import Row, escaped, fenced

log = logging.getLogger("speechpipe.flows")

#: What share of a recording's work is behind when a stage begins and ends, in percent.
SHARES = {"chunk": (0, 10), "transcribe": (10, 80), "align": (80, 98), "deposit": (98, 100)}
SECONDS_BETWEEN_UPDATES = 3.0
RETRY_SECONDS = [5.0, 30.0]
SHOWN_CUES = 100


def run_name() -> str:
    """The recording's identifier: what people look for in the list of runs."""
    asked = runtime.flow_run.parameters.get("recording") or {}
    path = asked.get("recording") if isinstance(asked, dict) else getattr(asked, "recording", None)
    return str(path or "recording")


@flow(name="transcribe-recording", flow_run_name=run_name, description="Turns one recording into timed text.")
def transcribe_recording(recording: OneRecording, how: How = How()) -> Any:  # noqa: B008 (frozen)
    """Chunk, transcribe, align, deposit.

    Args:
        recording: Which one.
        how: How it is transcribed.
    """
    name = recording.recording
    try:
        places = Places.from_environment()
        item, repository = places.item(name), places.repository()
        run = Run(transcriber(how.settings()), repository, item)
        before = None if recording.again else run.already()
        receipt = before or staged(run)
        row = Row.of(receipt).done_before() if before else Row.of(receipt)
        files = repository.paths(item, receipt)
    except SpeechpipeError as error:
        log.info("%s", below(str(error)))
        return Failed(message=below(str(error)), data=error)
    sentence = told_of(row)
    row = replace(row, files=tuple(map(str, files)), link=f"/artifacts/artifact/{show(row, sentence, files)}")
    log.info("%s", sentence)
    return Completed(message=sentence, data=row)


def staged(run: Run) -> Receipt:
    """The stages, each as a task, with a bar of progress.

    Raises:
        SpeechpipeError: a stage failed for good; the run keeps a receipt of it.
    """
    bar = Bar(run.item.identifier)
    with run:
        for stage in STAGES:
            told = stage(run, bar, return_state=True)
            if not told.is_completed():
                raise told.result(raise_on_failure=False)
    bar.full()
    if run.deposited is None:
        raise SpeechpipeError(f"The results of {run.name} were not put away.")
    return run.deposited.receipt


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
        except SpeechpipeError as error:
            return Failed(message=below(str(error)), data=error)
        bar.at(name, 1, 1)
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
    lambda run, bar: f"Wrote {_listed(list(run.deposit().files))}.",
)
STAGES = (chunk, transcribe, align, deposit)


@lru_cache(maxsize=1)
def transcriber(settings: Settings) -> Transcriber:
    """One for all recordings with the same settings, so that models are loaded once."""
    return Transcriber(settings)


class Bar:
    """The recording's bar of progress on the web page, moved at most every few seconds."""

    def __init__(self, recording: str) -> None:
        created = create_progress_artifact(0.0, key=slug("progress", recording), description=f"{recording}: begun")
        self.id: UUID = cast(UUID, created)  # no coroutine: the flow is synchronous
        self.recording = recording
        self.moved = time.monotonic()

    def at(self, stage: str, done_ms: int, total_ms: int) -> None:
        """The callback that the pipeline's stages take."""
        now = time.monotonic()
        if now - self.moved < SECONDS_BETWEEN_UPDATES:
            return
        self.moved = now
        begin, end = SHARES.get(stage, (0, 100))
        part = min(1.0, done_ms / total_ms) if total_ms else 0.0
        self._move(begin + (end - begin) * part, stage)

    def full(self) -> None:
        self._move(100.0, "done")

    def _move(self, percent: float, stage: str) -> None:
        update_progress_artifact(self.id, percent, description=f"{self.recording}: {stage}")


def show(row: Row, sentence: str, files: tuple[Path, ...]) -> object:
    """What was recognised and where it lies, on the recording's page; returns the artifact's id."""
    captions = next((file for file in files if file.suffix == ".vtt"), None)
    blocks = captions.read_text(encoding="utf-8").strip().split("\n\n") if captions else []
    cues = [block for block in blocks if "-->" in block]
    parts = [f"- {escaped(str(file))}" for file in files]
    parts += ["", fenced("\n\n".join(cues[:SHOWN_CUES]))] if cues else []
    parts += ["", f"The file of captions has {len(cues) - SHOWN_CUES} more."] if len(cues) > SHOWN_CUES else []
    return create_markdown_artifact("\n".join(parts), key=slug("transcript", row.recording), description=sentence)


def told_of(row: Row) -> str:
    """``reel-12.wav: speech in English, 120 words, mean confidence 0.87.``"""
    parts = [f"{row.outcome} in {row.language}" if row.language else row.outcome]
    parts += [f"{row.words} words"] if row.words else []
    parts += [f"mean confidence {row.confidence:.2f}"] if row.confidence is not None else []
    return f"{row.recording}: {', '.join(parts)}."


def slug(kind: str, name: str) -> str:
    """A key as Prefect wants them: small letters, digits, dashes."""
    return f"{kind}-{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}"[:200].rstrip("-")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names) or "nothing"
