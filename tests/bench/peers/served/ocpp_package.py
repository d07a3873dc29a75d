"""A central system made with the package `ocpp` on `websockets`.

It checks every payload by the schemas of OCPP.

With the third argument `uvloop` it runs on uvloop instead of asyncio's own loop. It stores nothing.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

import uvloop
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result
from ocpp.v16.enums import Action, RegistrationStatus
from websockets import Subprotocol
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.bench.peers.served.ports import allow_connections, make_tls, say

ACCEPTED = {"status": "Accepted"}
IDS = count(1)


class Peer(ChargePoint):  # type: ignore[misc]  # the package has no types
    @on(Action.boot_notification)
    def on_boot(self, **_request: Any) -> Any:
        return call_result.BootNotification(now(), 300, RegistrationStatus.accepted)

    @on(Action.start_transaction)
    def on_start(self, **_request: Any) -> Any:
        return call_result.StartTransaction(transaction_id=next(IDS), id_tag_info=ACCEPTED)

    @on(Action.stop_transaction)
    def on_stop(self, **_request: Any) -> Any:
        return call_result.StopTransaction(id_tag_info=ACCEPTED)

    @on(Action.meter_values)
    def on_values(self, **_request: Any) -> Any:
        return call_result.MeterValues()

    @on(Action.status_notification)
    def on_status(self, **_request: Any) -> Any:
        return call_result.StatusNotification()

    @on(Action.heartbeat)
    def on_heartbeat(self) -> Any:
        return call_result.Heartbeat(current_time=now())


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def handle(connection: ServerConnection) -> None:
    request = connection.request
    assert request is not None
    with suppress(ConnectionClosed):
        await Peer(request.path.rpartition("/")[2], connection).start()


async def run() -> None:
    listen: Callable[..., AbstractAsyncContextManager[Server]] = partial(
        serve,
        handle,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol("ocpp1.6")],
        compression=None,
        ping_interval=None,
        backlog=4096,
    )
    async with listen() as plain, listen(ssl=make_tls()) as secure:
        say(port_of(plain), port_of(secure))
        await asyncio.Future()


def port_of(server: Server) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


if __name__ == "__main__":
    allow_connections()
    asyncio.run(run(), loop_factory=uvloop.new_event_loop if "uvloop" in sys.argv else None)
