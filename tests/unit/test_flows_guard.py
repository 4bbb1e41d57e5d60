"""The guard alone, before an application of three lines."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from flows.running.guard import REFUSED, guarded, origin
from speechpipe.errors import UsageError

OWN = ["https://transcripts.archive.example", "http://127.0.0.1:4200"]


async def page(_: Any) -> PlainTextResponse:
    return PlainTextResponse("hello", headers={"X-Frame-Options": "ALLOWALL"})


async def stream(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


def client(host: str = "http://127.0.0.1:4200") -> TestClient:
    application = Starlette(routes=[Route("/", page, methods=["GET", "POST"]), WebSocketRoute("/stream", stream)])
    return TestClient(guarded(application, OWN), base_url=host)


@pytest.mark.parametrize("host", [*OWN, "http://127.0.0.1:9", "https://TRANSCRIPTS.archive.example:8443"])
def test_own_names_are_answered_and_framed_by_nobody(host: str) -> None:
    for headers in ({}, *({"Origin": own} for own in OWN)):
        answer = client(host).post("/", headers=headers)
        assert answer.text == "hello"
        assert answer.headers.get_list("X-Frame-Options") == ["DENY"]
        assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("name", ["pages.example", "127.0.0.1.pages.example", "archive.example", "localhost", ""])
def test_other_names_are_not(name: str) -> None:
    for method in ("GET", "POST"):
        assert client().request(method, "/", headers={"Host": name}).status_code == 400
    with (
        pytest.raises(WebSocketDenialResponse),
        client().websocket_connect("ws://127.0.0.1:4200/stream", headers={"Host": name}),
    ):
        pass


FOREIGN = [
    "https://pages.example",
    "null",
    "",
    "http://transcripts.archive.example",
    "https://transcripts.archive.example:8443",
    "http://127.0.0.1:4201",
    "http://127.0.0.1",
    "https://transcripts.archive.example.pages.example",
]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_other_pages_are_refused_whatever_they_ask(foreign: str) -> None:
    for method in ("GET", "POST", "OPTIONS", "DELETE"):
        answer = client().request(method, "/", headers={"Origin": foreign})
        assert (answer.status_code, answer.text) == (403, REFUSED)
        assert "access-control-allow-origin" not in answer.headers
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        client().websocket_connect("ws://127.0.0.1:4200/stream", headers={"Origin": foreign}),
    ):
        pass
    assert denied.value.status_code == 403


def test_one_foreign_origin_beside_an_own_one_is_foreign() -> None:
    assert client().get("/", headers=[("Origin", OWN[0]), ("Origin", "https://pages.example")]).status_code == 403


@pytest.mark.parametrize("own", [None, *OWN])
def test_a_stream_opens_to_programs_and_to_its_own_page(own: str | None) -> None:
    with client().websocket_connect("ws://127.0.0.1:4200/stream", headers={"Origin": own} if own else {}) as held:
        assert held.receive_text() == "hello"


@pytest.mark.parametrize(
    ("url", "spelled"),
    [
        ("https://transcripts.archive.example", "https://transcripts.archive.example"),
        ("https://Transcripts.Archive.Example:443/", "https://transcripts.archive.example"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://10.0.0.7:8443", "https://10.0.0.7:8443"),
    ],
)
def test_an_address_is_spelled_as_browsers_do(url: str, spelled: str) -> None:
    assert origin(url) == spelled


@pytest.mark.parametrize(
    "url",
    ["", "transcripts.archive.example", "https://*", "https://*.archive.example", "https://a.example,https://b.example",
     "https://a.example/transcripts", "https://user@a.example", "https://a.example?q", "ftp://a.example", "https://"],
)  # fmt: skip
def test_what_is_no_address_of_a_site_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="is no address of a site"):
        origin(url)
