"""A server that nothing must be sent to, and all the settings of a shell that name it. Holds no test itself."""

from __future__ import annotations

import socket
import threading
from typing import Any


def of_a_shell(port: int) -> dict[str, str]:
    """Settings for a server at this port, and a proxy there for everything."""
    address = f"http://127.0.0.1:{port}"
    return {
        "PREFECT_API_URL": f"{address}/api",
        "prefect_api_url": f"{address}/api",
        "PREFECT_UI_URL": address,
        "PREFECT_UI_API_URL": f"{address}/api",
        "PREFECT_CLOUD_API_URL": f"{address}/api",
        "PREFECT_API_KEY": "key-of-the-shell",
        "prefect_api_key": "key-of-the-shell",
        "PREFECT_API_AUTH_STRING": "shell:secret",
        "PREFECT_SERVER_API_AUTH_STRING": "shell:secret",
        "PREFECT_PROFILE": "work-of-the-shell",
        "PREFECT_CLIENT_CUSTOM_HEADERS": '{"X-Of-The-Shell": "1"}',
        "PREFECT_SERVER_ANALYTICS_ENABLED": "true",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": address,
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "false",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"postgresql+asyncpg://shell:secret@127.0.0.1:{port}/shell",
        "OTEL_EXPORTER_OTLP_ENDPOINT": address,
        "HTTP_PROXY": address,
        "http_proxy": address,
        "ALL_PROXY": address,
    }


class Elsewhere:
    """``asked`` has what came, a beginning of each request."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]

    @property
    def settings(self) -> dict[str, str]:
        return of_a_shell(self.port)

    def __enter__(self) -> Elsewhere:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._socket.close()

    def _listen(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            with line:
                line.settimeout(5)
                self.asked.append(line.recv(200))
