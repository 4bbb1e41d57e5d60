"""The flows under the names that people see, with their forms."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from prefect import Flow
from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy, FlowRun
from prefect.states import Cancelled
from prefect.types.entrypoint import EntrypointType
from prefect.utilities.callables import parameter_schema

from speechpipe.batch.queue import Scheduled, local_deadline, missed

from .again import transcribe_again
from .export import export_formats
from .forms.choices import NO_END, end_of
from .forms.parameters import DoneRecordings, Exported, How, NewRecordings
from .group import transcribe_group
from .new import transcribe_new
from .recording import transcribe_recording
from .running.ending import unfinished
from .running.night import MISSED
from .withdraw import withdraw_recording

SILENCE_WATCH = "Runs without a sign of life have crashed"
ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
NEW = "Transcribe new recordings"

#: Name → its flow and what it is for.
DEPLOYED: dict[str, tuple[Flow[..., Any], str]] = {
    NEW: (
        transcribe_new,
        "Looks for recordings that were not done before and does each in a run of its own. What fails is explained in "
        "the report at the end; the others are done all the same. Set a schedule to have it done every night.",
    ),
    "Transcribe one recording": (
        transcribe_recording,
        "Does one recording, which you name as the report has it.",
    ),
    "Re-transcribe with another model": (
        transcribe_again,
        "Does finished recordings again that were done with another model than the one you choose. What a person has "
        "corrected stays; the new result is put beside it.",
    ),
    "Export formats": (
        export_formats,
        "Makes files in other formats from finished transcripts, in a few moments, since nothing is listened to.",
    ),
    "Withdraw a recording": (
        withdraw_recording,
        "Erases the transcripts of a recording, work in progress and its rows in the reports, and keeps it from being "
        "done again. The recording itself stays.",
    ),
    "Transcribe a group of recordings": (
        transcribe_group,
        "Short recordings one after the other. The other flows start it by themselves; there is no need to run it.",
    ),
}


#: Those that look through a collection, of which one is at work at a time.
BATCHES = {name: flow for name, (flow, _) in DEPLOYED.items() if flow in (transcribe_new, transcribe_again)}


def deployments(how: How) -> list[Any]:
    """All flows as ``prefect.serve`` takes them."""
    defaults: dict[str, dict[str, Any]] = {
        "recordings": NewRecordings().model_dump(),
        "how": how.model_dump(),
        "what": Exported().model_dump(),
    }
    made = []
    for name, (flow, description) in DEPLOYED.items():
        taken = flow.parameters.properties
        parameters = {field: value for field, value in defaults.items() if field in taken}
        if flow is transcribe_again:
            parameters["recordings"] = DoneRecordings().model_dump()
        elif flow is not transcribe_new:
            parameters.pop("recordings", None)
        if flow is withdraw_recording:
            parameters.pop("what", None)
        batch = name in BATCHES
        deployment: Any = flow.to_deployment(  # typed for asynchronous code too
            name,
            description=description,
            parameters=parameters,
            concurrency_limit=ONE_AT_A_TIME if batch else None,
            entrypoint_type=EntrypointType.MODULE_PATH,
            tags=["speechpipe"],
        )
        # What is said of these would undo at each start what people have scheduled and paused on the page.
        deployment.model_fields_set.difference_update(("schedules", "paused"))
        made.append(deployment)
    return made


#: A parameter of a flow → the heading of its part of the form.
HEADINGS = {
    "recordings": "Which recordings",
    "recording": "Which recording",
    "how": "How to transcribe",
    "what": "What to do",
}


def form(flow: Flow[..., Any]) -> dict[str, Any]:
    """The schema of a flow's form: what can be chosen by now, under headings that people read."""
    schema = parameter_schema(flow).model_dump()
    for name, part in schema["properties"].items():
        part["title"] = HEADINGS[name]
    return schema


def refresh_forms() -> None:
    """Offer in the forms what can be chosen by now: a folder or a model may have come since the last time."""
    with get_client(sync_client=True) as client:
        for name, (flow, _) in DEPLOYED.items():
            found = client.read_deployment_by_name(f"{flow.name}/{name}")
            schema = form(flow)
            if schema != found.parameter_openapi_schema:
                client.update_deployment(found.id, DeploymentUpdate(parameter_openapi_schema=schema))


def go_on(interrupted: list[FlowRun]) -> None:
    """Begin anew what people or schedules had begun and a stop of the machine or the server interrupted, unless its
    time is over."""
    with get_client(sync_client=True) as client:
        for run in interrupted:
            if run.deployment_id is None or run.parent_task_run_id is not None:
                continue
            asked = run.parameters.get("recordings") or {}
            began = run.start_time or datetime.now(UTC)
            over = local_deadline(end_of(asked.get("until", NO_END)), began)
            if over is None or over > datetime.now(UTC):
                client.create_flow_run_from_deployment(run.deployment_id, parameters=run.parameters)


def end_missed() -> None:
    """Call *Missed* what was to begin while nobody served, where it is too late for it; see ``queue.missed``."""
    with get_client(sync_client=True) as client:
        waiting = {str(run.id): run for run in unfinished(client) if run.state is not None and run.state.is_scheduled()}
        batches = {client.read_deployment_by_name(f"{flow.name}/{name}").id for name, flow in BATCHES.items()}
        late = [scheduled(run) for run in waiting.values() if run.deployment_id in batches]
        for run, why in missed(filter(None, late), datetime.now(UTC)).items():
            client.set_flow_run_state(waiting[run].id, Cancelled(name=MISSED, message=why), force=True)


def scheduled(run: FlowRun) -> Scheduled | None:
    """None where it has no time. What a person asked for is never the same as what a schedule did."""
    at = run.expected_start_time if run.run_count == 0 else run.next_scheduled_start_time
    if at is None:
        return None
    until = (run.parameters.get("recordings") or {}).get("until", NO_END)
    asks = json.dumps([str(run.deployment_id), run.parameters], sort_keys=True) if run.auto_scheduled else str(run.id)
    return Scheduled(str(run.id), at, end_of(until), asks)


def drop_silence_watch() -> None:
    """Earlier versions had the server call crashed what gave no sign of life for a while, as a machine that slept gives
    none either. Whoever has really died is seen by ``serve`` itself, or by its next start."""
    automations: Any = Automation  # typed for asynchronous code too
    with suppress(ValueError):
        automations.read(name=SILENCE_WATCH).delete()
