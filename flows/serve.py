"""A local Prefect server with both flows deployed, for this machine only; it ends with the call."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from speechpipe.errors import DependencyError, UsageError

from .environment import SERVED, set_up
from .parameters import NewRecordings, how
from .places import Places

HOST = "127.0.0.1"
SECONDS_TO_START = 120
SECONDS_TO_END = 15
#: A run without a heartbeat for this long is dead; three times the heartbeat's interval.
SILENCE = timedelta(seconds=90)
#: As many recordings as are worked on at one time; a second run of a folder is refused.
RUNS = 2
PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


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
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UsageError(f"Port {port} is taken.", cure="Choose another with --port.") from error
    how(model)  # said now, not when the first run fails
    address = f"http://{HOST}:{port}"
    set_up(data / "prefect", SERVED, PREFECT_API_URL=f"{address}/api", PREFECT_UI_URL=address)
    os.environ.setdefault("SPEECHPIPE_WORKSPACE", str(data / "work"))
    # Served runs are processes of their own that import this package by its name.
    root = str(Path(__file__).resolve().parents[__package__.count(".") + 1])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    Places(recordings, data / "transcripts").put_into_environment()
    print(f"Starting the server; its log is {data / 'prefect' / 'server.log'}.", flush=True)
    with server(port, data / "prefect" / "server.log"):
        run_until_stopped(address, recordings, data / "transcripts", model, every)
    print("Stopped.", flush=True)


@contextmanager
def server(port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A healthy Prefect server as a child that never outlives this process.

    Raises:
        DependencyError: it ended, or was not healthy in time; names the log.
    """
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    with log.open("ab") as output:
        # A session of its own: Ctrl-C reaches this process first, which then ends the server last.
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            preexec_fn=_die_with_parent,
        )  # fmt: skip
    leaving = threading.Event()
    try:
        _wait_healthy(f"http://{HOST}:{port}/api/health", child, log)
        threading.Thread(target=_watch, args=(child, leaving, log), daemon=True).start()
        yield child
    finally:
        leaving.set()
        _end(child)


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


def _wait_healthy(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and child.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 (our own address)
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise DependencyError("The Prefect server did not start.", cure=f"Its log says why: {log}")


def _watch(child: subprocess.Popen[bytes], leaving: threading.Event, log: Path) -> None:
    """Prefect's runner never ends while its server is gone; so end the process for it."""
    child.wait()
    if not leaving.is_set():
        print(f"The Prefect server ended by itself. Its log says why: {log}", file=sys.stderr, flush=True)
        os._exit(DependencyError.exit_code)


def _end(child: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, sign)
            child.wait(SECONDS_TO_END)
            return
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return


def _die_with_parent() -> None:
    """On Linux: be ended by the kernel when the process that started this one is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)


def _raise_exit(*_: object) -> None:
    raise SystemExit(0)
