"""The flow that does finished recordings again with another model."""

from __future__ import annotations

from typing import Any

from prefect import flow

from .forms.choices import end_of, folder_of
from .forms.parameters import DoneRecordings, How
from .group import one_by_one
from .running.ending import end_children
from .running.night import Asked, batch, run_name
from .running.process import tame


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
    return batch(asked, how, f"Done again: {recordings.collection}", one_by_one)
