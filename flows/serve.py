"""A local Prefect server with the flows deployed, for this machine only; it ends with the call."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from speechpipe.batch.queue import at_once
from speechpipe.errors import UsageError, one_line
from speechpipe.files import explained
from speechpipe.registry.storing.store import Store
from speechpipe.settings import Settings

from .places import Places
from .running import login
from .running.environment import OPERATORS, SERVED, closed, set_up
from .running.guard import origin
from .running.process import AT_ONCE, EXPORTS, REPORTS, SERVER_PID, TURNS, hold
from .running.server import HOST, is_free, server

log = logging.getLogger("speechpipe.flows")

#: Besides those at work: a batch that hands out, exports, runs that wait for their turn.
OTHER_RUNS = 8
SECONDS_BETWEEN_REFRESHES = 60
SECONDS_BETWEEN_LOOKS = 3
LEAST_MODEL_BYTES = 200_000_000


def serve(
    data: Path,
    folder: Path | None = None,
    port: int = 4200,
    *,
    model: str = "auto",
    together: int | None = None,
    public_url: str | None = None,
    auth_file: Path | None = None,
    new_login: bool = False,
    no_login: bool = False,
) -> None:
    """Serve the flows until Ctrl-C or SIGTERM.

    ``data`` takes the server's state, the work in progress, the transcripts and the reports; ``folder``
    (``data/recordings`` where not given) is where recordings are looked for, beside the collections of the settings.
    ``together``: how many recordings or groups are worked on together;
    None: as many as the machine bears. ``public_url``: where browsers see a proxy before it; no other address but this
    machine's own is answered. Every request must bring the login, ``user:password``: what ``auth_file`` holds, or else
    ``data/login``, which is made at the first start and anew with ``new_login``. ``no_login``: nobody is asked.

    Raises:
        UsageError: no such folder, the port or the data folder is taken, ``public_url`` is no address, the login is
            wanted in two ways, or its file holds none or can be read by others.
        DependencyError: the server does not start.
    """
    if sum((auth_file is not None, new_login, no_login)) > 1:
        raise UsageError("Of --auth-file, --new-login and --no-login only one makes sense.", cure="Choose one of them.")
    data = data.resolve()
    recordings = (folder or data / "recordings").resolve()
    if folder is None:
        with explained(recordings):
            recordings.mkdir(parents=True, exist_ok=True)
    if not recordings.is_dir():
        raise UsageError(f"There is no folder {recordings}.", cure="Choose the folder of your recordings.")
    if not is_free(port):
        raise UsageError(f"Port {port} is taken.", cure="Choose another with --port.")
    Places(recordings, data / "transcripts").put_into_environment()
    from .forms.parameters import how  # only now: its forms name the collections

    how(model)  # said now, not when the first run fails
    address = f"http://{HOST}:{port}"
    seen = origin(public_url or address)
    with explained(data):
        data.mkdir(parents=True, exist_ok=True)
        held = hold(data / "serve.lock")
    if held is None:
        raise UsageError(f"Another server works with {data}.", cure="Stop it, or choose another folder with --data.")
    try:
        kept_in = auth_file or data / "login"
        secret = None if no_login else login.read(kept_in) if auth_file else login.kept(kept_in, anew=new_login)
        set_up(data / "prefect", SERVED, closed(secret, seen, address, f"http://localhost:{port}"),
               operators=OPERATORS, PREFECT_API_URL=f"{address}/api", PREFECT_UI_URL=seen,
               PREFECT_SERVER_UI_API_URL=f"{seen}/api")  # fmt: skip
        _put_into_environment(data, together)
        print(f"Starting the server; its log is {data / 'prefect' / 'server.log'}.", flush=True)
        with server(port, data / "prefect" / "server.log") as started:
            started.wait_until_healthy()

            def stop(*_: object) -> None:
                # Prefect's runner would wait for its runs. Nothing is lost: they die with this process, and the batches
                # among them go on when it is started again.
                started.end()
                print("Stopped.", flush=True)
                os._exit(0)

            told = f"""
The flows are ready: {seen}/deployments
  Recordings are looked for in {recordings}
  Results go to {data / "transcripts"}
  Worked on together: {os.environ[AT_ONCE]}
  {_asks_for(secret, kept_in)}
Stop with Ctrl-C.
"""
            run_until_stopped(told, stop, model)
    finally:
        os.close(held)


def run_until_stopped(told: str, stop: Callable[..., None], model: str) -> None:
    """Deploy the flows and start their runs as they are asked for, until a signal."""
    from prefect.runner import Runner

    from .deployments import deployments, drop_silence_watch, end_missed, refresh_forms
    from .forms.parameters import how
    from .running.ending import end_leftovers

    class Served(Runner):
        def handle_sigterm(self, *_: Any, **__: Any) -> None:
            stop()

    drop_silence_watch()
    interrupted = end_leftovers()
    runner = Served(name="speechpipe", pause_on_shutdown=False, limit=int(os.environ[AT_ONCE]) + OTHER_RUNS)
    # Else in a folder of /tmp that all users share, and in which only the first of them may write.
    runner._tmp_dir = Path(os.environ["PREFECT_HOME"]) / "runner"
    for deployment in deployments(how(model)):
        runner.add_deployment(deployment)
    refresh_forms()
    end_missed()
    signal.signal(signal.SIGINT, stop)
    threading.Thread(target=_keep_up, args=(interrupted,), daemon=True).start()
    print(told, flush=True)
    asyncio.run(runner.start())


def _keep_up(interrupted: list[Any]) -> None:
    """Forget what was withdrawn, go on with the batches that a stop interrupted, then offer new collections and models
    and forget what is withdrawn elsewhere, as they come."""
    from .deployments import go_on, refresh_forms
    from .seen.traces import Watch

    pause, withdrawn = threading.Event(), Watch()
    with _told():
        withdrawn.look(Places.from_environment())
    with _told():
        go_on(interrupted)
    while not _wait(pause, SECONDS_BETWEEN_REFRESHES):
        with _told():
            refresh_forms()
        with _told():
            withdrawn.look(Places.from_environment())


def _wait(pause: threading.Event, seconds: float) -> bool:
    """Until so much time has passed, a model has come or gone, or ``pause`` is set, of which it tells."""
    store, began = Store(Settings.load().store_folder), time.monotonic()
    here = store.installed()
    while time.monotonic() - began < seconds and store.installed() == here:
        if pause.wait(SECONDS_BETWEEN_LOOKS):
            return True
    return pause.is_set()


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong beside the runs is said and does not end the server, which may be on its way back."""
    try:
        yield
    except Exception as error:
        log.warning("%s", one_line(f"{type(error).__name__}: {error}"))


def _asks_for(secret: str | None, kept_in: Path) -> str:
    """The login itself is for the person at the terminal; what is written to a file or a journal names its file."""
    if secret is None:
        return "NO LOGIN: whoever reaches this address may start, change and delete everything"
    return (
        f"The page asks once for: {secret}" if sys.stdout.isatty() else f"The page asks once for what is in {kept_in}"
    )


def _put_into_environment(data: Path, together: int | None) -> None:
    """What the processes of runs inherit."""
    turns = data / "turns"
    with explained(turns):
        turns.mkdir(exist_ok=True)
    os.environ.setdefault("SPEECHPIPE_WORKSPACE", str(data / "work"))
    # Served runs are processes of their own that import this package by its name.
    root = str(Path(__file__).resolve().parents[__package__.count(".") + 1])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    os.environ |= {
        REPORTS: str(data / "reports"),
        EXPORTS: str(data / "exports"),
        SERVER_PID: str(os.getpid()),
        TURNS: str(turns),
        AT_ONCE: str(together or _bearable()),
    }


def _bearable() -> int:
    """How many recordings or groups the machine bears at a time, with the largest models that are installed."""
    settings = Settings.load()
    sizes = sorted(lock.size for lock in Store(settings.store_folder).installed())
    gpus = 0
    if settings.decoding.device in ("auto", "cuda"):
        import ctranslate2

        gpus = ctranslate2.get_cuda_device_count()
    # One that recognises and one that aligns.
    return at_once(max(LEAST_MODEL_BYTES, sum(sizes[-2:])), settings.decoding.threads, gpus)
