"""What the charge point does in a case. The functions have the names that the step lists of the cases use."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import trio
from websockets import Subprotocol
from websockets.trio.client import ClientConnection, connect

from tests.conformance.station import Json, Station, Violation

CONNECTORS = 2
BOOT = {
    "chargePointVendor": "OCTT",
    "chargePointModel": "Virtual",
    "firmwareVersion": "1.0",
}

type Registration = Literal["Accepted", "Pending", "Rejected"]


def text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now(**offset: float) -> str:
    """Return the present time plus `offset`. For example, `now(minutes=-5)` is five minutes ago."""
    return text(datetime.now(UTC) + timedelta(**offset))


class ChargePoint(Station):
    def __init__(self, websocket: ClientConnection, serial: str) -> None:
        super().__init__(websocket)
        self.itself = BOOT | {"chargePointSerialNumber": serial}

    async def boot(self, status: Registration = "Accepted") -> Json:
        found = await self.call("BootNotification", self.itself)
        if found["status"] != status:
            raise Violation(f"BootNotification was answered {found['status']}, not {status}")
        if found["interval"] <= 0:
            raise Violation(f"the answer to BootNotification has the interval {found['interval']}")
        self.check_time(found["currentTime"])
        return found

    async def status(self, connector: int, status: str, error: str = "NoError") -> None:
        payload = {"connectorId": connector, "errorCode": error, "status": status, "timestamp": now()}
        await self.call("StatusNotification", payload)

    async def available(self) -> None:
        for connector in range(CONNECTORS + 1):
            await self.status(connector, "Available")

    async def cold_boot(self) -> None:
        """Bring the charge point into Booted, a reusable state of the test case document."""
        await self.boot()
        await self.available()

    async def report(self, action: str, *statuses: str, **more: Any) -> None:
        """Send the statuses of a job one after the other."""
        for status in statuses:
            if (answer := await self.call(action, {"status": status, **more})) != {}:
                raise Violation(f"{action} was answered {answer}")

    async def authorize(self, tag: str, status: str = "Accepted") -> Json:
        """Authorise, and return the idTagInfo."""
        found: Json = (await self.call("Authorize", {"idTag": tag}))["idTagInfo"]
        if found["status"] != status:
            raise Violation(f"Authorize was answered {found['status']}, not {status}")
        return found

    async def start(
        self,
        tag: str,
        status: str = "Accepted",
        *,
        connector: int = 1,
        meter: int = 1000,
        timestamp: str | None = None,
        reservation: int | None = None,
    ) -> Json:
        """Start a transaction and return the whole answer."""
        payload = {
            "connectorId": connector,
            "idTag": tag,
            "meterStart": meter,
            "timestamp": timestamp or now(),
        }
        if reservation is not None:
            payload["reservationId"] = reservation
        found = await self.call("StartTransaction", payload)
        if found["idTagInfo"]["status"] != status:
            raise Violation(f"StartTransaction was answered {found['idTagInfo']['status']}, not {status}")
        if not 0 < found["transactionId"] < 2**31:
            raise Violation(f"the transactionId is {found['transactionId']}")
        return found

    async def stop(
        self,
        transaction: int,
        reason: str,
        *,
        tag: str | None = None,
        meter: int = 5000,
        timestamp: str | None = None,
    ) -> Json:
        payload = {
            "transactionId": transaction,
            "meterStop": meter,
            "timestamp": timestamp or now(),
            "reason": reason,
        }
        return await self.call("StopTransaction", payload | ({"idTag": tag} if tag else {}))

    async def charge(
        self, tag: str, *, connector: int = 1, meter: int = 1000, reservation: int | None = None
    ) -> int:
        """Bring the charge point into Charging, a reusable state of the document, and return the
        transactionId.
        """
        await self.authorize(tag)
        await self.status(connector, "Preparing")
        started = await self.start(tag, connector=connector, meter=meter, reservation=reservation)
        await self.status(connector, "Charging")
        found: int = started["transactionId"]
        return found

    async def end(self, transaction: int, reason: str, *, tag: str | None = None, connector: int = 1) -> None:
        """Stop the transaction, and report that the cable is unplugged."""
        await self.stop(transaction, reason, tag=tag)
        await self.status(connector, "Finishing")
        await self.status(connector, "Available")

    @staticmethod
    def check_time(told: str) -> None:
        """Check the time of the central system, by which the charge point sets its clock."""
        away = abs(datetime.fromisoformat(told) - datetime.now(UTC))
        if away > timedelta(seconds=30):
            raise Violation(f"currentTime is {told}, which is wrong by {away}")


@asynccontextmanager
async def connected(
    url: str,
    tls: ssl.SSLContext | None,
    *,
    serial: str,
    subprotocols: tuple[str, ...] = ("ocpp1.6",),
    headers: dict[str, str] | None = None,
) -> AsyncIterator[ChargePoint]:
    """Keep a charge point connected until the block ends. At the end of the block, no message may be pending.

    Raises the exception InvalidStatus of `websockets` if the connection is refused. Raises Violation if the
    central system does something that the case does not allow.
    """
    failure: Exception | None = None
    async with (
        connect(
            url,
            ssl=tls,
            host="127.0.0.1",
            subprotocols=[Subprotocol(each) for each in subprotocols],
            additional_headers=headers,
            proxy=None,
        ) as websocket,
        trio.open_nursery() as nursery,
    ):
        charge_point = ChargePoint(websocket, serial)
        nursery.start_soon(charge_point.read)
        try:
            yield charge_point
            await charge_point.quiet()
        except Exception as error:  # noqa: BLE001  raised below, outside of all groups
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
