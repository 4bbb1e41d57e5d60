"""The page behind the proxies of the documentation, with a certificate and a name of its own, at this machine alone."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from flows.running.server import free_port, is_free
from tests.e2e.browser import log_in, opened
from tests.e2e.served import Served, basic, eventually

pytestmark = [pytest.mark.extra, pytest.mark.timeout(600)]

NAME = "transcripts.archive.example"
START = """
import sys
from pathlib import Path
from flows.serve import serve
serve(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), together=1, public_url=sys.argv[4])
"""


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, root: Path, port: int) -> Iterator[Served]:
    served = Served(root, tmp_path_factory.mktemp("proxies"))
    public = f"https://{NAME}:{port}"
    served.start_command(START, str(served.data), str(served.recordings), str(served.port), public)
    try:
        eventually(lambda: "are ready" in served.told(), "serve is ready")
        yield served
    finally:
        served.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """Made as the documentation says."""
    folder = tmp_path_factory.mktemp("certificate")
    (command,) = re.findall(r"sudo (openssl req (?:.*\\\n)*.*)", (root / "docs" / "operations.md").read_text())
    command = command.replace("/etc/ssl/private", str(folder)).replace("/etc/ssl", str(folder)).replace("\\\n", " ")
    subprocess.run(command.split(), check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def of_documentation(root: Path, served: Served, certificate: Path) -> Callable[[str], str]:
    """A proxy's settings as they are documented, with the paths and the port of this test."""
    text = (root / "docs" / "operations.md").read_text()

    def block(begins: str) -> str:
        (found,) = re.findall(rf"```\w*\n({re.escape(begins)}.*?)```", text, re.S)
        found = found.replace("127.0.0.1:4200", f"127.0.0.1:{served.port}")
        return str(found.replace("/etc/ssl/private", str(certificate)).replace("/etc/ssl", str(certificate)))

    return block


@contextmanager
def running(port: int, *command: str, log: Path) -> Iterator[None]:
    assert shutil.which(command[0]), f"{command[0]} is not installed; make test-all installs it"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={"HOME": str(log.parent), "PATH": "/"})
    try:
        eventually(lambda: process.poll() is not None or not is_free(port), "the proxy listens", 60)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def nginx(folder: Path, port: int, settings: str) -> Iterator[None]:
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n"
                     for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))  # fmt: skip
    user = "user root;\n" if Path.home() == Path("/root") else ""
    settings = settings.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    (folder / "nginx.conf").write_text(
        f"daemon off;\n{user}pid {folder}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{places}{settings}\n}}\n"
    )
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with running(port, program, "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf", log=folder / "log"):
        yield


@contextmanager
def caddy(folder: Path, port: int, settings: str) -> Iterator[None]:
    (folder / "Caddyfile").write_text(
        "{\n\tadmin off\n\tauto_https off\n}\n"
        + settings.replace(f"{NAME} {{", f"{NAME}:{port} {{\n\tbind 127.0.0.1", 1)
    )
    program = shutil.which("caddy") or "caddy"
    with running(port, program, "run", "--config", f"{folder}/Caddyfile", log=folder / "log"):
        yield


PROXIES = {"nginx": (nginx, "map "), "caddy": (caddy, f"{NAME} {{")}


def line(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port))


def status(certificate: Path, port: int, path: str, method: str = "GET", **headers: str) -> int:
    trusted = ssl.create_default_context(cafile=str(certificate / "transcripts.pem"))
    connection = HTTPSConnection(f"{NAME}:{port}", context=trusted)
    connection.sock = trusted.wrap_socket(line(port), server_hostname=NAME)
    connection.request(method, path, body="{}" if method == "POST" else None, headers=headers)
    found = connection.getresponse().status
    connection.close()
    return found


def stream(certificate: Path, port: int, origin: str, login: str) -> str:
    trusted = ssl.create_default_context(cafile=str(certificate / "transcripts.pem"))
    with connect(f"wss://{NAME}:{port}/api/events/out", sock=line(port), ssl=trusted, origin=Origin(origin),
                 subprotocols=[Subprotocol("prefect")]) as held:  # fmt: skip
        held.send(json.dumps({"type": "auth", "token": login}))
        return str(json.loads(held.recv(30))["type"])


@pytest.mark.parametrize("name", PROXIES)
def test_a_colleague_logs_in_through_it_and_another_page_does_not(
    name: str, served: Served, certificate: Path, port: int, of_documentation: Callable[[str], str], tmp_path: Path
) -> None:
    proxy, begins = PROXIES[name]
    own, foreign = f"https://{NAME}:{port}", "https://pages.example"
    with proxy(tmp_path, port, of_documentation(begins)):
        logged_in = {"Authorization": basic(served.login)}
        assert status(certificate, port, "/api/admin/version") == 401
        assert status(certificate, port, "/api/admin/version", **logged_in) == 200
        assert status(certificate, port, "/api/admin/version", Origin=own, **logged_in) == 200
        assert status(certificate, port, "/api/admin/version", Origin=foreign, **logged_in) == 403
        assert status(certificate, port, "/api/flows/filter", "POST", Origin=own, **logged_in) == 403, "no token"
        assert stream(certificate, port, own, served.login) == "auth_success"
        with pytest.raises(InvalidStatus):
            stream(certificate, port, foreign, served.login)
        with opened(f"--host-resolver-rules=MAP {NAME} 127.0.0.1", "--ignore-certificate-errors") as page:
            log_in(page, own, served.login)
            page.get_by_role("link", name="Transcribe new recordings", exact=True).first.wait_for()


def test_a_login_each_is_asked_by_nginx_and_the_page_asks_for_nothing(
    served: Served, certificate: Path, port: int, of_documentation: Callable[[str], str], tmp_path: Path
) -> None:
    more = of_documentation("    auth_basic ").split("\n")
    (header,) = [row for row in more if "proxy_set_header" in row]
    header = re.sub(r"Basic \w+=*", basic(served.login), header)
    users = tmp_path / "users"
    secret = subprocess.run(["openssl", "passwd", "-apr1", "annas"], check=True, capture_output=True, text=True).stdout
    users.write_text(f"anna:{secret}")
    asks = "\n".join(more[:2]).replace("/etc/nginx/transcripts.users", str(users))
    settings = of_documentation("map ").replace("location / {", f"{asks}\n    location / {{\n{header}")
    with nginx(tmp_path, port, settings):
        anna = {"Authorization": basic("anna:annas")}
        assert status(certificate, port, "/deployments") == 401
        assert status(certificate, port, "/api/admin/version", **anna) == 200
        assert status(certificate, port, "/api/admin/version", Origin="https://pages.example", **anna) == 403
        assert status(certificate, port, "/api/flows/filter", "POST", **anna) == 403, "no token"
        with opened(f"--host-resolver-rules=MAP {NAME} 127.0.0.1", "--ignore-certificate-errors") as page:
            page.goto(f"https://anna:annas@{NAME}:{port}/deployments")
            page.get_by_role("link", name="Transcribe new recordings", exact=True).first.wait_for()
