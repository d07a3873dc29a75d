"""Helpers for the tests of batches."""

from typing import Any

import msgspec

from state.batches import batches, items, working
from state.batches.batches import Batch, Began, NewBatch, NotBegun
from state.keys import BatchKeys
from state.store import Store

TENANT = "acme {1}"
EVENT = msgspec.json.encode({"batch": "b", "action": "Reset", "charge_points": 1, "api_key": "k"})
ENDED = msgspec.json.encode(
    {
        **msgspec.json.decode(EVENT),
        **dict.fromkeys((*items.OUTCOMES, "to_do"), 0),
    }
)
CANCELLED = msgspec.json.encode({**msgspec.json.decode(ENDED), "cancelled_by": "k"})


def new(id_: str, **changes: Any) -> NewBatch:
    given: dict[str, Any] = {
        "id": id_,
        "body": "digest",
        "action": "Reset",
        "payload": b'{"type":"Soft"}',
        "sealed": None,
        "filter": b"{}",
        "per_second": 0.5,
        "timeout_s": 30.0,
        "when": "now",
        "online_s": 60.0,
        "by": "key-1",
    }
    return NewBatch(**(given | changes))


async def try_to_begin(
    store: Store, id_: str, charge_points: int = 2, tenant: str = TENANT, **changes: Any
) -> Began | NotBegun:
    ids = [f"CP-{number:06}" for number in range(charge_points)]
    return await batches.create(store, tenant, new(id_, **changes), ids, EVENT)


async def begin(store: Store, id_: str, charge_points: int = 2, tenant: str = TENANT) -> Batch:
    began = await try_to_begin(store, id_, charge_points, tenant)
    assert isinstance(began, Began)
    return began.batch


async def end(store: Store, id_: str, tenant: str = TENANT) -> None:
    claimed = await working.claim(store, tenant, id_, "runner")
    assert claimed is not None
    phase: Any = claimed.batch.phase
    event = ENDED if phase == "running" else CANCELLED
    assert await working.finish(store, claimed.batch, "runner", phase, event) in {"finished", "cancelled"}


async def read(store: Store, id_: str) -> Batch:
    found = await batches.get(store, TENANT, id_)
    assert found is not None
    return found


async def read_kinds(store: Store, id_: str) -> list[bytes]:
    entries = await store.execute("XRANGE", BatchKeys(TENANT, id_).events, "-", "+")
    return [dict(zip(fields[::2], fields[1::2], strict=True))[b"kind"] for _, fields in entries]
