"""Helpers for the tests of the work on a batch."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import trio

from admin.batches.task import Batches
from state.batches import batches
from state.batches.batches import Batch, Began, NewBatch
from state.store import Store
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import FakeSession, accepts, connected
from tests.support.waiting import until

EVENT = msgspec.json.encode({"batch": "b", "action": "Reset", "charge_points": 1, "api_key": "k"})


@asynccontextmanager
async def working(api: Api) -> AsyncIterator[trio.CancelScope]:
    """Work on batches, as an admin process does, until the scope is cancelled."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Batches(api.services).run)
        yield nursery.cancel_scope
        nursery.cancel_scope.cancel()


async def begin(store: Store, ids: list[str], **changes: Any) -> Batch:
    given: dict[str, Any] = {
        "id": "one",
        "body": "digest",
        "action": "Reset",
        "payload": b'{"type":"Soft"}',
        "sealed": None,
        "filter": b"{}",
        "per_second": 100.0,
        "timeout_s": 60.0,
        "when": "now",
        "online_s": 60.0,
        "by": "key-1",
    }
    began = await batches.create(store, TENANT, NewBatch(**(given | changes)), ids, EVENT)
    assert isinstance(began, Began)
    return began.batch


async def read(store: Store) -> Batch:
    found = await batches.get(store, TENANT, "one")
    assert found is not None
    return found


async def until_ended(store: Store) -> Batch:
    async def has_ended() -> bool:
        return (await read(store)).ended_ms is not None

    await until(has_ended, every_s=0.1)
    return await read(store)


async def connect_all(
    stack: AsyncExitStack, store: Store, ids: list[str], answering: Any = accepts
) -> list[FakeSession]:
    return [await stack.enter_async_context(connected(store, TENANT, id_, answering)) for id_ in ids]


async def read_outcomes(store: Store) -> list[tuple[str, str]]:
    page = await batches.list_items(store, await read(store), limit=1_000)
    return [(item.outcome, item.detail) for item in page.items]


async def expire_lease(store: Store) -> None:
    keys = (await read(store)).keys
    await store.execute("HSET", keys.record, "until_ms", store.server_time_ms() - 1_000)
