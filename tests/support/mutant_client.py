"""A charge point that blocks. It uses `websockets` and shares no code with csms."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from websockets import Subprotocol
from websockets.sync.client import ClientConnection, connect

from tests.support.waiting import GENEROUS_S


class Station:
    def __init__(self, id_: str, connection: ClientConnection) -> None:
        self.id = id_
        self.connection = connection
        self._calls = 0

    def send(self, action: str, payload: dict[str, Any]) -> str:
        """Send a call and return its message id."""
        self._calls += 1
        id_ = f"{self.id}-{self._calls}"
        self.connection.send(json.dumps([2, id_, action, payload]))
        return id_

    def receive(self, within_s: float = GENEROUS_S) -> list[Any]:
        """Return the next message. Raises TimeoutError."""
        message: list[Any] = json.loads(self.connection.recv(within_s))
        return message

    def call(self, action: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
        id_ = self.send(action, payload or {})
        message = self.receive()
        assert message[:2] == [3, id_], message
        result: dict[str, Any] = message[2]
        return result

    def boot(self) -> None:
        booted = self.call("BootNotification", {"chargePointVendor": "Else", "chargePointModel": "Other"})
        assert booted["status"] == "Accepted"

    def start(self, at: str, meter: int = 0) -> int:
        payload = {"connectorId": 1, "idTag": "TAG", "meterStart": meter, "timestamp": at}
        return int(self.call("StartTransaction", payload)["transactionId"])

    def values(self, transaction: int, *times: str) -> None:
        for at in times:
            value = {"timestamp": at, "sampledValue": [{"value": "1"}]}
            payload = {"connectorId": 1, "transactionId": transaction, "meterValue": [value]}
            assert self.call("MeterValues", payload) == {}

    def stop(self, transaction: int, at: str, meter: int = 500) -> None:
        payload = {"transactionId": transaction, "meterStop": meter, "timestamp": at}
        self.call("StopTransaction", payload)

    def charge(self, day: int, values: Sequence[int] = ()) -> int:
        """Play a transaction from 00:00 to 01:00 of a day in January, with values at these minutes."""
        transaction = self.start(time_of(day, 0), meter=day)
        self.values(transaction, *(time_of(day, minute) for minute in values))
        self.stop(transaction, time_of(day, 60))
        return transaction


def time_of(day: int, minute: int) -> str:
    return f"2026-01-{day:02}T{minute // 60:02}:{minute % 60:02}:00.000Z"


@contextmanager
def station(url: str, id_: str) -> Iterator[Station]:
    """Connect and boot until the block ends. `url` has `{id}`."""
    with connect(
        url.replace("{id}", id_),
        subprotocols=[Subprotocol("ocpp1.6")],
        compression=None,
        open_timeout=GENEROUS_S,
        close_timeout=GENEROUS_S,
    ) as connection:
        found = Station(id_, connection)
        found.boot()
        yield found
