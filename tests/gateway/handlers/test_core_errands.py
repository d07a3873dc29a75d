"""Handlers that sessions run as errands wait only for the store, on each path that the store can bring about.

The fixture of this directory runs them as errands, and one that waits for something else fails.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import trio

from gateway.handlers import core as handlers
from gateway.handlers.charge_point import ChargePoint, SessionMemory
from gateway.ocpp16.messages import core
from gateway.ocpp16.messages.types import MeterValue, SampledValue
from state.errors import LeaseLost, StoreUnavailable, Superseded
from state.store import Store, StoreConfig, open_store
from state.tenants import id_tags
from state.tenants.id_tags import IdTag
from state.transactions import packing
from tests.support.leases import KEYS, claimed
from tests.support.valkey_server import ValkeyServer

type Call = Callable[[ChargePoint], Awaitable[Any]]
FAR_MS = 2**50
TAGS = ("ONE", "OLD", "NOBODY")


def ago(seconds: float = 0) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def values(transaction_id: int | None = None, connector_id: int = 1, value: str = "1") -> Call:
    message = MeterValue(timestamp=ago(), sampled_value=(SampledValue(value=value),))
    request = core.MeterValues(
        connector_id=connector_id, transaction_id=transaction_id, meter_value=(message,)
    )
    payload = msgspec.json.encode(request)
    return lambda charge_point: handlers.meter_values(
        request, msgspec.structs.replace(charge_point, payload=payload)
    )


def status(word: core.ChargePointStatus = "Available", connector_id: int = 1, at: str | None = None) -> Call:
    request = core.StatusNotification(
        connector_id=connector_id, error_code="NoError", status=word, timestamp=at
    )
    return lambda charge_point: handlers.status_notification(request, charge_point)


def start(tag: str = "ONE", meter: int = 1, at: str | None = None, connector_id: int = 1) -> Call:
    request = core.StartTransaction(
        connector_id=connector_id, id_tag=tag, meter_start=meter, timestamp=at or ago()
    )
    return lambda charge_point: handlers.start_transaction(request, charge_point)


def stop(transaction_id: int, tag: str | None = None, meter: int = 9) -> Call:
    request = core.StopTransaction(
        transaction_id=transaction_id, meter_stop=meter, timestamp=ago(), id_tag=tag
    )
    return lambda charge_point: handlers.stop_transaction(request, charge_point)


def authorize(tag: str) -> Call:
    return lambda charge_point: handlers.authorize(core.Authorize(id_tag=tag), charge_point)


async def seated(store: Store, holder: str = "node/1") -> ChargePoint:
    await id_tags.put(store, KEYS.tenant, IdTag(tag="ONE", max_active_transactions=1, parent_id_tag="P"))
    await id_tags.put(store, KEYS.tenant, IdTag(tag="OLD", expiry_date="2020-01-01T00:00:00Z"))
    lease = (await claimed(store, holder)).lease
    return ChargePoint(store, lease, SessionMemory(heartbeat_interval_s=300, registration="Accepted"))


async def play(charge_point: ChargePoint) -> None:
    """Play one charge with all its faults and repetitions."""
    for tag in TAGS:
        await authorize(tag)(charge_point)
    for tag in TAGS:
        at = ago()
        one = await start(tag, at=at)(charge_point)
        again = await start(tag, at=at)(charge_point)
        assert again.transaction_id == one.transaction_id
        for number in range(3):
            await values(one.transaction_id, value=str(number))(charge_point)
        await values(one.transaction_id, value="2")(charge_point)
        await status("Charging")(charge_point)
        await status()(charge_point)
        await status(at=ago(3_600))(charge_point)
        await start(tag, meter=5)(charge_point)  # The one before has no stop yet.
        await start("ONE", connector_id=2)(charge_point)
        for _ in range(2):
            await stop(one.transaction_id, tag)(charge_point)
        await values(one.transaction_id, value="late")(charge_point)
    await start(at="1970-01-01T00:00:00Z")(charge_point)
    await start(at=ago(7_200), meter=7)(charge_point)
    for unknown in (values(4), values(), values(None, 300), stop(4), stop(4, "OLD"), stop(-1, "NOBODY")):
        await unknown(charge_point)


async def test_calls_of_a_whole_charge_wait_only_for_the_store(store: Store) -> None:
    await play(await seated(store))


async def test_calls_wait_only_for_the_store_while_it_does_not_know_the_steps(store: Store) -> None:
    charge_point = await seated(store)
    id_ = (await start()(charge_point)).transaction_id
    calls = (
        *(authorize(tag) for tag in TAGS),
        *(values(id_), values(), values(4), status(), status("Charging"), start(), stop(id_, "ONE"), stop(4)),
    )
    for call in calls:
        await store.execute("SCRIPT", "FLUSH")
        await call(charge_point)


async def test_calls_for_a_packed_transaction_wait_only_for_the_store(store: Store) -> None:
    charge_point = await seated(store)
    id_ = (await start()(charge_point)).transaction_id
    for number in range(3):
        await values(id_, value=str(number))(charge_point)
    await stop(id_, "ONE")(charge_point)
    assert await packing.pack_due(store, KEYS.partition, FAR_MS, 1_000) == 1
    for again in (values(id_), values(id_, value="late"), stop(id_, "ONE")):
        await again(charge_point)


@pytest.mark.parametrize("way", ["lost", "newer"])
async def test_calls_of_a_session_without_its_lease_wait_only_for_the_store(store: Store, way: str) -> None:
    charge_point = await seated(store)
    if way == "lost":
        await store.execute("DEL", KEYS.lease)
    else:
        await claimed(store, "node/2")
    facts = (values(), values(4), start(), stop(4, "ONE"), authorize("ONE"))
    for fact in facts:
        await fact(charge_point)
    assert charge_point.fence == way
    with pytest.raises(LeaseLost if way == "lost" else Superseded):
        await status()(charge_point)


@pytest.mark.parametrize(
    "call",
    [values(4), values(), status(), start(), stop(4, "ONE"), stop(4), authorize("ONE")],
    ids=["values", "strays", "status", "start", "stop with a tag", "stop", "authorize"],
)
async def test_a_call_fails_without_any_other_wait_while_the_store_is_away(
    private_valkey: ValkeyServer, call: Call
) -> None:
    with trio.fail_after(60):
        async with open_store(StoreConfig(url=private_valkey.url, timeout_s=0.3)) as store:
            charge_point = await seated(store)
            private_valkey.kill()
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    await call(charge_point)
        with pytest.raises(StoreUnavailable, match="the store is closed"):
            await call(charge_point)
