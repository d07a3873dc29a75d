"""Charge points that charge again and again, and remember each acknowledged start and stop."""

import random
from collections import defaultdict
from typing import Any, NamedTuple

import trio

from tests.support.charge_point_peer import Peer, charge_point, now
from tests.system.central import Process, Tenant

_RETRY_S = 0.5


class Acknowledged(NamedTuple):
    kind: str
    charge_point: str
    id: int
    at: float


class Fleet:
    """`began` has the ids that each charge point got, in their order. `closed` names ended connections."""

    def __init__(self, tenant: Tenant, gateways: list[Process], *, pause_s: float) -> None:
        self.acknowledged: list[Acknowledged] = []
        self.began: dict[str, list[int]] = defaultdict(list)
        self.closed: list[str] = []
        self.connected = 0
        self._tenant, self._gateways, self._pause_s = tenant, gateways, pause_s

    async def run(self, name: str, number: int) -> None:
        """Charge until cancelled."""
        dice = random.Random(number)
        gateway = self._gateways[number % len(self._gateways)]
        async with charge_point(self._tenant.url(gateway, name)) as peer:
            self.connected += 1
            meter = 0
            while not peer.ended.is_set():
                await trio.sleep(dice.uniform(0, self._pause_s))
                begin = {"connectorId": 1, "idTag": "TAG", "meterStart": meter, "timestamp": now()}
                id_ = (await self._insist(peer, "StartTransaction", begin))["transactionId"]
                self.began[name].append(id_)
                self._note("start", name, id_)
                await trio.sleep(dice.uniform(1, self._pause_s))
                meter += dice.randrange(1, 5000)
                end = {"transactionId": id_, "meterStop": meter, "timestamp": now()}
                await self._insist(peer, "StopTransaction", end)
                self._note("stop", name, id_)
            self.closed.append(name)

    def _note(self, kind: str, name: str, id_: int) -> None:
        self.acknowledged.append(Acknowledged(kind, name, id_, trio.current_time()))

    async def _insist(self, peer: Peer, action: str, payload: dict[str, Any]) -> Any:
        """Repeat a message until it is acknowledged, as a charge point does."""
        while True:
            answer = await peer.exchange(action, payload)
            if answer[0] == 3:
                return answer[2]
            await trio.sleep(_RETRY_S)
