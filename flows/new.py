"""The flow of a folder: what is new in it, one run a recording, and a table of all at the end."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from prefect import State, flow, runtime, tags
from prefect.artifacts import create_markdown_artifact
from prefect.states import Completed, Failed

from speechpipe import installed
from speechpipe.errors import SpeechpipeError
from speechpipe.pipeline import Run
from speechpipe.repositories.contract import Item, Receipt

from .parameters import How, NewRecordings, OneRecording
from .places import Places, below
from .recording import slug, transcribe_recording, transcriber
from .rows import ALREADY, Row, as_markdown, summary

log = logging.getLogger("speechpipe.flows")


def run_name() -> str:
    """The folder that is looked through."""
    asked = runtime.flow_run.parameters.get("recordings") or {}
    folder = asked.get("folder") if isinstance(asked, dict) else getattr(asked, "folder", None)
    return f"new in {folder}" if folder else "new recordings"


@flow(name="transcribe-new", flow_run_name=run_name, description="Transcribes every recording not yet done.")
def transcribe_new(recordings: NewRecordings = NewRecordings(), how: How = How()) -> Any:  # noqa: B008 (frozen)
    """One run a recording; one that fails never stops the others.

    Args:
        recordings: Which of them.
        how: How they are transcribed.
    """
    try:
        places = Places.from_environment()
        transcriber(how.settings())
        items = list(places.items(recordings.folder))
    except SpeechpipeError as error:
        log.info("%s", error)
        return Failed(message=str(error), data=error)
    rows = [row_of(item, places, recordings, how) for item in items]
    shown = as_markdown(rows, str(places.outputs))
    create_markdown_artifact(shown, key=slug("recordings", recordings.folder or "all"), description=summary(rows))
    log.info("%s", summary(rows))
    return Completed(message=summary(rows), data=rows)


def row_of(item: Item, places: Places, recordings: NewRecordings, how: How) -> Row:
    """What became of one recording, whatever became of it."""
    name = item.parts[0].location
    if not recordings.again and (row := done_before(item, places, how)):
        log.info("%s: %s", name, ALREADY)
        return row
    with tags(transcriber(how.settings()).model.name):
        one = OneRecording(recording=name, again=recordings.again)
        state = cast(State[Any], transcribe_recording(one, how, return_state=True))
    result = state.result(raise_on_failure=False)
    if isinstance(result, Row):
        return result
    run = state.state_details.flow_run_id
    error = result if isinstance(result, BaseException) else RuntimeError(state.message or "no result")
    row = Row.of_error(item.identifier, error, f"/runs/flow-run/{run}" if run else None)
    return replace(row, message=below(row.message or ""))


def done_before(item: Item, places: Places, how: How) -> Row | None:
    """The row of a recording that needs no run: done, or failed in a way that trying again does not mend."""
    repository = places.repository()
    run = Run(transcriber(how.settings()), repository, item)
    try:
        if receipt := run.already():
            return Row.of(receipt, repository.paths(item, receipt)).done_before()
        receipt = repository.existing(item)
        if receipt and hopeless(receipt, run.key, repository.fetch(item)):
            row = Row.of(receipt).done_before()
            return replace(row, message=below(row.message or ""))
    except (SpeechpipeError, OSError):
        pass  # its own run will say what is wrong
    return None


def hopeless(receipt: Receipt, key: str, path: Path) -> bool:
    """Whether the same software already failed on the same file with the same settings, for a lasting reason."""
    stat = path.stat()
    before = (receipt.status, receipt.curable, receipt.key, receipt.source_size, receipt.source_mtime_ns)
    return before == ("failed", False, key, stat.st_size, stat.st_mtime_ns) and receipt.software == (
        f"speechpipe {installed.version()}"
    )
