"""Charge points that charge again and again, repeat refused calls, and record acknowledged messages."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from tests.support.charge_point_peer import Peer, charge_point, now
from tests.support.csms_up import Running

REPEAT_S = 0.2


class Busy:
    """A charge point that records its acknowledged `starts` and `stops`.

    For each call, `answers` has the times of sending and of the answer, by Trio's clock, and whether the call
    succeeded."""

    def __init__(self, id_: str, peer: Peer) -> None:
        self.id = id_
        self.peer = peer
        self.starts: dict[int, int] = {}
        self.stops: set[int] = set()
        self.answers: list[tuple[float, float, bool]] = []
        self._meters = itertools.count(1000, 10)
        self._leave = trio.Event()
        self._left = trio.Event()

    async def run(self) -> None:
        while not self._leave.is_set():
            meter = next(self._meters)
            start = {"connectorId": 1, "idTag": "DEMO", "meterStart": meter, "timestamp": now()}
            number = (await self._insist("StartTransaction", start))["transactionId"]
            self.starts[number] = meter
            sample = {"timestamp": now(), "sampledValue": [{"value": str(meter)}]}
            values = {"connectorId": 1, "transactionId": number, "meterValue": [sample]}
            await self._insist("MeterValues", values)
            await self._insist(
                "StopTransaction", {"transactionId": number, "meterStop": meter + 5, "timestamp": now()}
            )
            self.stops.add(number)
            await trio.sleep(0.01)
        self._left.set()

    async def leave(self) -> None:
        """End this charge point after its current transaction."""
        self._leave.set()
        with trio.fail_after(120):
            await self._left.wait()

    async def _insist(self, action: str, payload: Any) -> Any:
        while True:
            sent = trio.current_time()
            answer = await self.peer.exchange(action, payload)
            self.answers.append((sent, trio.current_time(), answer[0] == 3))
            if answer[0] == 3:
                return answer[2]
            assert answer[2] == "InternalError", answer
            await trio.sleep(REPEAT_S)


@asynccontextmanager
async def busy_fleet(running: Running, prefix: str, size: int) -> AsyncIterator[list[Busy]]:
    """Run the fleet, connected and charging, until the block ends."""
    fleet: list[Busy] = []
    async with trio.open_nursery() as nursery:

        async def live(id_: str, task_status: trio.TaskStatus[None]) -> None:
            async with charge_point(running.url(id_, scheme="ws").replace("localhost", "127.0.0.1")) as peer:
                busy = Busy(id_, peer)
                fleet.append(busy)
                task_status.started()
                await busy.run()
                await trio.sleep_forever()

        for number in range(size):
            await nursery.start(lambda task_status, n=number: live(f"{prefix}-{n}", task_status))
        yield fleet
        nursery.cancel_scope.cancel()
