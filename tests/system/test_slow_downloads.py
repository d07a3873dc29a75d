"""Clients that read a long file slowly, or not at all, take little memory and are cut off in the end."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio

from state import transactions
from state.store import StoreConfig, open_store
from tests.support.processes import resident_kib
from tests.support.transactions import ANSWER, a_start, claimed
from tests.support.waiting import GENEROUS_S, until
from tests.system.central import Central, Process, Tenant

pytestmark = pytest.mark.slow

CHARGE_POINTS, TRANSACTIONS, WIDE = 30, 100, 5_000
FILE_MIB = CHARGE_POINTS * TRANSACTIONS * WIDE / 2**20
READERS = 20
PATH = "/transactions?format=jsonl"


async def begin_transactions(central: Central, tenant: Tenant) -> None:
    async with open_store(StoreConfig(url=central.valkey.url)) as store, trio.open_nursery() as nursery:

        async def begin(name: str) -> None:
            lease = await claimed(store, name, tenant=tenant.id)
            for number in range(TRANSACTIONS):
                start = a_start(id_tag="x" * WIDE, meter_start=number)
                await transactions.start(store, lease, start, ANSWER)

        for number in range(CHARGE_POINTS):
            nursery.start_soon(begin, f"CP-{number}")


@asynccontextmanager
async def slow_reader(admin: Process, tenant: Tenant) -> AsyncIterator[trio.SocketStream]:
    """Ask for the file with a small buffer, and read its beginning."""
    client = trio.socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await client.connect(("127.0.0.1", admin.ports["admin"]))
    async with trio.SocketStream(client) as stream:
        head = (
            f"GET /v1/tenants/{tenant.id}{PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tenant.api_key}"
        )
        await stream.send_all(f"{head}\r\n\r\n".encode())
        with trio.fail_after(GENEROUS_S):
            assert (await stream.receive_some(100)).startswith(b"HTTP/1.1 200 ")
        yield stream


async def trickle(stream: trio.SocketStream) -> int:
    """Read a little from time to time until the server cuts the connection. Return how much was read."""
    read = 0
    try:
        while part := await stream.receive_some(1000):
            read += len(part)
            await trio.sleep(0.05)
    except trio.BrokenResourceError:
        return read
    raise AssertionError("the connection ended as if the file were complete")


@asynccontextmanager
async def admin_of(central: Central, **settings: object) -> AsyncIterator[Process]:
    async with central.second_admin(central.valkey.url, limits__downloads=READERS, **settings) as admin:
        yield admin


async def test_twenty_clients_that_read_nothing_take_little_memory_and_hold_up_nobody(
    central: Central,
) -> None:
    tenant = central.tenant()
    await begin_transactions(central, tenant)
    async with admin_of(central) as admin, tenant.api(admin) as api, AsyncExitStack() as open_:
        async with api.stream("GET", PATH) as whole:  # The memory that one download takes is free again then.
            size = sum([len(part) async for part in whole.aiter_bytes()])
        assert size > FILE_MIB * 2**20
        before_kib = resident_kib(admin.pid)
        for _ in range(READERS):
            await open_.enter_async_context(slow_reader(admin, tenant))
        refused = await api.get(PATH)
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:csms:problem:too-many-downloads")
        for _ in range(50):
            assert (await api.get("/transactions?limit=1")).status_code == 200
        grown_mib = (resident_kib(admin.pid) - before_kib) / 1024
        assert grown_mib < READERS * FILE_MIB / 3, (
            f"{grown_mib:.0f} MiB for {READERS} files of {FILE_MIB:.0f}"
        )


async def test_a_client_that_reads_a_little_from_time_to_time_is_cut_off(central: Central) -> None:
    tenant = central.tenant()
    await begin_transactions(central, tenant)
    async with (
        admin_of(central, limits__unread_s=1, limits__unacknowledged_s=3600) as admin,
        slow_reader(admin, tenant) as stream,
    ):
        with trio.fail_after(GENEROUS_S):
            assert await trickle(stream) < FILE_MIB * 2**20
        await _is_free(admin)


async def test_a_client_that_reads_nothing_is_cut_off(central: Central) -> None:
    tenant = central.tenant()
    await begin_transactions(central, tenant)
    async with (
        admin_of(central, limits__unread_s=3600, limits__unacknowledged_s=1) as admin,
        slow_reader(admin, tenant),
    ):
        await _is_free(admin)


async def _is_free(admin: Process) -> None:
    """Wait until no download runs."""

    async def free() -> bool:
        return (await admin.read_metrics())["csms_admin_downloads",] == 0

    with trio.fail_after(GENEROUS_S):
        await until(free)
