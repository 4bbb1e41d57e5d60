"""What the server knows of recordings, and how it forgets them: artifacts, runs with their names, parameters and logs,
events, rows of reports. What withdraws on the command line leaves a tombstone, by which a server forgets too."""

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact, StateType
from prefect.settings import get_current_settings
from sqlalchemy import make_url

from speechpipe.errors import OutputError, SpeechpipeError
from speechpipe.repositories.contract import Receipt
from speechpipe.settings import Settings
from speechpipe.withdrawal import traces

from ..places import Place, Places
from ..running.ending import PAGE
from ..running.process import REPORTS
from .artifacts import slug
from .rows import escaped

log = logging.getLogger("speechpipe.flows")

#: What stands in the place of a name.
NAMELESS = "a withdrawn recording"
#: Kinds of artifacts that are of one recording.
KINDS = ("transcript", "progress", "failed")
#: A shorter name, such as "12", is looked for only where nothing but a name stands.
SHORTEST = 4
#: Tables that have no way in by the server: rows that name a recording are deleted, or their message is put right.
DELETED = {
    "events": ("resource", "related", "payload"),
    "event_resources": ("resource",),
    "log": ("message",),
    "automation_event_follower": ("follower",),
}
PUT_RIGHT = ("flow_run_state", "task_run_state")
AT_WORK = (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING)


def names_of(place: Place, receipt: Receipt) -> set[str]:
    """What a recording is called on the page."""
    return {place.called(name) for name in traces.names_of(receipt)}


def forget(names: Collection[str]) -> bool:
    """Take every trace of these recordings from the reports and from the server. False where one of them is still in
    work, so that it has to be called again. May be repeated.

    Raises:
        OutputError: a report, or the server's database, cannot be written.
    """
    folder = os.environ.get(REPORTS)
    traces.forget_in_reports(Path(folder) if folder else None, names)
    with get_client(sync_client=True) as client:
        at_work = _forget_runs(client, names)
        _forget_artifacts(client, names)
    _forget_in_database(_database(), names)
    return not at_work


class Watch:
    """Has the server forget what was withdrawn, by whomever, and ends what a kill left of a withdrawal: each tombstone
    once, so all of them after a start."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, str, str | None, str | None]] = set()

    def look(self, places: Places) -> None:
        """What cannot be erased is said, and tried again at the next look. Raises ``SpeechpipeError``."""
        new = {
            (place.name, grave.identifier, grave.source_sha256, grave.finished): (place, grave)
            for place in places.places
            for grave in place.repository.tombstones()
        }
        new = {key: found for key, found in new.items() if key not in self._seen}
        left = {key for key, found in new.items() if not _erased(*found)}
        names = {name for place, grave in new.values() for name in names_of(place, grave)}
        contents = {grave.source_sha256 for _, grave in new.values() if grave.source_sha256}
        _, held = traces.erase_scratch(Settings.load().workspace_folder, contents)
        if (not names or forget(names)) and not held:
            self._seen |= new.keys() - left


def _erased(place: Place, grave: Receipt) -> bool:
    try:
        traces.erase(place.repository, grave)
    except SpeechpipeError as error:
        log.warning("%s", error)
        return False
    return True


def _forget_runs(client: SyncPrefectClient, names: Collection[str]) -> bool:
    """Delete the runs of these recordings, and name them nowhere in the parameters of others; True where one works."""
    at_work = False
    for run in _pages(client.read_flow_runs):
        asked = run.parameters.get("recording")
        if run.name in names or (isinstance(asked, dict) and asked.get("recording") in names):
            if run.state is not None and run.state.type in AT_WORK:
                at_work = True
            else:
                client.delete_flow_run(run.id)
        elif (kept := _nameless(run.parameters, names)) != run.parameters:
            client.update_flow_run(run.id, parameters=kept)
    return at_work


def _forget_artifacts(client: SyncPrefectClient, names: Collection[str]) -> None:
    told = _mentions({*names, *map(escaped, names)})
    keys = [slug(kind, name) for kind in KINDS for name in names]
    for artifact in _artifacts(client, keys):
        # Two names may have one key.
        if str(artifact.key).startswith("failed") or told(f"{artifact.description}\n{artifact.data}"):
            client.delete_artifact(artifact.id)
    for artifact in _artifacts(client, ["report"]):
        lines = str(artifact.data).split("\n")
        kept = "\n".join(line for line in lines if not told(line))
        if kept != artifact.data:
            client.update_artifact(artifact.id, ArtifactUpdate(data=kept))


def _artifacts(client: SyncPrefectClient, keys: list[str]) -> list[Artifact]:
    which = ArtifactFilter(key=ArtifactFilterKey(any_=keys))
    return list(_pages(lambda **page: client.read_artifacts(artifact_filter=which, **page)))


def _pages(read: Callable[..., list[Any]]) -> list[Any]:
    """All that the server lists, read before anything of it is changed."""
    found: list[Any] = []
    while page := read(limit=PAGE, offset=len(found)):
        found += page
    return found


def _nameless(value: Any, names: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {key: _nameless(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [_nameless(one, names) for one in value]
    return NAMELESS if isinstance(value, str) and value.strip() in names else value


def _mentions(names: Collection[str]) -> Callable[[str | None], bool]:
    """Whether a text has one of the names in it, also as JSON writes them."""
    pattern = _pattern(names)
    return lambda text: bool(pattern and text and pattern.search(text))


def _pattern(names: Collection[str]) -> re.Pattern[str] | None:
    spelt = {name for name in names if len(name) >= SHORTEST}
    spelt |= {json.dumps(name)[1:-1] for name in spelt} | {json.dumps(name, ensure_ascii=False)[1:-1] for name in spelt}
    whole = "|".join(map(re.escape, sorted(spelt, key=len, reverse=True)))
    return re.compile(rf"(?<![\w/-])(?:{whole})(?![\w/-])") if spelt else None


def _database() -> Path | None:
    """The server's own file, where it is one on this machine."""
    secret = get_current_settings().server.database.connection_url
    url = make_url(secret.get_secret_value()) if secret else None
    if url is None or not url.drivername.startswith("sqlite") or not url.database:
        return None
    return Path(url.database) if Path(url.database).is_file() else None


def _forget_in_database(path: Path | None, names: Collection[str]) -> None:
    pattern = _pattern(names)
    if path is None or pattern is None:
        return
    told = _mentions(names)
    try:
        with closing(sqlite3.connect(path, timeout=60)) as database, database:
            database.execute("PRAGMA secure_delete = ON")
            database.create_function("mentions", 1, told, deterministic=True)
            database.create_function("nameless", 1, lambda text: pattern.sub(NAMELESS, text), deterministic=True)
            there = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for table in DELETED.keys() & there:
                which = " OR ".join(f"mentions({column})" for column in DELETED[table])
                database.execute(f"DELETE FROM {table} WHERE {which}")  # noqa: S608 (our own names)
            for table in there.intersection(PUT_RIGHT):
                database.execute(f"UPDATE {table} SET message = nameless(message) WHERE mentions(message)")  # noqa: S608
    except sqlite3.Error as error:
        raise OutputError(f"The server's database {path} cannot be written: {error}.") from error
