"""The stages of a recording as tasks that people see: chunk, transcribe, align, deposit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from prefect import State, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, Failed

from speechpipe.console.terminal import fault
from speechpipe.errors import Interrupted, SpeechpipeError
from speechpipe.pipeline import Run
from speechpipe.repositories.contract import Receipt
from speechpipe.repositories.rights import may_show, public_text

from ..places import below
from ..seen.progress import Bar

log = logging.getLogger("speechpipe.flows")

RETRY_SECONDS = [5.0, 30.0]


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


def wrote(receipt: Receipt, named: bool) -> str:
    """What was written, by name where the names may be told."""
    files = list(receipt.files)
    if not named or not files:
        return f"Wrote {len(files)} files."
    return f"Wrote {', '.join(files[:-1])} and {files[-1]}." if len(files) > 1 else f"Wrote {files[0]}."


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
