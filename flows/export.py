"""The flow that makes files in other formats from finished transcripts."""

from __future__ import annotations

import logging
import os
from pathlib import Path, PurePosixPath
from typing import Any

from prefect import State, flow, runtime
from prefect.states import Completed, Failed

from speechpipe.batch.export import export
from speechpipe.errors import SpeechpipeError
from speechpipe.reports.morning import FAILED, LEFT_OUT, Report, Row
from speechpipe.repositories.rights import may_show
from speechpipe.settings import Settings

from .forms.choices import FORMATS, folder_of
from .forms.parameters import Exported
from .places import below
from .running.held import places
from .running.night import now
from .running.process import EXPORTS, tame
from .seen.artifacts import row_of, told_in_public
from .seen.reports import publish

log = logging.getLogger("speechpipe.flows")


def run_name() -> str:
    asked = runtime.flow_run.parameters.get("what") or {}
    names = asked.get("formats", ()) if isinstance(asked, dict) else asked.formats
    return f"export {', '.join(str(name).split(' (')[0] for name in names)}"


@flow(name="export-formats", flow_run_name=run_name, description="Makes files of other formats, without listening.")
def export_formats(what: Exported = Exported()) -> Any:  # noqa: B008 (frozen)
    """Every finished recording of a collection, in the formats chosen.

    Args:
        what: Which recordings, and which formats.
    """
    tame()
    try:
        return exported(what, Path(os.environ.get(EXPORTS, "exports")))
    except SpeechpipeError as error:
        return Failed(message=below(str(error)), data=error)


def exported(what: Exported, target: Path) -> State[Any]:
    began, rows, count = now(), list[Row](), 0
    names = [str(FORMATS[label]) for label in what.formats]
    captions = Settings.load().captions
    for place, inside in places().within(folder_of(what.collection)):
        for item in place.repository.discover():
            receipt = place.repository.existing(item, done=True)
            if receipt is None or not PurePosixPath(item.location).is_relative_to(inside):
                continue
            found = place.found(item)
            if not may_show(item):
                rows.append(Row(found.name, LEFT_OUT, message="Its results are restricted."))
                continue
            try:
                export(place.repository, item, receipt, names, target / place.name, captions)
                rows.append(row_of(found, receipt))
                count += 1
            except SpeechpipeError as error:
                told, cure = (told_in_public(found, text) for text in (error.message, error.advice))
                rows.append(Row(found.name, FAILED, message=told, cure=cure))
    sentence = f"Exported {count} of {len(rows)} recordings to {target}."
    publish(Report(f"Export: {what.collection}", tuple(rows), sentence), began, "export")
    log.info("%s", sentence)
    return Completed(message=sentence, data=rows)
