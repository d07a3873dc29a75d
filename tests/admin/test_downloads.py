"""Only so many clients download at once, whichever files they are, and each leaves its place when it ends."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from admin.config import AdminLimits
from admin.downloads import Downloads
from state import transactions
from state.store import Store
from state.tenants import tenants
from tests.admin.api import TENANT, Api, serving
from tests.admin.problem import is_problem
from tests.support.transactions import ANSWER, a_start, claimed
from tests.support.waiting import until

OF_TENANT = f"/v1/tenants/{TENANT}"
TRANSACTIONS, WIDE = 300, 40_000
"""The file has more bytes than the buffers of a connection on this machine."""
FILES = [
    "/transactions?format=csv",
    "/transactions?format=jsonl&by=receipt",
    "/transactions/completed?format=jsonl",
    "/events?follow=false",
    "/charge-points/CP/trace/frames?format=text",
]


@pytest.fixture
async def api(store: Store) -> AsyncIterator[Api]:
    """One client may download at once."""
    await tenants.put(store, TENANT, name="", auto_register=False)
    async with serving(store, AdminLimits(downloads=1)) as served:
        for path in ("", "/trace"):
            made = await served.client.put(f"{OF_TENANT}/charge-points/CP{path}", json={})
            assert made.is_success, made.text
        lease = await claimed(store, "CP", tenant=TENANT)
        for number in range(TRANSACTIONS):
            start = a_start(id_tag="x" * WIDE, meter_start=number)
            await transactions.start(store, lease, start, ANSWER)
        yield served


@asynccontextmanager
async def downloading(api: Api) -> AsyncIterator[None]:
    """Begin to read a long file, and read no further until the block ends."""
    key = api.client.headers["Authorization"]
    path = f"{OF_TENANT}/transactions?format=jsonl"
    async with await trio.open_tcp_stream("127.0.0.1", api.port) as stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n".encode())
        received = b""
        with trio.fail_after(60):
            while b'{"id":' not in received:
                received += await stream.receive_some(4096)
        yield


async def test_one_download_too_many_is_answered_503_until_another_ends(api: Api) -> None:
    async with downloading(api):
        assert api.services.downloads.running == 1
        for path in FILES:
            response = await api.client.get(OF_TENANT + path)
            is_problem(response, 503, "too-many-downloads")
            assert response.headers["Retry-After"]
        for path in ("/transactions?limit=1", "/transactions/completed", "/charge-points/CP/trace/frames"):
            assert (await api.client.get(OF_TENANT + path)).status_code == 200

    async def is_over() -> bool:
        return api.services.downloads.running == 0

    await until(is_over)
    for path in FILES:
        response = await api.client.get(OF_TENANT + path)
        assert response.status_code == 200
    await until(is_over)


async def test_a_request_whose_first_part_fails_leaves_its_place(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr("state.transactions.listing.list_", fail)
        response = await api.client.get(f"{OF_TENANT}/transactions?format=csv")
        is_problem(response, 500, "internal-error")
    assert api.services.downloads.running == 0


async def test_a_place_is_taken_before_the_first_part_and_left_if_nobody_ever_reads_it() -> None:
    async def parts() -> AsyncGenerator[bytes]:
        yield b"part"

    downloads = Downloads(1)
    place = downloads.take()
    assert place is not None
    body = place.counted(parts())
    assert downloads.take() is None
    del place, body
    assert downloads.running == 0
    again = downloads.take()
    assert again is not None
    assert [part async for part in again.counted(parts())] == [b"part"]
    assert downloads.running == 0
    again.leave()
    assert downloads.running == 0
