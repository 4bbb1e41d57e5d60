"""Runs within a run, begun with few words: Prefect's own way costs more than a short recording does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import Any, cast
from uuid import UUID

from prefect import Flow, State, Task, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import FlowRunCreate
from prefect.client.schemas.objects import FlowRun
from prefect.context import TagsContext
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Cancelled, Pending, to_state_create

TOO_LATE = "It had come to its end before it could be cancelled: what it did stands in the report."

Begin = Callable[[str, Mapping[str, Any], Iterable[str]], State[Any]]


@contextmanager
def runs_within(flow: Flow[..., Any]) -> Iterator[Begin]:
    """What does ``flow`` in this process, as a run of its own that ends with this one: its name, its parameters as JSON
    and its tags, beside those of this run.

    Left out is what nothing reads: a tracking task for each run (one serves all), heartbeats (this run has its own),
    and tags of tasks, for each of which the server is asked twice whether its place is free.
    """
    flow = copy(flow)
    flow.flow_run_name = None
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(flow)
        task = Task(lambda: None, name="recordings")
        tracking = client.create_task_run(
            task, UUID(runtime.flow_run.id), dynamic_key="recordings", name="recordings"
        ).id
        common = {*TagsContext.get().current_tags, *(runtime.flow_run.tags or ())}

        def begin(name: str, parameters: Mapping[str, Any], tags: Iterable[str] = ()) -> State[Any]:
            asked = FlowRunCreate(
                flow_id=flow_id,
                flow_version=flow.version,
                name=name,
                parameters=dict(parameters),
                tags=sorted({*common, *tags}),
                parent_task_run_id=tracking,
                state=to_state_create(Pending()),
            )
            answer = client.request("POST", "/flow_runs/", json=asked.model_dump(mode="json", exclude_unset=True))
            run = FlowRun.model_validate(answer.json())
            state = cast(State[Any], run_flow(flow, flow_run=run, return_type="state"))
            if state.is_cancelling():
                # Nothing else ends it: the server takes no other end any more, and there is no process to be ended.
                client.set_flow_run_state(run.id, Cancelled(message=TOO_LATE))
            return state

        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}), TagsContext(current_tags=set()):
            yield begin
