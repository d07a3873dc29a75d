"""Quart on Trio, without what would hurt here: decoded slashes, unbounded bodies, websockets, HTTP/2."""

from typing import Any, cast
from urllib.parse import urlsplit

import trio
from hypercorn.typing import (
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    HTTPScope,
    Scope,
)
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection
from quart_trio.wrappers import TrioRequest
from quart_trio.wrappers.request import TrioBody
from werkzeug.exceptions import RequestEntityTooLarge

from admin.http.names import NameConverter

LINGER_S = 1.0
END_S = 2.0


class BoundedBody(TrioBody):
    """Quart's own looks at the limit after it has kept everything: a chunked body could fill the memory."""

    _kept = 0

    async def put(self, data: bytes) -> None:
        self._kept += len(data)
        if self._max_content_length is not None and self._kept > self._max_content_length:
            self._must_raise = RequestEntityTooLarge()
            self.set_complete()
        if self._must_raise is None:
            await super().put(data)


class BoundedRequest(TrioRequest):
    body_class = BoundedBody


class RawPathConnection(TrioASGIHTTPConnection):
    """Routes by the path as it was sent, so that `%2F` stays inside a name and `%ff` stays itself."""

    def __init__(self, app: Any, scope: HTTPScope) -> None:
        raw = scope["raw_path"].decode("ascii")
        try:
            path = raw if raw.startswith("/") else urlsplit(raw).path
        except ValueError:
            path = f"/{raw}"  # Not a URL, for example `http://[/`: no route of ours.
        super().__init__(app, cast("HTTPScope", {**scope, "path": path or "/"}))

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Have Hypercorn end each response: close, or begin to count how long the connection is idle.

        It tells us first that the client has nothing more to hear, whereupon quart-trio cancels the very
        task that it does this in: the connection would stay open for as long as the client likes.
        """
        received = trio.Event()

        async def receive_noting() -> ASGIReceiveEvent:
            message = await receive()
            if message["type"] != "http.request" or not message.get("more_body", False):
                received.set()
            return message

        async def send_whole(message: ASGISendEvent) -> None:
            if message["type"] != "http.response.body" or message.get("more_body", False):
                await send(message)
                return
            await send({**message, "more_body": True})
            with trio.move_on_after(LINGER_S):  # Closing on who still sends would take the answer from it.
                await received.wait()
            with trio.move_on_after(END_S, shield=True):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await super().__call__(receive_noting, send_whole)


class QuartApp(QuartTrio):
    asgi_http_class = RawPathConnection
    request_class = BoundedRequest

    def __init__(self) -> None:
        super().__init__("csms-admin", static_folder=None)
        self.url_map.converters["name"] = NameConverter
        self.url_map.merge_slashes = False
        self.url_map.strict_slashes = True
        self.config["PROVIDE_AUTOMATIC_OPTIONS"] = False

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send(
                {"type": "websocket.close", "code": 1000, "reason": None}
            )  # before accept: answered 403
            return
        await super().__call__(scope, receive, send)
