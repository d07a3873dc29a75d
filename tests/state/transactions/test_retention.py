import pytest

from state.store import Store
from state.transactions import Orphaned, Started, fingerprint, get, meter_values, retention, start, stop
from tests.state.charging import ANSWER, a_start, a_stop, claimed

STOPPED_MS = a_stop(1).received_ms


async def keys_left(store: Store) -> set[str]:
    return {key.decode().split(":")[1] for key in await store.execute("KEYS", "{*")}


async def test_nothing_expires_by_itself(store: Store) -> None:
    lease = await claimed(store)
    outcome = await start(store, lease, a_start(), ANSWER)
    assert isinstance(outcome, Started)
    await stop(store, lease, a_stop(outcome.id, data=b"[]"), ANSWER)
    await stop(store, lease, a_stop(-1, data=b"[]"), ANSWER)
    for key in await store.execute("KEYS", "*"):
        if b":events:" not in key:
            assert await store.execute("PTTL", key) == -1


async def test_a_finished_transaction_is_forgotten_whole(store: Store) -> None:
    lease = await claimed(store)
    outcome = await start(store, lease, a_start(), ANSWER)
    assert isinstance(outcome, Started)
    public_id = f"CP.1.{outcome.id}"
    await meter_values.append(
        store, lease, connector_id=1, transaction_id=str(outcome.id), payload=b"[]", received_ms=1
    )
    assert not await retention.forget(store, "demo", public_id, finished_before_ms=STOPPED_MS + 1)
    await stop(store, lease, a_stop(outcome.id), ANSWER)
    assert not await retention.forget(store, "demo", public_id, finished_before_ms=STOPPED_MS)
    assert await get(store, "demo", public_id) is not None
    assert await retention.forget(store, "demo", public_id, finished_before_ms=STOPPED_MS + 1)
    assert await keys_left(store) == {"lease", "events", "charge-point"}
    assert not await retention.forget(store, "demo", public_id, finished_before_ms=STOPPED_MS + 1)
    # What comes late is kept as unknown; the id is not given again.
    assert isinstance(await stop(store, lease, a_stop(outcome.id), ANSWER), Orphaned)
    again = await start(store, lease, a_start(), ANSWER)
    assert isinstance(again, Started)
    assert again.id > outcome.id


async def test_the_fingerprint_of_a_later_start_outlives_the_first(store: Store) -> None:
    lease, stuck = await claimed(store), a_start(plausible=False)
    first = await start(store, lease, stuck, ANSWER)
    assert isinstance(first, Started)
    await stop(store, lease, a_stop(first.id), ANSWER)
    second = await start(store, lease, stuck, ANSWER)
    assert isinstance(second, Started)
    assert await retention.forget(store, "demo", f"CP.1.{first.id}", finished_before_ms=STOPPED_MS + 1)
    mark = await store.execute("HGET", lease.keys.starts, fingerprint(stuck))
    assert mark == str(second.id).encode()


async def test_what_is_no_transactions_id_is_an_error(store: Store) -> None:
    with pytest.raises(ValueError, match="no transaction"):
        await retention.forget(store, "demo", "CP", finished_before_ms=0)
