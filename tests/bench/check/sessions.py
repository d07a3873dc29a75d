"""A real session, with a real connection and a real store client, between a fake socket and fixed replies."""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import monotonic, time
from typing import cast

import msgspec
import trio
from trio.testing import wait_all_tasks_blocked

from gateway.config import GatewayConfig
from gateway.node import Node
from gateway.session.session import Session
from gateway.websocket.connection import Connection
from gateway.websocket.http_upgrade import receive_upgrade
from gateway.websocket.limits import Limits
from gateway.websocket.socket_stream import SocketStream
from gateway.websocket.stats import Stats
from state.keys import ChargePointKeys
from state.nodes.leases import Claimed, Lease
from state.record import ChargePointRecord
from state.redis.connection import RedisConnection
from state.redis.transport import PlainTransport
from state.scripts import SCRIPTS
from state.store import Store, StoreConfig
from tests.bench.check.fake_io import FedSocket, FixedReplies, Reply, encode
from tests.support.leases import attachment
from tests.support.websocket_frames import REQUEST

KEYS = ChargePointKeys("tenant", "CP-000123")
TRANSACTION = 34_000_000
_HOLDER = "node/1"
_URL = "redis://fixed-replies"
_PEPPER = "p" * 32


class OpenSession:
    """An open session of a charge point that was accepted."""

    def __init__(self, node: Node, sock: FedSocket, stream: SocketStream) -> None:
        self._node = node
        self._socket = sock
        self._stream = stream

    async def exchange(self, frames: list[bytes]) -> None:
        """Let one frame after the other come, each when the one before is answered."""
        sock, stream = self._socket, self._stream
        for one in frames:
            sock.feed(one)
            stream.wake(ended=False)
            await sock.answered()

    def check(self) -> None:
        """Raise ValueError unless all messages were served as those of a correct charge point."""
        if b"[3," not in self._socket.sent[:8]:
            raise ValueError(f"the answer is not a CALLRESULT: {self._socket.sent!r}")
        if faults := dict(self._node.telemetry.faults):
            raise ValueError(f"a correct message was counted as faulty: {faults}")


@asynccontextmanager
async def open_session(replies: Mapping[str, Reply]) -> AsyncIterator[OpenSession]:
    """`replies` are the replies of the store, as for `open_fixed_store`."""
    config = msgspec.convert({"store": {"url": _URL}, "security": {"pepper": _PEPPER}}, GatewayConfig)
    async with (
        open_fixed_store(replies) as store,
        open_connection() as (connection, sock, stream),
        trio.open_nursery() as nursery,
    ):
        node = Node(config, store, _PEPPER.encode(), nursery)
        claimed = Claimed(
            lease=Lease(KEYS, _HOLDER, 1, TRANSACTION, store.server_time_ms()),
            previous_holder=None,
            previous_node=None,
            pending=(),
            record=ChargePointRecord(tenant=KEYS.tenant, id=KEYS.id, registered_ms=1, boot_status="Accepted"),
        )
        session = Session(node, claimed, connection, attachment(_HOLDER))
        session.link.secrets.add_text(b"the token of the charge point")
        nursery.start_soon(session.run, (), trio.lowlevel.checkpoint)
        await wait_all_tasks_blocked()
        yield OpenSession(node, sock, stream)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_connection() -> AsyncIterator[tuple[Connection, FedSocket, SocketStream]]:
    """Make the connection of a charge point, from its request for a websocket on."""
    sock = FedSocket()
    sock.feed(REQUEST)
    stream = SocketStream(cast(socket.socket, sock), ("192.0.2.7", 40_000), send_s=10)
    upgrade, _ = await receive_upgrade(stream, tls=None, limits=Limits(), stats=Stats())
    connection = await upgrade.accept("ocpp1.6")
    try:
        yield connection, sock, stream
    finally:
        with trio.CancelScope(shield=True):
            await connection.aclose()


@asynccontextmanager
async def open_fixed_store(replies: Mapping[str, Reply]) -> AsyncIterator[Store]:
    """Open a store whose server has one reply for each Lua step, and one for each other command."""
    store = Store(StoreConfig(url=_URL))
    now = monotonic()
    store.clock.learn(time() * 1000, now, now)
    encoded = {
        (SCRIPTS[name].sha if name in SCRIPTS else name).encode(): encode(reply)
        for name, reply in replies.items()
    }
    async with trio.open_nursery() as nursery:
        for lane in store._lanes.all:
            connection = RedisConnection(cast(PlainTransport, FixedReplies(encoded)))
            nursery.start_soon(connection.run, lane.pending)
        await wait_all_tasks_blocked()
        yield store
        nursery.cancel_scope.cancel()
