"""What Prefect must find in the environment before it is imported: state in our folder, no telemetry, this machine."""

from __future__ import annotations

import os
from pathlib import Path

from speechpipe.files import explained

#: Neither the server nor its clients report anything to anybody, and the web page advertises nothing.
SILENT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # Without a server that we started nothing runs; Prefect's own emergency server would lose its history.
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}
#: What a server of a few minutes does without, to start sooner.
_IDLE = ("CANCELLATION_CLEANUP", "FOREMAN", "LATE_RUNS", "PAUSE_EXPIRATIONS", "REPOSSESSOR", "SCHEDULER", "TRIGGERS")
TEMPORARY = {
    **{f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false" for service in _IDLE},
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}
#: A run that dies without a word is found by its missing heartbeat; see ``serve.crash_silent_runs``. A slot held by a
#: killed run must come free although the server was restarted, so leases lie in files.
SERVED = {
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_RUNNER_POLL_FREQUENCY": "3",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    # Events are many and soon of no use; the receipts outlive the runs.
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P3D",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    # A server that is started again is waited for.
    "PREFECT_CLIENT_MAX_RETRIES": "12",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "speechpipe.flows",
    # The page shows every sentence; the terminal of the server stays quiet.
    "PREFECT_LOGGING_LEVEL": "INFO",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR",
}


def set_up(home: Path, *tables: dict[str, str], **more: str) -> None:
    """Leave exactly these of Prefect's switches in the environment; to be called before Prefect is imported.

    A server or profile that the user has set up for other work is not touched: its switches are dropped here.

    Raises:
        OutputError: the folder for Prefect's state cannot be written.
    """
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]
    home = home.resolve()
    with explained(home):
        home.mkdir(parents=True, exist_ok=True)
    os.environ["PREFECT_HOME"] = str(home)
    # Else the page is put together inside Prefect's package, where a service may not write, nor read what root did.
    os.environ["PREFECT_UI_STATIC_DIRECTORY"] = str(home / "ui")
    for table in (SILENT, *tables, more):
        os.environ.update(table)
