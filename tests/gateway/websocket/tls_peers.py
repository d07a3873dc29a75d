"""Certificates of the server, and clients that connect with TLS."""

import ssl

import trustme

from gateway.websocket.client import connect
from gateway.websocket.close_codes import Close
from gateway.websocket.server import Server
from gateway.websocket.tls_stream import TlsInfo

CA = trustme.CA()
FOREIGN_CA = trustme.CA()


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    CA.configure_trust(context)
    return context


async def describe_tls(server: Server, context: ssl.SSLContext, name: str = "cs.example") -> TlsInfo:
    url = f"wss://127.0.0.1:{server.ports[0]}/"
    async with connect(url, ssl_context=context, server_hostname=name) as client:
        replies = []

        async def on_text(text: bytes) -> None:
            replies.append(text)
            await client.close(Close.LOAD_TEST_OVER)

        await client.send(b"x" * 60_000)
        await client.run(on_text)
        assert replies == [b"x" * 60_000]
        assert client.tls is not None
        return client.tls
