"""Gateways and the store are killed at random moments. Afterwards the acknowledgements that the charge points
got are compared with the admin API. The check uses no knowledge of the implementation.
"""

import os
import random
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from gateway.websocket.client import UpgradeRefused
from gateway.websocket.close_codes import ConnectionClosed
from tests.support.charge_point_peer import Peer, charge_point, now
from tests.support.csms_up import Running, csms_up
from tests.support.waiting import until
from tests.system import process_tree

FLEET = 30
RUN_S = 60.0
QUIET_S = 60.0
ANSWER_S = 8.0
RECONNECT_S = (0.1, 0.5)
KILL_S = (1.0, 5.0)


@pytest.fixture
def up() -> Iterator[Running]:
    directory = Path(tempfile.mkdtemp(prefix="csms-history-"))
    try:
        with csms_up(directory / "data", "--drain-seconds", "1", "--workers", "2") as found:
            yield found
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class Charging:
    """A charge point that charges again and again, and repeats each message until it is acknowledged.

    `starts` maps the meter value of each acknowledged start to its transaction id. `stops` maps the
    transaction id of each acknowledged stop to its meter value.
    """

    def __init__(self, url: str, id_: str, seed: int) -> None:
        self.id = id_
        self.starts: dict[int, int] = {}
        self.stops: dict[int, int] = {}
        self.refused: Counter[str] = Counter()
        self.connections = 0
        self._url = url
        self._random = random.Random(seed)
        self._meter = 0
        self._sent = False  # A message is repeated until it is acknowledged.
        self._message: tuple[str, dict[str, Any]] = self._start()

    async def run(self, end: trio.Event) -> None:
        """Charge until `end`, and then to the end of the current transaction."""
        while not (end.is_set() and self.idle):
            with suppress(UpgradeRefused, ConnectionClosed, AssertionError, OSError, trio.TooSlowError):
                async with charge_point(self._url) as peer:
                    self.connections += 1
                    await self._use(peer, end)
            await trio.sleep(self._random.uniform(*RECONNECT_S))

    @property
    def idle(self) -> bool:
        return self._message[0] == "StartTransaction" and not self._sent

    async def _use(self, peer: Peer, end: trio.Event) -> None:
        while not (end.is_set() and self.idle):
            action, payload = self._message
            self._sent = True
            with trio.fail_after(ANSWER_S):
                answer = await peer.exchange(action, payload)
            if answer[0] == 3:
                self._acknowledged(action, payload, answer[2])
            else:
                self.refused[answer[2]] += 1
                await trio.sleep(0.1)

    def _acknowledged(self, action: str, payload: dict[str, Any], answer: dict[str, Any]) -> None:
        if action == "StopTransaction":
            self.stops[payload["transactionId"]] = payload["meterStop"]
            self._message, self._sent = self._start(), False
            return
        number = answer["transactionId"]
        assert self.starts.setdefault(payload["meterStart"], number) == number
        # Now and then the charge point acts as if it had not received the answer.
        if self._random.random() > 0.1:
            stop = {"transactionId": number, "meterStop": payload["meterStart"] + 7, "timestamp": now()}
            self._message = "StopTransaction", stop

    def _start(self) -> tuple[str, dict[str, Any]]:
        self._meter += 100
        payload = {"connectorId": 1, "idTag": "DEMO", "meterStart": self._meter, "timestamp": now()}
        return "StartTransaction", payload


async def kill_at_random(up: Running, seed: int, end: trio.Event) -> Counter[str]:
    """Kill one gateway or the store every few seconds."""
    chance, killed = random.Random(seed), Counter[str]()
    over = trio.current_time() + RUN_S
    while trio.current_time() < over:
        await trio.sleep(chance.uniform(*KILL_S))
        victim = chance.choice(["valkey-server", " gateway "])
        found = [pid for pid, line in process_tree.children(up.pid).items() if victim in line]
        if found:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(found), signal.SIGKILL)
                killed[victim.strip()] += 1
    end.set()
    return killed


@pytest.mark.slow
async def test_each_acknowledged_message_is_stored_exactly_once(up: Running) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201  pytest shows it when the test fails
    url = up.url("", scheme="ws").replace("localhost", "127.0.0.1")
    fleet = [Charging(f"{url}h{n}", f"h{n}", seed + n) for n in range(FLEET)]
    end = trio.Event()
    with trio.fail_after(RUN_S + QUIET_S + 60):
        async with trio.open_nursery() as nursery:
            for one in fleet:
                nursery.start_soon(one.run, end)
            killed = await kill_at_random(up, seed, end)
            await until(lambda: all(one.idle for one in fleet), QUIET_S, every_s=0.1)
        acknowledged = sum(len(one.starts) + len(one.stops) for one in fleet)
        refused = sum((one.refused for one in fleet), Counter[str]())
        print(f"{acknowledged} acknowledged, {dict(refused)} refused, {dict(killed)} killed")  # noqa: T201
        assert killed["valkey-server"]
        assert killed["gateway"]
        assert acknowledged > 10 * FLEET
        for one in fleet:
            assert await stored(up, one.id) == {
                number: (meter, one.stops[number]) for meter, number in one.starts.items()
            }


async def stored(up: Running, charge_point: str) -> dict[int, tuple[int, int | None]]:
    """Return the meter values of each transaction by its id. Fails if a start was stored twice."""
    found: dict[int, tuple[int, int | None]] = {}
    headers = {"Authorization": f"Bearer {up.api_key}"}
    base = f"{up.admin}/v1/tenants/{up.tenant}"
    query = {"charge_point": charge_point, "limit": "200"}
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=30) as api:
        while True:
            page = (await api.get("/transactions", params=query)).raise_for_status().json()
            for item in page["items"]:
                assert item["ocpp_transaction_id"] not in found
                found[item["ocpp_transaction_id"]] = (item["meter_start"], item["meter_stop"])
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
    meters = [meter for meter, _ in found.values()]
    assert len(set(meters)) == len(meters), f"{charge_point}: a start is stored twice"
    return found
