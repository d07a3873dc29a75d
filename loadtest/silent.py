"""A simulated charge point that boots and sends heartbeats, but never answers a call."""

from typing import Never

import trio

from gateway.ocpp16.messages import core
from gateway.websocket.connection import Connection
from loadtest.caller import Caller
from loadtest.latency import Latencies

HEARTBEAT_S = 10.0


class SilentChargePoint:
    def __init__(self, connection: Connection, latencies: Latencies) -> None:
        self._caller = Caller(connection, latencies, lambda _call: None)

    async def run(self) -> Never:
        """Run until cancelled. Raises CallFailed or ConnectionClosed."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._caller.run)
            await self._caller.call(
                core.BootNotification(charge_point_vendor="csms", charge_point_model="silent")
            )
            while True:
                await trio.sleep(HEARTBEAT_S)
                await self._caller.call(core.Heartbeat())
