"""What stands before the server: it answers to its own names, to requests of its own page, and inside no other page.

Without it any web page that a person has open could send requests to a server on their machine, under its address or
under a name of its own that leads there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from pydantic import HttpUrl, TypeAdapter, ValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from speechpipe.errors import UsageError

HEADERS = {
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "frame-ancestors 'none'",
    # Nor is what it answers taken into another page as a picture or a script.
    "Cross-Origin-Resource-Policy": "same-origin",
}
REFUSED = "This request comes from another web page and is refused.\n"


def guarded(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """The application with its guard outermost; pages of ``origins`` are its own, and their hosts its names."""
    names = [urlsplit(origin).hostname or "" for origin in origins]
    return TrustedHostMiddleware(OwnOrigin(app, origins), allowed_hosts=names, www_redirect=False)


class OwnOrigin:
    """Refuses what the browser says to come from another page, a WebSocket too; programs say nothing of the kind."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app, self._origins = app, frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def unframed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        asks = scope["type"] in ("http", "websocket")
        if asks and not self._origins.issuperset(Headers(scope=scope).getlist("origin")):
            await PlainTextResponse(REFUSED, status_code=403)(scope, receive, unframed)
        else:
            await self._app(scope, receive, unframed)


def origin(url: str) -> str:
    """The origin of an address, as browsers spell it.

    Raises:
        UsageError: it is no address of a whole site, such as one with a path.
    """
    try:
        read = TypeAdapter(HttpUrl).validate_python(url)
    except ValidationError as error:
        raise _no_address(url) from error
    more = (read.username, read.password, read.query, read.fragment, (read.path or "").strip("/"))
    if any(more) or not re.fullmatch(r"[\w.-]+", read.host or ""):  # a star would stand for every name
        raise _no_address(url)
    return str(read).rstrip("/")


def _no_address(url: str) -> UsageError:
    return UsageError(f"'{url}' is no address of a site.", cure="Give one such as https://transcripts.archive.example")
