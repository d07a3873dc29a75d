"""A small central system for wss that wants a client certificate, and keeps how each charge point came."""

import ssl
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
import trio
import trustme
from websockets import ConnectionClosed, Subprotocol
from websockets.trio.server import ServerConnection, serve

_BOOTED = {"status": "Accepted", "currentTime": "2026-01-31T12:00:00Z", "interval": 300}
_TAG = {"idTagInfo": {"status": "Accepted"}}
_ANSWERS = {
    "BootNotification": _BOOTED,
    "Authorize": _TAG,
}


class Came(NamedTuple):
    """One connection. `certificate` is the common name of the client certificate."""

    path: str
    login: str
    certificate: str


class TlsCentral:
    """`id_tags` are those of Authorize, by path."""

    def __init__(self) -> None:
        self.port = 0
        self.came: list[Came] = []
        self.id_tags: dict[str, str] = {}

    async def serve(self, connection: ServerConnection) -> None:
        request, stream = connection.request, connection.stream
        assert request is not None
        assert isinstance(stream, trio.SSLStream)
        login = request.headers.get("Authorization", "").removeprefix("Basic ")
        subject: Any = stream.getpeercert()["subject"]
        names = {name: value for ((name, value),) in subject}
        self.came.append(Came(request.path, b64decode(login).decode(), names["commonName"]))
        try:
            async for text in connection:
                _, id_, action, payload = msgspec.json.decode(text)
                if action == "Authorize":
                    self.id_tags[request.path] = payload["idTag"]
                await connection.send(msgspec.json.encode([3, id_, _ANSWERS.get(action, {})]).decode())
        except ConnectionClosed:
            pass


@asynccontextmanager
async def tls_central(authority: trustme.CA) -> AsyncIterator[TlsCentral]:
    central, context = TlsCentral(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        central.port = listener.socket.getsockname()[1]
        nursery.start_soon(_serve, central, listener, context)
        yield central
        nursery.cancel_scope.cancel()


async def _serve(central: TlsCentral, listener: trio.SocketListener, context: ssl.SSLContext) -> None:
    await serve(central.serve, listeners=[listener], ssl=context, subprotocols=[Subprotocol("ocpp1.6")])
