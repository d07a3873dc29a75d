"""Commands with `when=online` reach an independent charge point that connects later, each at most once."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import websockets
from ocpp.routing import on
from ocpp.v16 import call_result
from ocpp.v16.enums import Action

from tests.system.central import Central, Process, Tenant
from tests.system.independent import Independent

type Gateways = tuple[Process, Process]

CP = "late"


class Noting(Independent):
    """A charge point that notes the DataTransfers of the central system in `got`, and accepts them."""

    def __init__(self, connection: Any, got: list[str]) -> None:
        super().__init__(CP, connection)
        self.got = got

    @on(Action.data_transfer)
    def on_data_transfer(self, data: str, **_asked: Any) -> Any:
        self.got.append(data)
        return call_result.DataTransfer(status="Accepted")


@asynccontextmanager
async def connected(tenant: Tenant, gateway: Process, got: list[str]) -> AsyncIterator[Noting]:
    async with websockets.connect(
        tenant.url(gateway, CP), subprotocols=[websockets.Subprotocol("ocpp1.6")]
    ) as connection:
        found = Noting(connection, got)
        reading = asyncio.create_task(found.start())
        try:
            yield found
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError, websockets.ConnectionClosed):
                await reading


async def register(api: httpx.AsyncClient) -> None:
    made = await api.put(f"/charge-points/{CP}", json={})
    assert made.status_code == 201, made.text


async def submit(api: httpx.AsyncClient, data: str) -> str:
    body = {"vendorId": "org.example", "data": data}
    sent = await api.post(f"/charge-points/{CP}/commands/DataTransfer?when=online", json=body)
    assert sent.status_code == 202, sent.text
    assert sent.json()["status"] == "waiting"
    return str(sent.json()["id"])


async def read_statuses(api: httpx.AsyncClient, ids: list[str]) -> list[str]:
    return [(await api.get(f"/commands/{id_}")).json()["status"] for id_ in ids]


async def until_ended(api: httpx.AsyncClient, ids: list[str]) -> list[str]:
    """Wait until no command waits or is on its way, and return the statuses. `run` limits the time."""
    while True:
        found = await read_statuses(api, ids)
        if not {"waiting", "sent"} & set(found):
            return found
        await asyncio.sleep(0.05)


def run(work: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(120):
            await work

    asyncio.run(bounded())


def test_commands_for_an_offline_charge_point_reach_it_in_their_order_after_its_boot(
    central: Central, gateways: Gateways
) -> None:
    tenant, got = central.tenant(), list[str]()

    async def work() -> None:
        async with tenant.api() as api:
            await register(api)
            ids = [await submit(api, str(number)) for number in range(5)]
            cancelled = await api.post(f"/commands/{ids[2]}/cancel")
            assert cancelled.status_code == 200, cancelled.text
            async with connected(tenant, gateways[0], got) as cp:
                assert (await cp.boot()).status == "Accepted"
                expected = ["answered", "answered", "cancelled", "answered", "answered"]
                assert await until_ended(api, ids) == expected
            assert got == ["0", "1", "3", "4"]

    run(work())


def test_a_charge_point_that_connects_again_and_again_gets_each_command_at_most_once(
    central: Central, gateways: Gateways
) -> None:
    """It changes between two gateways, and leaves at different moments."""
    tenant, got = central.tenant(), list[str]()

    async def work() -> None:
        async with tenant.api() as api:
            await register(api)
            ids = [await submit(api, str(number)) for number in range(12)]
            for number in range(16):
                with suppress(websockets.ConnectionClosed):
                    async with connected(tenant, gateways[number % 2], got) as cp:
                        await cp.boot()
                        await asyncio.sleep(number * 0.004)
            async with connected(tenant, gateways[0], got) as cp:
                await cp.boot()
                statuses = await until_ended(api, ids)
            assert len(got) == len(set(got))
            assert set(statuses) <= {"answered", "unknown"}
            assert {str(at) for at, status in enumerate(statuses) if status == "answered"} <= set(got)

    run(work())


def test_a_command_is_not_sent_again_after_its_gateway_was_killed_and_the_next_commands_are_sent(
    central: Central, gateways: Gateways
) -> None:
    tenant, got = central.tenant(), list[str]()
    killed = central.start_gateway(module=("tests.support.killed_gateway",))
    killed.wait_ready()

    async def work() -> None:
        async with tenant.api() as api:
            await register(api)
            ids = [await submit(api, str(number)) for number in range(3)]
            with suppress(websockets.ConnectionClosed):
                async with connected(tenant, killed, got) as cp:
                    await cp.boot()
                    await cp._connection.wait_closed()
            assert await asyncio.to_thread(killed.child.wait, 60) == -9
            assert got == []
            assert await read_statuses(api, ids) == ["sent", "waiting", "waiting"]
            async with connected(tenant, gateways[1], got) as cp:
                await cp.boot()
                assert await until_ended(api, ids) == ["unknown", "answered", "answered"]
            assert got == ["1", "2"]

    try:
        run(work())
    finally:
        killed.stop()
