"""What ends with a run: the runs that it began, also where the process was killed and could not see to it itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.flows import Flow
from prefect.states import Cancelled, Cancelling, Crashed

UNFINISHED = [
    StateType.RUNNING,
    StateType.PENDING,
    StateType.SCHEDULED,
    StateType.PAUSED,
    StateType.CANCELLING,
]
#: One page of what the server lists.
PAGE = 200
STOPPED = "The machine or the server was stopped. Run it again: it goes on where it stood."


def end_children(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """The hook of a run that was cancelled or has crashed."""
    with get_client(sync_client=True) as client:
        for child in unfinished(client, parent=flow_run.id):
            end(client, child, state.message or "The run that began it was ended.", cancelled=not state.is_crashed())


def end(client: SyncPrefectClient, run: FlowRun, message: str, *, cancelled: bool) -> None:
    """A run with a process of its own is told to end; any other has ended already and is only called so."""
    alive = run.deployment_id is not None and run.state is not None and run.state.is_running()
    final: State[Any] = Cancelled(message=message) if cancelled else Crashed(message=message)
    client.set_flow_run_state(run.id, Cancelling(message=message) if alive else final, force=True)


def end_leftovers() -> list[FlowRun]:
    """Call crashed whatever an earlier server left as running, and drop what such runs had asked for.

    Only where nothing else runs: a server that starts is alone with its data. Returns the runs that were in work.
    """
    with get_client(sync_client=True) as client:
        left = unfinished(client)
        for run in left:
            scheduled = run.state is not None and run.state.is_scheduled()
            if not scheduled:
                client.set_flow_run_state(run.id, Crashed(message=STOPPED), force=True)
            elif run.parent_task_run_id is not None:
                client.set_flow_run_state(run.id, Cancelled(message=STOPPED), force=True)
    return [run for run in left if run.state is not None and not run.state.is_scheduled()]


def unfinished(client: SyncPrefectClient, parent: UUID | None = None) -> list[FlowRun]:
    """Every run that has not ended, below ``parent`` where one is given."""
    which = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=UNFINISHED)),
        parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[parent]) if parent else None,
    )
    found: list[FlowRun] = []
    while page := client.read_flow_runs(flow_run_filter=which, limit=PAGE, offset=len(found)):
        found += page
        if len(page) < PAGE:
            break
    return found
