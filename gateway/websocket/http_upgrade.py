"""The HTTP request that asks for a websocket, and our answer to it."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Literal, cast

import trio
from trio_websocket import WebSocketRequest, wrap_server_stream

from gateway.websocket.borrowed_reader import BorrowedReader, NotARequest
from gateway.websocket.connection import Connection
from gateway.websocket.limits import Limits
from gateway.websocket.refusals import Refused
from gateway.websocket.socket_stream import SocketStream
from gateway.websocket.stats import Stats
from gateway.websocket.tls_stream import TlsInfo

type HeadFault = Literal["raw_target", "no_connection_upgrade"]

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_RAW_IN_TARGET = re.compile(rb"[^\x21-\x7e]")
_CONNECTION = re.compile(rb"^connection *:([^\n]*)\n", re.IGNORECASE | re.MULTILINE)
_UPGRADE = re.compile(rb"^upgrade *: *websocket", re.IGNORECASE | re.MULTILINE)
_NO_UPGRADE = (
    "This request is not a websocket upgrade. Send a GET with Host, Upgrade: websocket, "
    "Connection: Upgrade, Sec-WebSocket-Version: 13 and a Sec-WebSocket-Key."
)


class BadUpgrade(Exception):  # noqa: N818  it says what happened
    """The request cannot become a websocket. `status` 0 means that the peer is gone, and has no `reason`."""

    def __init__(self, status: int, text: str, reason: Refused | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.reason = reason


class Upgrade:
    """A charge point's upgrade request. Answer the request once, with `refuse` or `accept`."""

    __slots__ = (
        "_early",
        "_limits",
        "_reader",
        "_request",
        "_stats",
        "answered",
        "authorization",
        "connection",
        "encrypted",
        "origin",
        "path",
        "remote",
        "repairs",
        "subprotocols",
        "tls",
    )

    def __init__(
        self,
        request: WebSocketRequest,
        reader: BorrowedReader,
        early: bytes,
        *,
        repairs: Iterable[HeadFault],
        tls: TlsInfo | None,
        limits: Limits,
        stats: Stats,
    ) -> None:
        self.path: str = request.path
        """Target of the request, still percent-encoded.

        The target may have a query or be a whole URL.
        """
        self.subprotocols: tuple[str, ...] = request.proposed_subprotocols
        origins = (value for name, value in request.headers if name.lower() == b"origin")
        self.origin: str | None = next((value.decode("latin-1") for value in origins), None)
        self.authorization = tuple(v for name, v in request.headers if name.lower() == b"authorization")
        """Values of the Authorization headers."""
        self.repairs = tuple(repairs)
        """Names of the faults that were repaired in the head (`repair`)."""
        self.remote = reader.stream.remote
        """Address and port of the charge point. A trusted proxy may have named them."""
        self.tls = tls
        self.encrypted = tls is not None or reader.stream.encrypted_before
        """Whether the charge point's own connection is encrypted."""
        self.answered = False
        self.connection: Connection | None = None
        self._request = request
        self._reader = reader
        self._early = early
        self._limits = limits
        self._stats = stats

    def has_hung_up(self) -> bool:
        """Return whether the peer has hung up."""
        return self._reader.stream.has_hung_up()

    async def refuse(self, status: int, text: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Send an HTTP answer instead of the upgrade, and end the stream.

        No error is raised if the peer has left.
        """
        self.answered = True
        extra = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in _complete(headers)]
        await self._request.reject(status, extra_headers=extra, body=text.encode() + b"\n")
        await self._reader.stream.finish(self._limits.close_s)

    async def accept(self, subprotocol: str) -> Connection:
        """Send the 101.

        The client must have proposed `subprotocol`. Raises trio_websocket.ConnectionClosed.
        """
        if subprotocol not in self.subprotocols:
            raise ValueError(
                f"the subprotocol {subprotocol} was not proposed; use one of {self.subprotocols}"
            )
        self.answered = True
        await self._request.accept(subprotocol=subprotocol)
        del self._request  # It refers to the connection of trio-websocket.
        self.connection = Connection(
            self._reader,
            self._early,
            side="server",
            subprotocol=subprotocol,
            tls=self.tls,
            limits=self._limits,
            stats=self._stats,
        )
        return self.connection


def _complete(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [("Content-Type", "text/plain; charset=utf-8"), ("Connection", "close"), *headers]


def build_answer(status: int, text: str, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """Make a whole HTTP answer, for requests that trio-websocket does not answer."""
    body = text.encode() + b"\n"
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in [*_complete(headers), ("Content-Length", str(len(body)))]]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


async def read_head(stream: SocketStream, limit: int) -> tuple[bytes, bytes]:
    """Read the head of the request.

    Return the head with its empty line, and the bytes after the head. Raises BadUpgrade.
    """
    head = b""
    while True:
        data = await stream.receive_some(4_096)
        if not data:
            raise BadUpgrade(0, "the peer left before its HTTP head was complete")
        head = (head + data).lstrip(b"\r\n") if not head else head + data
        if head and not head[:1].isalpha():
            raise BadUpgrade(
                400,
                "The first bytes are not HTTP. Connect with ws:// or wss://, as this port requires.",
                Refused.NOT_HTTP,
            )
        end = _HEAD_END.search(head)
        if end is not None and end.end() <= limit:
            return head[: end.end()], head[end.end() :]
        if len(head) > limit:
            raise BadUpgrade(
                431,
                f"The head of the request is over {limit} bytes. Send fewer or shorter headers.",
                Refused.HEAD_TOO_LONG,
            )


def repair(head: bytes) -> tuple[bytes, list[HeadFault]]:
    """Repair faults that trio-websocket refuses; return the new head and the names of the faults."""
    repairs: list[HeadFault] = []
    line, newline, rest = head.partition(b"\n")
    method, space, tail = line.rstrip(b"\r").partition(b" ")
    target, last_space, version = tail.rpartition(b" ")
    if space and last_space and _RAW_IN_TARGET.search(target):
        target = _RAW_IN_TARGET.sub(lambda raw: b"%%%02X" % raw[0][0], target)
        line = b"%s %s %s\r" % (method, target, version)
        repairs.append("raw_target")
    asked = (token.strip().lower() for line in _CONNECTION.findall(rest) for token in line.split(b","))
    if b"upgrade" not in asked and _UPGRADE.search(rest):
        rest = b"Connection: Upgrade\r\n" + _CONNECTION.sub(b"", rest)
        repairs.append("no_connection_upgrade")
    return line + newline + rest, repairs


async def receive_upgrade(
    stream: SocketStream, *, tls: TlsInfo | None, limits: Limits, stats: Stats
) -> tuple[Upgrade, BorrowedReader]:
    """Read the request within its deadline.

    Raises BadUpgrade, which the caller answers. The caller must also finish the reader at the end.
    """
    try:
        with trio.fail_after(limits.http_upgrade_s):
            head, early = await read_head(stream, limits.head_bytes)
    except trio.TooSlowError:
        text = f"The request did not arrive within {limits.http_upgrade_s:g} s."
        raise BadUpgrade(408, text, Refused.REQUEST_TOO_SLOW) from None
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise BadUpgrade(0, str(error)) from None
    head, repairs = repair(head)
    reader = BorrowedReader(stream, head)
    try:
        request = await wrap_server_stream(
            cast(trio.Nursery, reader), reader, max_message_size=limits.message_bytes
        )
    except NotARequest:
        await reader.finish()
        raise BadUpgrade(400, _NO_UPGRADE, Refused.NOT_AN_UPGRADE) from None
    except BaseException:
        await reader.finish()
        raise
    upgrade = Upgrade(request, reader, early, repairs=repairs, tls=tls, limits=limits, stats=stats)
    return upgrade, reader
