"""A local Prefect server with both flows deployed, for this machine only; it ends with the call."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from speechpipe.errors import UsageError

from .environment import SERVED, set_up
from .parameters import NewRecordings, how
from .places import Places
from .server import HOST, is_free, server

#: A run without a heartbeat for this long is dead; three times the heartbeat's interval.
SILENCE = timedelta(seconds=90)
#: As many recordings as are worked on at one time; a second run of a folder is refused.
RUNS = 2


def serve(
    data: Path,
    folder: Path | None = None,
    port: int = 4200,
    *,
    model: str = "auto",
    every: timedelta | None = None,
) -> None:
    """Serve the flows until Ctrl-C or SIGTERM.

    ``data`` takes the server's state, the work in progress and the transcripts; ``folder`` (``data/recordings`` where
    not given) is the only place where recordings are looked for. With ``every`` it is looked through by itself.

    Raises:
        UsageError: no such folder, or the port is taken.
        DependencyError: the server does not start.
    """
    data = data.resolve()
    recordings = (folder or data / "recordings").resolve()
    if folder is None:
        recordings.mkdir(parents=True, exist_ok=True)
    if not recordings.is_dir():
        raise UsageError(f"There is no folder {recordings}.", cure="Choose the folder of your recordings.")
    if not is_free(port):
        raise UsageError(f"Port {port} is taken.", cure="Choose another with --port.")
    how(model)  # said now, not when the first run fails
    address = f"http://{HOST}:{port}"
    set_up(data / "prefect", SERVED, PREFECT_API_URL=f"{address}/api", PREFECT_UI_URL=address)
    os.environ.setdefault("SPEECHPIPE_WORKSPACE", str(data / "work"))
    # Served runs are processes of their own that import this package by its name.
    root = str(Path(__file__).resolve().parents[__package__.count(".") + 1])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    Places(recordings, data / "transcripts").put_into_environment()
    print(f"Starting the server; its log is {data / 'prefect' / 'server.log'}.", flush=True)
    with server(port, data / "prefect" / "server.log") as wait_until_healthy:
        wait_until_healthy()
        run_until_stopped(address, recordings, data / "transcripts", model, every)
    print("Stopped.", flush=True)


def run_until_stopped(address: str, recordings: Path, outputs: Path, model: str, every: timedelta | None) -> None:
    """Deploy both flows and start their runs as they are asked for, until a signal."""
    from prefect import serve as prefect_serve

    told = f"""
The flows are ready: {address}/deployments
  Recordings are looked for in {recordings}
  Results go to {outputs}
Stop with Ctrl-C.
"""
    crash_silent_runs()
    chosen = deployments(model, every)
    print(told, flush=True)
    signal.signal(signal.SIGTERM, _raise_exit)
    # Where a run is ended together with the runner, asyncio tells of its cut connection.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    with suppress(KeyboardInterrupt, SystemExit):
        prefect_serve(*chosen, pause_on_shutdown=False, print_starting_message=False, limit=RUNS)


def deployments(model: str = "auto", every: timedelta | None = None) -> list[Any]:
    """Both flows with the names and the form that people see."""
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.types.entrypoint import EntrypointType

    from .new import transcribe_new
    from .recording import transcribe_recording

    chosen = how(model).model_dump()
    common: dict[str, Any] = {"entrypoint_type": EntrypointType.MODULE_PATH, "tags": ["speechpipe"]}
    return [
        transcribe_new.to_deployment(
            "Transcribe new recordings",
            description="Looks for recordings that were not done before and does each in a run of its own. "
            "What fails is explained in the closing table; the others are done all the same.",
            parameters={"recordings": NewRecordings().model_dump(), "how": chosen},
            interval=every,
            concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
            **common,
        ),
        transcribe_recording.to_deployment(
            "Transcribe one recording",
            description="Does one recording, which you name by its path below the folder of recordings.",
            parameters={"how": chosen},
            **common,
        ),
    ]


def crash_silent_runs(within: timedelta = SILENCE) -> None:
    """Have the server call a run crashed that no longer gives a sign of life, as after a power cut or kill -9."""
    from prefect.automations import Automation, EventTrigger, Posture
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.events import ResourceSpecification

    automations: Any = Automation  # typed for asynchronous code too
    name = "Runs without a sign of life have crashed"
    try:
        automations.read(name=name)
    except ValueError:
        automation = automations(
            name=name,
            trigger=EventTrigger(
                after={"prefect.flow-run.heartbeat"},
                expect={"prefect.flow-run.*"},
                match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                threshold=1,
                within=within,
            ),
            actions=[
                ChangeFlowRunState(
                    name=None, state=StateType.CRASHED, message="The run gave no sign of life any more.", force=False
                )
            ],
        )
        automation.create()


def _raise_exit(*_: object) -> None:
    raise SystemExit(0)
