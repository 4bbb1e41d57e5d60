"""The flow that erases what was made of a recording, wherever it stands, and keeps it from being done again."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterName,
)
from prefect.runtime import flow_run as this_run
from prefect.states import Completed, Failed

from speechpipe.errors import MediaNotFound, SpeechpipeError, UsageError
from speechpipe.files import write_atomically
from speechpipe.pipeline import withdrawal
from speechpipe.pipeline.report import without
from speechpipe.repositories.contract import Item, Part
from speechpipe.repositories.rights import public_name
from speechpipe.settings import Settings
from speechpipe.transcript import Rights

from .ending import PAGE
from .parameters import Withdrawn
from .places import Place, below
from .process import REPORTS, tame
from .recording import places, slug
from .rows import escaped

log = logging.getLogger("speechpipe.flows")


@flow(name="withdraw-recording", flow_run_name="withdraw a recording", description="Erases what was made of it.")
def withdraw_recording(what: Withdrawn) -> Any:
    """Transcripts, versions, work in progress and rows of reports; a tombstone stays.

    Args:
        what: Which recording, and why.
    """
    tame()
    try:
        if not what.sure:
            raise UsageError("Nothing was erased.", cure="Tick 'Erase the transcripts' in the form, and run it again.")
        place, recordings = find(what.recording)
        done = withdrawal.withdraw(place.repository, recordings, Settings.load(), what.reason)
        forget({what.recording, *names(place, recordings)})
    except SpeechpipeError as error:
        return Failed(message=below(str(error)), data=error)
    sentence = f"Withdrawn: {len(done.erased)} files are erased, {len(done.corrected)} of them corrected by a person."
    log.info("%s", sentence)
    return Completed(message=sentence)


def find(name: str) -> tuple[Place, list[withdrawal.Recording]]:
    """What ``name`` means, also where the recording itself is gone already.

    Raises:
        MediaNotFound: there is none in any collection.
    """
    for place in places().places:
        for called in (name, name.strip()):
            with suppress(MediaNotFound):
                if (own := place.own(called)) is not None:
                    return place, withdrawal.find(place.repository, own)
    raise MediaNotFound(f"There is no recording {name!r}, and nothing was done of one.", cure="Check the name.")


def names(place: Place, recordings: Sequence[withdrawal.Recording]) -> set[str]:
    """What these are called where others look on."""
    items = [Item(r.receipt.identifier, (Part(r.receipt.location or r.receipt.identifier),)) for r in recordings]
    restricted = [replace(item, rights=Rights(access="closed"), standing="restricted") for item in items]
    called = {item.identifier for item in items} | {item.location for item in items}
    return {place.called(name) for name in (*called, *map(public_name, restricted))}


def forget(names: set[str]) -> None:
    """Take every trace of a recording from the reports and from the web page, this run apart."""
    folder = os.environ.get(REPORTS)
    for path in sorted(Path(folder).glob("*.*")) if folder else ():
        content = path.read_bytes()
        if (kept := without(content, names)) != content:
            write_atomically(path, kept)
    keys = [slug(kind, name) for kind in ("transcript", "progress", "failed") for name in names]
    with get_client(sync_client=True) as client:
        while artifacts := client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=keys))):
            for artifact in artifacts:
                client.delete_artifact(artifact.id)
        reports = ArtifactFilter(key=ArtifactFilterKey(any_=["report"]))
        offset = 0
        while artifacts := client.read_artifacts(artifact_filter=reports, limit=PAGE, offset=offset):
            for artifact in artifacts:
                if any(escaped(name) in str(artifact.data) for name in names):
                    client.delete_artifact(artifact.id)
                else:
                    offset += 1
        which = FlowRunFilter(name=FlowRunFilterName(any_=sorted(names)))
        for run in client.read_flow_runs(flow_run_filter=which, limit=PAGE):
            if str(run.id) != this_run.id:
                client.delete_flow_run(run.id)
