"""The program of the server's process: Prefect's application, with the guard before it and its writers in line."""

from __future__ import annotations

import sys

import uvicorn
from prefect.server.api.server import create_app
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.settings import get_current_settings

from .database import begin_transaction
from .guard import guarded


def main(host: str, port: int) -> None:
    """Serve until a signal; what Prefect's own command tells uvicorn is told here too.

    The guard stands at the network alone: the server also asks its own application, under no name at all.
    """
    AioSqliteConfiguration.begin_transaction = begin_transaction  # type: ignore[method-assign, assignment]
    settings = get_current_settings().server
    uvicorn.run(
        guarded(create_app(final=True), settings.api.cors_allowed_origins.split(",")),
        host=host,
        port=port,
        timeout_keep_alive=settings.api.keepalive_timeout,
        ws_ping_interval=settings.api.websocket_ping_interval,
        ws_ping_timeout=settings.api.websocket_ping_timeout,
        log_level=settings.logging_level.lower(),
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
