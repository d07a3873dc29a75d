"""An HTTP upgrade request over a plain socket, for requests that a proper client cannot send."""

import base64
import socket
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.support.waiting import GENEROUS_S


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str


def request(path: str, *, protocols: str | None = "ocpp1.6", headers: Sequence[str] = ()) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *([] if protocols is None else [f"Sec-WebSocket-Protocol: {protocols}"]),
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def dial(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=GENEROUS_S)


def read_answer(sock: socket.socket) -> Answer:
    """Read to the end of a refusal's body, or to the end of the head of a 101."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    code = int(status.split()[1])
    while code != 101 and len(body) < int(headers.get("content-length", "0")):
        body += _some(sock)
    return Answer(code, headers, body.decode())


def upgrade(
    url: str, *, protocols: str | None = "ocpp1.6", headers: Sequence[str] = (), path: str | None = None
) -> Answer:
    """Send an upgrade request, read the answer and hang up. `path` replaces the path of the URL."""
    with dial(url) as sock:
        sock.sendall(request(path or urlsplit(url).path, protocols=protocols, headers=headers))
        return read_answer(sock)


def upgrade_raw(url: str, *, headers: Sequence[str] = (), path: str | None = None) -> bytes:
    """Send an upgrade request that will be refused, and return every byte of the answer."""
    with dial(url) as sock:
        sock.sendall(request(path or urlsplit(url).path, headers=headers))
        data = b""
        while part := sock.recv(4096):
            data += part
        return data


def basic(user: str, password: bytes) -> str:
    """Return the line of the Authorization header."""
    return "Authorization: Basic " + base64.b64encode(user.encode() + b":" + password).decode()


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(4096)
    assert data, "the connection was closed before the answer was complete"
    return data
