"""What a transaction may have: the rest is counted."""

from collections.abc import Sequence
from random import Random
from time import monotonic

import pytest

from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store
from state.transactions import Stopped, meter_values, packing, stop
from state.transactions.listing import get
from tests.support.transactions import ANSWER, a_stop, append, begin, charging, claimed, read_values, send

KEYS = ChargePointKeys("demo", "CP.1")
FAR_MS = 2**50
CONNECTION = (
    '{"address":"::1","certificate":null,"node":"n","security_profile":0,"since":"2026-01-01T00:00:00Z",'
    '"tls":null,"token_id":"t"}'
)
DATA = b'[{"timestamp":"2026-01-01T01:00:00Z","sampledValue":[{"value":"9"}]}]'


async def finish(store: Store, lease: Lease, id_: int) -> None:
    assert isinstance(await stop(store, lease, a_stop(id_), ANSWER), Stopped)


async def pack(store: Store) -> int:
    return await packing.pack_due(store, KEYS.partition, FAR_MS, 1000)


async def test_a_transaction_takes_100000_messages_and_counts_the_rest(store: Store) -> None:
    lease = await claimed(store)
    id_ = await begin(store, lease)
    await store.execute("HSET", KEYS.values(id_), *(part for n in range(99_999) for part in (f"{n}", 1)))
    assert await send(store, lease, id_, charging(3)) == ["kept", "dropped", "dropped"]
    await stop(store, lease, a_stop(id_, data=DATA), ANSWER)
    found = await get(store, "demo", f"CP.1.{id_}")
    assert found is not None
    assert found.dropped_meter_values == 3


async def test_the_messages_in_blocks_count_too(store: Store) -> None:
    lease = await claimed(store)
    id_ = await begin(store, lease)
    await finish(store, lease, id_)
    await pack(store)
    await store.execute("HSET", KEYS.packed(id_), "d0", b"\0" * 8 * 60_000, "d1", b"\0" * 8 * 39_999)
    assert await send(store, lease, id_, charging(2)) == ["kept", "dropped"]


async def test_a_transaction_takes_32_mib_of_long_messages_and_short_messages_still(store: Store) -> None:
    lease = await claimed(store)
    id_ = await begin(store, lease)
    [short, *_] = charging(1)
    long = [(n, b'[{"n":"%b"}]' % Random(n).randbytes(400).hex().encode()) for n in (1, 2, 3)]
    assert await send(store, lease, id_, long[:1]) == ["kept"]
    size = int(await store.execute("HGET", KEYS.transaction(id_), "values_bytes"))
    assert size > 256
    await store.execute("HSET", KEYS.transaction(id_), "values_bytes", (32 << 20) - size * 3 // 2)
    assert await send(store, lease, id_, [*long[1:], short, long[0]]) == [
        "kept",
        "dropped",
        "kept",
        "repeated",
    ]


async def test_a_session_checks_what_a_transaction_has_only_now_and_then(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = await claimed(store)
    id_ = await begin(store, lease)
    step, checked = store.step, []

    async def counted(name: str, keys_: Sequence[str], args: Sequence[object]) -> list[bytes]:
        checked.append(name)
        return await step(name, keys_, args)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "step", counted)
    assert await send(store, lease, id_, charging(150)) == ["kept"] * 150
    assert checked == ["transactions/meter_values_append_checked"] * 2
    # Ten minutes without a check are the most, because the stream of events may expire.
    monkeypatch.setattr(meter_values, "monotonic", lambda: monotonic() + meter_values.UNCHECKED_S)
    assert await send(store, lease, id_, charging(152)[150:]) == ["kept"] * 2
    assert checked == ["transactions/meter_values_append_checked"] * 3
    monkeypatch.undo()
    assert len(await read_values(store, id_)) == 152


async def test_values_of_a_transaction_that_was_forgotten_after_its_packing_become_strays(
    store: Store,
) -> None:
    lease = await claimed(store)
    id_ = await begin(store, lease)
    await finish(store, lease, id_)
    await pack(store)
    assert await send(store, lease, id_, charging(1)) == ["kept"]
    await store.execute("UNLINK", *KEYS.of_transaction(id_))
    assert await send(store, lease, id_, charging(2)) == ["stray"] * 2


async def test_a_session_without_its_lease_stores_values_and_hears_what_became_of_the_lease(
    store: Store,
) -> None:
    lease = await claimed(store)
    id_ = await begin(store, lease)
    messages = charging(6)
    assert await send(store, lease, id_, messages[:2]) == ["kept"] * 2
    changes: list[dict[str, str | int]] = [
        {"holder": "", "reaped": lease.holder, "connection": CONNECTION},
        {"holder": "node/2"},
        {"holder": lease.holder, "epoch": 0},
        {"epoch": 1},
    ]
    fences = []
    for change, message in zip(changes, messages[2:], strict=True):
        await store.execute("HSET", KEYS.lease, *(part for pair in change.items() for part in pair))
        appended = await append(store, lease, id_, message)
        assert appended.outcome == "kept"
        fences.append(appended.fence)
    assert fences == ["ok", "newer", "lost", "ok"]
    assert len(await read_values(store, id_)) == 6


async def test_the_events_of_meter_values_alone_keep_their_stream_short(store: Store) -> None:
    lease = await claimed(store)
    id_ = await begin(store, lease)
    assert await send(store, lease, id_, charging(1)) == ["kept"]
    for _ in range(20):
        await store.pipeline([("XADD", KEYS.events, "*", "of", "x", "kind", "x", "data", "x")] * 1000)
    messages = charging(2000)[1:]
    while await store.execute("XLEN", KEYS.events) > 10_200:
        await send(store, lease, id_, [messages.pop()])
