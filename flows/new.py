"""The flow that looks for new recordings, and the one that does finished ones again with another model."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect import flow, runtime

from .choices import EVERYTHING, NO_END
from .ending import end_children
from .night import Asked, batch
from .parameters import DoneRecordings, How, NewRecordings
from .process import tame


def run_name() -> str:
    """What is done, and in which collection."""
    asked = runtime.flow_run.parameters.get("recordings") or {}
    folder = asked.get("collection") if isinstance(asked, dict) else getattr(asked, "collection", None)
    where = f"in {folder}" if folder and folder != EVERYTHING else "recordings"
    return f"{'again' if runtime.flow_run.flow_name == 'transcribe-again' else 'new'} {where}"


@flow(
    name="transcribe-new",
    flow_run_name=run_name,
    description="Transcribes every recording not yet done.",
    on_cancellation=[end_children],
    on_crashed=[end_children],
)
def transcribe_new(recordings: NewRecordings = NewRecordings(), how: How = How()) -> Any:  # noqa: B008 (frozen)
    """One run a recording; one that fails never stops the others.

    Args:
        recordings: Which of them.
        how: How they are transcribed.
    """
    tame()
    changes: dict[str, Any] = {"rerun": "all", "settle": timedelta(0)} if recordings.again else {}
    changes["cancelled"] = recordings.cancelled
    asked = Asked(folder_of(recordings.collection), end_of(recordings.until), changes)
    return batch(asked, how, f"New recordings: {recordings.collection}")


@flow(
    name="transcribe-again",
    flow_run_name=run_name,
    description="Transcribes finished recordings with another model.",
    on_cancellation=[end_children],
    on_crashed=[end_children],
)
def transcribe_again(recordings: DoneRecordings = DoneRecordings(), how: How = How()) -> Any:  # noqa: B008 (frozen)
    """Those that were done with another model than the one chosen.

    Args:
        recordings: Which of them.
        how: How they are transcribed.
    """
    tame()
    changes = {"rerun": "model-changed", "quota": recordings.most}
    asked = Asked(folder_of(recordings.collection), end_of(recordings.until), changes, only=("rerun",))
    return batch(asked, how, f"Done again: {recordings.collection}")


def folder_of(collection: str) -> str:
    return "" if collection == EVERYTHING else collection


def end_of(until: str) -> str:
    return "" if until == NO_END else until
