"""Quart on Trio with raw paths, bounded bodies and no websockets."""

from collections.abc import Callable
from typing import Any, Never, cast
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
from quart.routing import QuartRule
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection
from quart_trio.wrappers import TrioRequest
from quart_trio.wrappers.request import TrioBody
from werkzeug.exceptions import RequestEntityTooLarge

from admin.http.names import DigestConverter, NameConverter, NumberConverter

LINGER_S = 1.0
END_S = 2.0


class BoundedBody(TrioBody):
    """A body whose bytes are counted as they arrive.

    Quart checks the length of a chunked body only when the whole body is in memory, which could fill the
    memory.
    """

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
    """A connection that routes by the raw path: `%2F` stays a part of a name, and `%ff` stays `%ff`."""

    def __init__(self, app: Any, scope: HTTPScope) -> None:
        raw = scope["raw_path"].decode("ascii")
        try:
            path = raw if raw.startswith("/") else urlsplit(raw).path
        except ValueError:
            # The request target is not a URL, for example `http://[/`. The path made of it matches no route.
            path = f"/{raw}"
        super().__init__(app, cast("HTTPScope", {**scope, "path": path or "/"}))

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Let Hypercorn finish each response, that is, close the connection or start the idle timeout.

        Hypercorn first reports that the response is complete. quart-trio then cancels the task in which
        Hypercorn would finish, so that the connection would stay open for as long as the client likes.
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
            # Wait for the whole request. If the server closed the connection while the client still sends,
            # the client would lose the answer.
            with trio.move_on_after(LINGER_S):
                await received.wait()
            with trio.move_on_after(END_S, shield=True):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await super().__call__(receive_noting, send_whole)


class MatchedRule(QuartRule):
    """A route from which no URL is built.

    Werkzeug compiles two functions for each route that build URLs. They took 50 of the 60 ms of `create_app`.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., Never]:  # noqa: ARG002, FBT001, FBT002
        def refuse(rule: QuartRule, **_: object) -> Never:
            raise NotImplementedError(f"no URL is built from the route {rule.rule}")

        return refuse


class QuartApp(QuartTrio):
    asgi_http_class = RawPathConnection
    request_class = BoundedRequest
    url_rule_class = MatchedRule  # type: ignore[assignment] # Quart, too, uses a narrower class than Flask.

    def __init__(self) -> None:
        super().__init__("csms-admin", static_folder=None)
        self.url_map.converters |= {
            "name": NameConverter,
            "number": NumberConverter,
            "digest": DigestConverter,
        }
        self.url_map.merge_slashes = False
        self.url_map.strict_slashes = True
        self.config["PROVIDE_AUTOMATIC_OPTIONS"] = False

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "websocket":
            await receive()
            # If a websocket is closed before it is accepted, the client gets 403.
            await send({"type": "websocket.close", "code": 1000, "reason": None})
            return
        await super().__call__(scope, receive, send)
