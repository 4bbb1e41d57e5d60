"""The flow that looks for new recordings."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect import flow

from .forms.choices import end_of, folder_of
from .forms.parameters import How, NewRecordings
from .group import one_by_one
from .running.ending import end_children
from .running.night import Asked, batch, run_name
from .running.process import tame


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
    return batch(asked, how, f"New recordings: {recordings.collection}", one_by_one)
