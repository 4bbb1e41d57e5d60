"""The flow that erases what was made of a recording, wherever it stands, and keeps it from being done again."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

from prefect import flow
from prefect.states import Completed, Failed

from speechpipe.errors import MediaNotFound, SpeechpipeError, UsageError
from speechpipe.repositories.folder import KEPT
from speechpipe.settings import Settings
from speechpipe.withdrawal import withdraw

from .forms.parameters import Withdrawn
from .places import below
from .running.held import places
from .running.process import tame
from .seen.traces import forget, names_of

log = logging.getLogger("speechpipe.flows")

UNSURE = "Nothing was erased, since the form was sent without its tick."
#: Its own folder there is called as the recording was, which this page is to forget.
WHERE = f"with the restricted results in the folder {KEPT}"
TICK = "Tick 'Erase the transcripts' in the form, and run it again."


@flow(name="withdraw-recording", flow_run_name="withdraw a recording", description="Erases what was made of it.")
def withdraw_recording(what: Withdrawn) -> Any:
    """Transcripts, versions, copies, work in progress, rows of reports and what the page shows; a tombstone stays.

    Args:
        what: Which recording, and why.
    """
    tame()
    try:
        if not what.sure:
            raise UsageError(UNSURE, cure=TICK)
        sentence = withdrawn(what)
    except SpeechpipeError as error:
        told = below(str(error))
        log.error("%s", told)
        return Failed(message=told, data=error)
    log.info("%s", sentence)
    return Completed(message=sentence)


def withdrawn(what: Withdrawn) -> str:
    """Do it, and say what became of the files.

    Raises:
        SpeechpipeError: it is not known, or something cannot be erased; the same call goes on there.
    """
    settings = Settings.load()
    recordings = find(what.recording)
    recordings += withdraw.elsewhere(settings, recordings)
    done = withdraw.withdraw(recordings, settings, what.reason, with_corrections=what.with_corrections)
    called = {name for one in places().places for recording in recordings for name in names_of(one, recording.receipt)}
    forget({what.recording, what.recording.strip(), *called})
    files = done.files
    told = [f"Withdrawn: {len(files.erased)} files are erased."]
    told += [f"{len(files.kept)} that a person changed are kept, {WHERE}."] if files.kept else []
    told += [f"{len(files.gone)} were gone before."] if files.gone else []
    told += [f"{len(files.left)} are left, since nothing tells them to be of it."] if files.left else []
    told += ["It was in work, which stops by itself."] if done.held else []
    return below(" ".join(told))


def find(name: str) -> list[withdraw.Recording]:
    """What ``name`` means, also where the recording itself is gone already.

    Raises:
        MediaNotFound: there is none in any collection.
    """
    for place in places().places:
        for called in (name, name.strip()):
            with suppress(MediaNotFound):
                if (own := place.own(called)) is not None:
                    return withdraw.find(place.repository, own)
    raise MediaNotFound(f"There is no recording {name!r}, and nothing was done of one.", cure="Check the name.")
