"""An independent charge point: the `ocpp` package over `websockets`."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import websockets
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import Action, RemoteStartStopStatus

from tests.support.csms_up import Running


class Hidden(str):
    """A text with a secret, which a failing test shows with the arguments of its functions."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<hidden>"


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class Independent(ChargePoint):  # type: ignore[misc]  # the package has no types
    """A charge point that records the calls of the central system and accepts them."""

    def __init__(self, id_: str, connection: Any) -> None:
        super().__init__(id_, connection)
        self.remote_stop: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @on(Action.remote_stop_transaction)
    def on_remote_stop(self, transaction_id: int) -> Any:
        self.remote_stop.set_result(transaction_id)
        return call_result.RemoteStopTransaction(status=RemoteStartStopStatus.accepted)

    async def boot(self) -> Any:
        return await self.call(call.BootNotification(charge_point_model="Other", charge_point_vendor="Else"))

    async def start_transaction(
        self,
        *,
        id_tag: str = "DEMO",
        timestamp: str | None = None,
        meter_start: int = 1000,
        connector: int = 1,
    ) -> Any:
        return await self.call(
            call.StartTransaction(
                connector_id=connector, id_tag=id_tag, meter_start=meter_start, timestamp=timestamp or now()
            )
        )


def charge_point[Kind: Independent](
    running: Running, id_: str, kind: type[Kind], password: bytes | None = None
) -> AbstractAsyncContextManager[Kind]:
    """Connect over wss with the development CA and SNI, until the block ends."""
    headers = {} if password is None else {"Authorization": basic(id_, password)}
    return connect(Hidden(running.url(id_)), running.ca_file, kind, headers)


def basic(id_: str, password: bytes) -> str:
    return f"Basic {base64.b64encode(id_.encode() + b':' + password).decode()}"


@asynccontextmanager
async def connect[Kind: Independent](
    url: Hidden, ca_file: str, kind: type[Kind], headers: Mapping[str, str] | None = None
) -> AsyncIterator[Kind]:
    tls = ssl.create_default_context(cafile=ca_file)
    async with websockets.connect(
        url, subprotocols=[websockets.Subprotocol("ocpp1.6")], ssl=tls, additional_headers=headers
    ) as connection:
        assert connection.subprotocol == "ocpp1.6"
        found = kind(url.rpartition("/")[2], connection)
        reading = asyncio.create_task(found.start())
        try:
            yield found
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError, websockets.ConnectionClosed):
                await reading
