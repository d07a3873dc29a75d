"""Charge points that charge again and again.

They connect again when they are cut off, and repeat each message that was not answered. They share no code
with csms: the client is that of the package websockets. What was answered is compared with what the admin API
shows.
"""

import itertools
import json
import random
import ssl
from collections import Counter
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import Any

import httpx
import trio
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.trio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.k8s.rolling_update import records
from tests.k8s.rolling_update.load import Change, Target
from tests.k8s.rolling_update.records import Fact

ID_TAG = "CARD"
VALUES = 8
"""MeterValues of a transaction."""
PAUSE_S = (0.2, 1.5)
"""Shortest and longest pause between two messages of a charge point."""
RECONNECT_S = (0.1, 1.0)
ANSWER_S = 60.0
CONNECT_PER_S = 50

type Url = Callable[[str], str]
"""Makes the URL of a charge point from its id."""
type Script = Generator[tuple[str, dict[str, Any]], dict[str, Any]]


class ChargePoint:
    """`facts` were answered. `closed` has the close code of each connection that csms ended."""

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.facts: list[Fact] = []
        self.resent = 0
        self.refused = 0
        self.errors: list[str] = []
        self.closed: list[int] = []
        self.longest_away_s = 0.0
        self.leaving = False
        self._readings = itertools.count(1000)
        self._ids = itertools.count(1)
        self._sent = 0
        """How often the current message was sent."""

    async def live(self, url: Url, tls: ssl.SSLContext) -> None:
        """Charge until `leaving` is set and the current transaction is over."""
        script = self._script()
        message: tuple[str, dict[str, Any]] | None = next(script)
        away_since: float | None = None
        while message is not None:
            try:
                async with connect(
                    url(self.id),
                    ssl=tls,
                    server_hostname="localhost",
                    subprotocols=[Subprotocol("ocpp1.6")],
                    compression=None,
                ) as connection:
                    if away_since is not None:
                        self.longest_away_s = max(self.longest_away_s, trio.current_time() - away_since)
                    try:
                        await self._charge(connection, script, message)
                        message = None
                    except _Cut as cut:
                        message = cut.message
                        away_since = trio.current_time()
                        self.closed.append(connection.close_code or 1006)
            except (OSError, WebSocketException, trio.BrokenResourceError) as error:
                self.errors.append(repr(error))
            await trio.sleep(random.uniform(*RECONNECT_S))

    async def _charge(
        self, connection: ClientConnection, script: Script, message: tuple[str, dict[str, Any]]
    ) -> None:
        """Send messages until the script ends. Raises _Cut with the message that was not answered."""
        while True:
            try:
                await self._pause(connection)
                answer = await self._call(connection, *message)
            except ConnectionClosed:
                raise _Cut(message) from None
            if answer is None:
                self.refused += 1
                continue
            try:
                message = script.send(answer)
            except StopIteration:
                return
            self._sent = 0

    async def _pause(self, connection: ClientConnection) -> None:
        """Wait, and answer meanwhile. Raises ConnectionClosed."""
        with trio.move_on_after(random.uniform(*PAUSE_S)):
            while True:
                await self._receive(connection)

    async def _call(
        self, connection: ClientConnection, action: str, payload: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Return the answer, or None if csms could not handle the message. Raises ConnectionClosed."""
        id_ = str(next(self._ids))
        await connection.send(json.dumps([2, id_, action, payload]))
        self.resent += self._sent > 0
        self._sent += 1
        with trio.fail_after(ANSWER_S):
            while (answer := await self._receive(connection)) is None or answer[1] != id_:
                pass
        if answer[0] == 3:
            found: dict[str, Any] = answer[2]
            return found
        assert answer[2] == "InternalError", answer
        return None

    async def _receive(self, connection: ClientConnection) -> list[Any] | None:
        """Return an answer, or answer a call of csms and return None. Raises ConnectionClosed."""
        message: list[Any] = json.loads(await connection.recv())
        if message[0] != 2:
            return message
        await connection.send(json.dumps([3, message[1], {"status": "Rejected"}]))
        return None

    def _script(self) -> Script:
        """Yield the messages of a charge point one by one, and get the answer to each."""
        yield "BootNotification", {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
        while not self.leaving:
            reading = next(self._readings)
            answer = yield (
                "StartTransaction",
                {"connectorId": 1, "idTag": ID_TAG, "meterStart": reading, "timestamp": _now()},
            )
            id_ = answer["transactionId"]
            self.facts.append(Fact(self.id, "StartTransaction", id_, reading))
            for _ in range(VALUES):
                reading = next(self._readings)
                sample = {"timestamp": _now(), "sampledValue": [{"value": str(reading)}]}
                yield "MeterValues", {"connectorId": 1, "transactionId": id_, "meterValue": [sample]}
                self.facts.append(Fact(self.id, "MeterValues", id_, reading))
            reading = next(self._readings)
            yield "StopTransaction", {"transactionId": id_, "meterStop": reading, "timestamp": _now()}
            self.facts.append(Fact(self.id, "StopTransaction", id_, reading))


class _Cut(Exception):  # noqa: N818  it says what happened
    def __init__(self, message: tuple[str, dict[str, Any]]) -> None:
        super().__init__(message[0])
        self.message = message


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Fleet:
    """A load of such charge points."""

    def __init__(self, charge_points: int, around_s: float) -> None:
        """`around_s` is the time of charging before and after the change."""
        self.charge_points = [ChargePoint(f"BAY-{number}") for number in range(charge_points)]
        self._around_s = around_s

    async def run(self, target: Target, change: Change) -> None:
        tls = ssl.create_default_context(cafile=str(target.ca_file))
        async with target.tenant.api() as api:
            (await api.put(f"/id-tags/{ID_TAG}", json={})).raise_for_status()
        path = f"wss://127.0.0.1:{target.port}/OCPP16/{target.tenant.id}/{target.tenant.token}"
        async with trio.open_nursery() as charging:
            for charge_point in self.charge_points:
                charging.start_soon(charge_point.live, lambda id_: f"{path}/{id_}", tls)
                await trio.sleep(1 / CONNECT_PER_S)
            await trio.sleep(self._around_s)
            await change()
            await trio.sleep(self._around_s)
            for charge_point in self.charge_points:
                charge_point.leaving = True

    async def find_problems(self, api: httpx.AsyncClient) -> list[str]:
        answered = Counter(fact for charge_point in self.charge_points for fact in charge_point.facts)
        stored = await records.read(api)
        return [
            *(f"{fact} was answered and is not stored" for fact in answered - stored),
            *(f"{fact} is stored too often" for fact in stored - answered),
            *(
                f"{charge_point.id} could not connect: {error}"
                for charge_point in self.charge_points
                for error in charge_point.errors
            ),
        ]

    def describe(self) -> dict[str, object]:
        fleet = self.charge_points
        codes = Counter(code for charge_point in fleet for code in charge_point.closed)
        kinds = Counter(fact.kind for charge_point in fleet for fact in charge_point.facts)
        return {
            "connections closed, by close code": dict(codes),
            "greatest time without a connection": f"{max(each.longest_away_s for each in fleet):.2f} s",
            **{f"{kind} answered": number for kind, number in kinds.items()},
            "messages sent again": sum(each.resent for each in fleet),
        }
