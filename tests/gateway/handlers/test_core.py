"""The holds of drivers: a driver with one slot charges where he can, and no slot leaks."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from gateway.handlers import core as handlers
from gateway.handlers.charge_point import ChargePoint, SessionMemory
from gateway.ocpp16.messages import core
from state import keys, transactions
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants import id_tags
from state.tenants.id_tags import IdTag
from state.transactions import failed_starts
from tests.support.leases import KEYS, claimed

OTHER = ChargePointKeys(KEYS.tenant, "CP-2")


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


async def connected(store: Store, of: ChargePointKeys = KEYS, session: str = "node/1") -> ChargePoint:
    await id_tags.put(store, KEYS.tenant, IdTag(tag="ONE", max_active_transactions=1))
    lease = (await claimed(store, session, of)).lease
    return ChargePoint(store, lease, SessionMemory(heartbeat_interval_s=300, registration="Accepted"))


async def start(
    charge_point: ChargePoint, *, connector: int = 1, meter: int = 1, at: str | None = None, tag: str = "ONE"
) -> str:
    """Start a transaction, and return the status of the id tag in the answer."""
    request = core.StartTransaction(
        connector_id=connector, id_tag=tag, meter_start=meter, timestamp=at or ago(0)
    )
    answer = await handlers.start_transaction(request, charge_point)
    await do_later_work(charge_point)
    return answer.id_tag_info.status


async def do_later_work(charge_point: ChargePoint) -> None:
    """Do the work that the session does beside the answer."""
    later, charge_point.later = charge_point.later, ()
    for work in later:
        await work()


async def report(charge_point: ChargePoint, at: str | None, *, connector: int = 1) -> None:
    status = core.StatusNotification(
        connector_id=connector, error_code="NoError", status="Available", timestamp=at
    )
    await handlers.status_notification(status, charge_point)
    await do_later_work(charge_point)


async def slots(store: Store, tag: str = "one") -> int:
    taken: int = await store.execute("ZCARD", keys.holds(KEYS.tenant, tag))
    return taken


async def test_a_driver_with_one_slot_is_accepted_at_the_connector_whose_stop_was_lost(store: Store) -> None:
    charge_point, other = await connected(store), await connected(store, OTHER)
    for meter in range(3):
        assert await start(charge_point, meter=meter) == "Accepted"
        assert await slots(store) == 1
    assert await start(other) == "ConcurrentTx"
    assert await start(charge_point, connector=2) == "ConcurrentTx"
    assert await slots(store) == 1


async def test_a_start_of_another_driver_at_the_connector_does_not_give_that_driver_a_second_slot(
    store: Store,
) -> None:
    charge_point, other = await connected(store), await connected(store, OTHER)
    await id_tags.put(store, KEYS.tenant, IdTag(tag="TWO", max_active_transactions=1))
    assert await start(other, tag="TWO") == "Accepted"
    assert await start(charge_point) == "Accepted"
    assert await start(charge_point, tag="TWO", meter=2) == "ConcurrentTx"
    assert (await slots(store), await slots(store, "two")) == (0, 1)


async def test_the_slot_of_a_superseded_transaction_is_free_after_the_start_is_repeated(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release failed, so the start got no answer, and the charge point repeats it."""
    await id_tags.put(store, KEYS.tenant, IdTag(tag="TWO", max_active_transactions=2))
    charge_point, at = await connected(store), ago(0)
    assert await start(charge_point, tag="TWO") == "Accepted"
    request = core.StartTransaction(connector_id=1, id_tag="ONE", meter_start=2, timestamp=at)

    async def fail(*_: object) -> None:
        while await store.execute("HLEN", KEYS.starts) < 2:  # The start is stored first.
            pass
        raise StoreUnavailable("the store did not answer")

    with monkeypatch.context() as away:
        away.setattr(transactions, "release_hold", fail)
        with pytest.raises(StoreUnavailable):
            await handlers.start_transaction(request, charge_point)
    assert await slots(store, "two") == 1
    assert await start(charge_point, tag="ONE", meter=2, at=at) == "Accepted"
    assert (await slots(store, "two"), await slots(store)) == (0, 1)
    assert charge_point.faults == ["repeated_start"]


@pytest.mark.parametrize("at", [None, 0, "1970-01-01T00:00:09Z", "2001-01-01T00:00:00Z", "", "noon"])
@pytest.mark.parametrize("again", [False, True], ids=["same session", "next session"])
async def test_a_connector_that_becomes_available_frees_the_slot_of_the_driver(
    store: Store, at: str | float | None, *, again: bool
) -> None:
    """A status without a readable time, or from a clock that was not set, counts as one of now."""
    charge_point = await connected(store)
    assert await start(charge_point, at=ago(5)) == "Accepted"
    if again:
        charge_point = await connected(store, session="node/2")
    await report(charge_point, ago(at) if isinstance(at, int | float) else at)
    assert await slots(store) == 0
    assert await start(await connected(store, OTHER)) == "Accepted"


@pytest.mark.parametrize("again", [False, True], ids=["same session", "next session"])
async def test_a_status_that_is_older_than_the_start_does_not_free_the_slot_of_the_driver(
    store: Store, *, again: bool
) -> None:
    charge_point = await connected(store)
    assert await start(charge_point, at=ago(5)) == "Accepted"
    if again:
        charge_point = await connected(store, session="node/2")
    await report(charge_point, ago(10))
    assert await slots(store) == 1
    assert await start(await connected(store, OTHER)) == "ConcurrentTx"


async def test_a_status_is_compared_with_the_transaction_of_its_own_connector(store: Store) -> None:
    await id_tags.put(store, KEYS.tenant, IdTag(tag="TWO", max_active_transactions=1))
    charge_point = await connected(store)
    await start(charge_point, connector=1, tag="ONE", at=ago(30))
    await start(charge_point, connector=2, tag="TWO", at=ago(10))
    await report(charge_point, ago(20), connector=1)
    await report(charge_point, ago(20), connector=2)
    assert (await slots(store), await slots(store, "two")) == (0, 1)


async def test_a_start_from_a_clock_that_is_ahead_does_not_keep_the_slot_of_the_driver(store: Store) -> None:
    charge_point = await connected(store)
    await start(charge_point, at=ago(-7200))
    await report(charge_point, ago(-1))
    assert await slots(store) == 0


async def test_the_stop_may_follow_after_the_connector_became_available(store: Store) -> None:
    charge_point, other = await connected(store), await connected(store, OTHER)
    request = core.StartTransaction(connector_id=1, id_tag="ONE", meter_start=1, timestamp=ago(5))
    started = await handlers.start_transaction(request, charge_point)
    await report(charge_point, None)
    assert await start(other) == "Accepted"
    stop = core.StopTransaction(transaction_id=started.transaction_id, meter_stop=9, timestamp=ago(0))
    charge_point = msgspec.structs.replace(charge_point, payload=b"{}")
    await handlers.stop_transaction(stop, charge_point)
    await do_later_work(charge_point)
    assert await slots(store) == 1  # The slot of the transaction that runs at the other charge point.


async def test_only_a_start_that_is_not_accepted_counts_as_a_failed_start_and_counts_once(
    store: Store,
) -> None:
    charge_point, at = await connected(store), ago(0)
    assert await start(charge_point) == "Accepted"
    assert await failed_starts.count(store, KEYS.tenant, 0) == 0
    for _ in range(2):  # The second start is a repeat of the first.
        assert await start(charge_point, connector=2, tag="NOBODY", at=at) == "Invalid"
    assert await failed_starts.count(store, KEYS.tenant, 0) == 1
    assert await start(charge_point, connector=3, meter=2) == "ConcurrentTx"
    assert await failed_starts.count(store, KEYS.tenant, 0) == 2
