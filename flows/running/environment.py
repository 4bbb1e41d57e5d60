"""What Prefect must find in the environment before it is imported: state in our folder, no telemetry, this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from urllib.request import getproxies_environment

from speechpipe.errors import UsageError
from speechpipe.files import explained

PREFIX = "PREFECT_"
#: Files of the working folder that Prefect reads, and by what it is seen that they hold something for it.
FILES = {
    "prefect.toml": re.compile(""),
    "pyproject.toml": re.compile(r"^\s*\[+\s*tool\s*\.\s*[\"']?prefect\b", re.M),
    ".env": re.compile(r"^\s*(export\s+)?[\"']?prefect_", re.M | re.I),
}

#: Neither the server nor its clients report anything to anybody, and the web page advertises nothing.
SILENT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "OTEL_SDK_DISABLED": "true",
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
#: A slot held by a killed run must come free although the server was restarted, so leases lie in files.
SERVED = {
    "PREFECT_RUNNER_POLL_FREQUENCY": "3",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    # Events are many and soon of no use; the receipts outlive the runs.
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P3D",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    # Longer than a proxy keeps a connection for its next request, two minutes with Caddy: else some meet a closed one.
    "PREFECT_SERVER_API_KEEPALIVE_TIMEOUT": "150",
    # A server that is started again is waited for.
    "PREFECT_CLIENT_MAX_RETRIES": "12",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "speechpipe.flows",
    # What ``serve`` says beside the runs belongs to none of them.
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    # The page shows every sentence; the terminal of the server stays quiet.
    "PREFECT_LOGGING_LEVEL": "INFO",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR",
}

#: What an operator may set otherwise: how much is told, how long it is kept, how long and how often something is waited
#: for. None of it says where anything is sent. docs/operations.md lists them.
OPERATORS = (
    "PREFECT_API_REQUEST_TIMEOUT",
    "PREFECT_CLIENT_MAX_RETRIES",
    "PREFECT_CLIENT_RETRY_JITTER_FACTOR",
    "PREFECT_LOGGING_LEVEL",
    "PREFECT_RUNNER_POLL_FREQUENCY",
    "PREFECT_SERVER_API_CSRF_TOKEN_EXPIRATION",
    "PREFECT_SERVER_API_KEEPALIVE_TIMEOUT",
    "PREFECT_SERVER_API_WEBSOCKET_PING_INTERVAL",
    "PREFECT_SERVER_API_WEBSOCKET_PING_TIMEOUT",
    "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT",
    "PREFECT_SERVER_DATABASE_TIMEOUT",
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD",
    "PREFECT_SERVER_LOGGING_LEVEL",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS",
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS",
    "PREFECT_SERVER_SERVICES_SCHEDULER_MAX_RUNS",
    "PREFECT_SERVER_SERVICES_SCHEDULER_MAX_SCHEDULED_TIME",
)


def set_up(home: Path, *tables: dict[str, str], operators: Collection[str] = (), **more: str) -> None:
    """Leave exactly these of Prefect's switches in the environment; to be called before Prefect is imported.

    A server or profile that the user has set up for other work is not touched: its switches are dropped here, but for
    ``operators``, which count more than ``tables``.

    Raises:
        OutputError: the folder for Prefect's state cannot be written.
        UsageError: a file in the working folder gives Prefect settings, which it would read.
    """
    refuse_files(Path())
    own = {name: os.environ[name] for name in operators if name in os.environ}
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:  # Prefect takes small letters too
        del os.environ[name]
    home = home.resolve()
    with explained(home):
        home.mkdir(parents=True, exist_ok=True)
    os.environ["PREFECT_HOME"] = str(home)
    # Else the page is put together inside Prefect's package, where a service may not write, nor read what root did.
    os.environ["PREFECT_UI_STATIC_DIRECTORY"] = str(home / "ui")
    for table in (*tables, own, SILENT, more):
        os.environ.update(table)
    ask_directly()


def closed(login: str | None, *origins: str) -> dict[str, str]:
    """Who is answered: pages of these origins, with this login and a token against forgery. See ``guard``."""
    table = {
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": ",".join(origins),
    }
    if login is not None:
        table |= {"PREFECT_SERVER_API_AUTH_STRING": login, "PREFECT_API_AUTH_STRING": login}
    return table


def ask_directly() -> None:
    """Requests to our own server, with all the names in them, never go by way of a proxy that the shell has set."""
    names = getproxies_environment().get("no", "")
    own = "*" if names.strip() == "*" else ",".join([*filter(None, names.split(",")), "127.0.0.1", "localhost"])
    os.environ |= {"no_proxy": own, "NO_PROXY": own}


def refuse_files(folder: Path) -> None:
    """Prefect also reads settings from files of the working folder, and there is no switch against it."""
    for name, of_prefect in FILES.items():
        path = folder / name
        if path.is_file() and of_prefect.search(path.read_text(encoding="utf-8", errors="replace")):
            raise UsageError(f"{path.resolve()} holds settings of Prefect for other work.",
                             cure="Start this from another folder.")  # fmt: skip
