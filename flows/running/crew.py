"""Who does the work of a batch: runs of their own that ``serve`` starts, or this process where nobody serves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State
from prefect.deployments import run_deployment

from speechpipe.batch.queue import Group

from ..forms.parameters import How
from .process import is_served

log = logging.getLogger("speechpipe.flows")

ONE, SEVERAL = "transcribe-recording/Transcribe one recording", "transcribe-group/Transcribe a group of recordings"


class Ended(NamedTuple):
    """``cancelled``: a person has cancelled the run of the group, since only the batch itself would else; ``failed``:
    what its run says of its failure."""

    group: Group
    cancelled: bool = False
    failed: str | None = None


class Crew(Protocol):
    def begin(self, group: Group) -> None: ...

    def ended(self) -> list[Ended]:
        """The groups that have ended since it was asked last, however they ended."""
        ...


#: Does these recordings one after the other in this process; returns why the rest was left, if it was.
OneByOne = Callable[[Sequence[str], bool, How], str | None]


def crew(how: How, again: bool, tag: str, one_by_one: OneByOne) -> Crew:
    return Runs(how, again, tag) if is_served() else Here(how, again, one_by_one)


def ended(group: Group, state: State | None) -> Ended:
    """``state``: the last of its run; None where the run was removed."""
    if state is None:
        return Ended(group)
    return Ended(group, state.is_cancelled(), state.message if state.is_failed() else None)


class Here:
    """In this process, at once: the demo."""

    def __init__(self, how: How, again: bool, one_by_one: OneByOne) -> None:
        self._how, self._again, self._one_by_one = how, again, one_by_one
        self._ended: list[Ended] = []

    def begin(self, group: Group) -> None:
        self._one_by_one([work.identifier for work in group], self._again, self._how)
        self._ended.append(Ended(group))

    def ended(self) -> list[Ended]:
        ended, self._ended = self._ended, []
        return ended


class Runs:
    """Runs of the deployments, each a process: a long recording alone, short ones as a group."""

    def __init__(self, how: How, again: bool, tag: str) -> None:
        self._how, self._again, self._tags = how.model_dump(), again, [tag]
        self._working: dict[UUID, Group] = {}

    def begin(self, group: Group) -> None:
        names = [work.identifier for work in group]
        which: dict[str, dict[str, Any]]
        if len(group) == 1:
            deployment, which, called = ONE, {"recording": {"recording": names[0]}}, names[0]
        else:
            deployment, which = SEVERAL, {"recordings": {"recordings": names}}
            called = f"{len(names)} from {names[0]}"
        for asked in which.values():
            asked["again"] = self._again
        run: Any = run_deployment(
            deployment, parameters={**which, "how": self._how}, flow_run_name=called, tags=self._tags, timeout=0
        )
        self._working[run.id] = group

    def ended(self) -> list[Ended]:
        if not self._working:
            return []
        which = FlowRunFilter(id=FlowRunFilterId(any_=list(self._working)))
        try:
            with get_client(sync_client=True) as client:
                runs = client.read_flow_runs(flow_run_filter=which)
        except HTTPError:
            log.warning("The server does not answer; waiting for it.")
            return []
        states = {run.id: run.state for run in runs if run.state is not None}
        over = [run for run in self._working if run not in states or states[run].is_final()]
        return [ended(self._working.pop(run), states.get(run)) for run in over]
