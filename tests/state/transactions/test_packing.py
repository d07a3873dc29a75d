"""Packing of finished transactions, and what charge points still send afterwards."""

from collections.abc import Sequence

import pytest
import trio

from state import keys
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store
from state.transactions import Stopped, StopReplayed, blocks, meter_values, packing, start, stop
from state.transactions.ending import End, end
from state.transactions.listing import get
from state.transactions.stored_values import digest, text_of
from tests.support.full_store import full
from tests.support.transactions import (
    ANSWER,
    Sent,
    a_start,
    a_stop,
    begin,
    charging,
    claimed,
    events,
    fill,
    read_values,
    send,
)

KEYS = ChargePointKeys("demo", "CP.1")
QUEUE = keys.unpacked(KEYS.partition)
FAR_MS = 2**50
END = End(ended_ms=2, time_source="given", meter=1, meter_source="given", received_ms=2, api_key="key")
DATA = b'[{"timestamp":"2026-01-01T01:00:00Z","sampledValue":[{"value":"9"}]}]'


async def begin_next(store: Store, lease: Lease) -> int:
    return (await start(store, lease, a_start(timestamp="2026-01-02T00:00:00Z"), ANSWER)).id


async def finish(store: Store, lease: Lease, id_: int, data: bytes | None = None) -> None:
    assert isinstance(await stop(store, lease, a_stop(id_, data=data), ANSWER), Stopped)


async def pack(store: Store) -> int:
    return await packing.pack_due(store, KEYS.partition, FAR_MS, 1000)


async def read(store: Store, id_: int, limit: int = 1000) -> list[Sent]:
    return [(one.received_ms, one.payload) for one in await read_values(store, id_, limit=limit)]


async def count_unpacked(store: Store, id_: int) -> int:
    count: int = await store.execute("HLEN", KEYS.values(id_))
    return count


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 700])
async def test_all_messages_of_a_stopped_transaction_are_packed_and_read_as_before(
    store: Store, count: int
) -> None:
    lease, messages = await claimed(store), charging(count)
    id_ = await begin(store, lease)
    await fill(store, lease, id_, messages)
    await finish(store, lease, id_, DATA)
    before = await read_values(store, id_)
    assert [one.payload for one in before] == [*(payload for _, payload in messages), DATA]
    assert await pack(store) == 1
    assert await count_unpacked(store, id_) == 0
    assert await read_values(store, id_) == before
    assert await store.execute("HLEN", KEYS.packed(id_)) == 1 + 2 * (-(-count // blocks.MESSAGES) + 1)
    assert await pack(store) == 0


async def test_packing_a_transaction_makes_it_small(store: Store) -> None:
    lease = await claimed(store)
    id_ = await begin(store, lease)
    await fill(store, lease, id_, charging(120))
    await finish(store, lease, id_)

    async def bytes_of(key: str) -> int:
        return int(await store.execute("MEMORY", "USAGE", key, "SAMPLES", 0, key=key) or 0)

    assert await bytes_of(KEYS.values(id_)) > 14_000
    await pack(store)
    assert await bytes_of(KEYS.values(id_)) == 0
    assert await bytes_of(KEYS.packed(id_)) < 2_600


async def test_an_open_transaction_is_not_packed(store: Store) -> None:
    lease = await claimed(store)
    id_ = await begin(store, lease)
    await send(store, lease, id_, charging(3))
    assert await pack(store) == 0
    assert await count_unpacked(store, id_) == 3


async def test_a_transaction_is_packed_only_some_time_after_its_stop(store: Store) -> None:
    lease = await claimed(store)
    id_ = await begin(store, lease)
    await finish(store, lease, id_)
    stopped_ms = int(await store.execute("ZSCORE", QUEUE, KEYS.queued(id_)))
    assert abs(stopped_ms - store.server_time_ms()) < 60_000
    assert await packing.pack_due(store, KEYS.partition, stopped_ms, 10) == 0
    assert await packing.pack_due(store, KEYS.partition, stopped_ms + 1, 10) == 1


async def test_a_transaction_that_an_operator_ended_is_packed_and_so_are_the_values_that_still_come(
    store: Store,
) -> None:
    lease = await claimed(store)
    id_ = await begin(store, lease)
    await send(store, lease, id_, charging(3))
    found = await get(store, "demo", f"CP.1.{id_}")
    assert found is not None
    assert await end(store, "demo", found, END, force=True) == "ended"
    assert await pack(store) == 1
    assert await send(store, lease, id_, charging(5)) == ["repeated"] * 3 + ["kept"] * 2
    await finish(store, lease, id_, DATA)
    assert await pack(store) == 1
    assert await count_unpacked(store, id_) == 0
    assert [payload for _, payload in await read(store, id_)] == [
        *(payload for _, payload in charging(5)),
        DATA,
    ]


async def test_nothing_is_packed_while_older_programs_may_read_the_store(store: Store) -> None:
    lease = await claimed(store)
    id_ = await begin(store, lease)
    await finish(store, lease, id_)
    store.packs = False
    assert await pack(store) == 0
    store.packs = True
    assert await pack(store) == 1


async def test_a_history_that_is_sent_again_after_packing_is_recognised_in_a_store_of_300_messages(
    store: Store,
) -> None:
    lease, messages = await claimed(store), charging(300)
    id_ = await begin(store, lease)
    await fill(store, lease, id_, messages)
    await finish(store, lease, id_, DATA)
    await pack(store)
    before, seen = await read(store, id_), len(await events(store, lease))
    later = [(at_ms + 86_400_000, payload) for at_ms, payload in messages]
    assert await send(store, lease, id_, later) == ["repeated"] * 300
    assert isinstance(await stop(store, lease, a_stop(id_, data=DATA), ANSWER), StopReplayed)
    assert await read(store, id_) == before
    assert len(await events(store, lease)) == seen
    assert await store.execute("ZCARD", QUEUE) == 0


async def test_late_values_are_kept_beside_the_blocks_and_packed_with_them_later(store: Store) -> None:
    lease, messages = await claimed(store), charging(130)
    id_ = await begin(store, lease)
    await fill(store, lease, id_, messages[:100])
    await finish(store, lease, id_, DATA)
    await pack(store)
    for count in (101, 102, 103):
        assert await send(store, lease, id_, messages[:count][-1:]) == ["kept"]
        assert await count_unpacked(store, id_) == 1
        assert [payload for _, payload in (await read(store, id_))] == [
            *(payload for _, payload in messages[:count]),
            DATA,
        ]
        assert await send(store, lease, id_, messages[:count][-1:]) == ["repeated"]
        assert await pack(store) == 1
        assert await count_unpacked(store, id_) == 0
        assert await send(store, lease, id_, messages[:count]) == ["repeated"] * count
    assert len(await read(store, id_)) == 104
    assert await store.execute("HLEN", KEYS.packed(id_)) == 1 + 2 * 2
    assert await store.execute("ZCARD", keys.unarchived(KEYS.partition)) == 1


async def test_a_repeated_stop_with_other_data_adds_its_data_once(store: Store) -> None:
    lease, other = await claimed(store), DATA.replace(b'"9"', b'"10"')
    id_ = await begin(store, lease)
    await send(store, lease, id_, charging(2))
    await finish(store, lease, id_)
    await pack(store)
    for data in (DATA, other, DATA, other):
        assert isinstance(await stop(store, lease, a_stop(id_, data=data), ANSWER), StopReplayed)
        await pack(store)
        assert await count_unpacked(store, id_) == 0
    found = await read_values(store, id_)
    assert [one.of_stop for one in found] == [False, False, True, True]
    assert {one.payload for one in found[2:]} == {DATA, other}


async def test_pages_of_any_size_have_each_message_once_in_the_order_of_arrival(store: Store) -> None:
    lease, messages = await claimed(store), charging(600)
    id_ = await begin(store, lease)
    await fill(store, lease, id_, messages[300:550])
    await finish(store, lease, id_, DATA)
    await pack(store)
    # Messages that were received before others may be stored after them.
    await send(store, lease, id_, [*messages[:20], *messages[550:560]])
    await pack(store)
    await fill(store, lease, id_, [*messages[20:40], *messages[560:]])
    right = [*messages[:40], *messages[300:]]
    for limit in (7, 100, 256, 1000):
        found = await read(store, id_, limit)
        assert found[:-1] == right
        assert found[-1][1] == DATA


async def test_messages_of_the_same_millisecond_are_on_exactly_one_page(store: Store) -> None:
    lease = await claimed(store)
    id_ = await begin(store, lease)
    same = [(5_000 + n // 50, b'[{"n":%d}]' % n) for n in range(300)]
    await fill(store, lease, id_, same[::2])
    await finish(store, lease, id_)
    await pack(store)
    await fill(store, lease, id_, same[1::2])
    for limit in (1, 9, 50, 1000):
        assert sorted(await read(store, id_, limit)) == sorted(same)


async def test_a_page_ends_early_if_its_messages_are_long(store: Store) -> None:
    lease = await claimed(store)
    id_ = await begin(store, lease)
    long = [(n, b'[{"n":"%0500000d"}]' % n) for n in range(1, 10)]
    await fill(store, lease, id_, long)
    await finish(store, lease, id_)
    for _ in range(2):
        page = await meter_values.read_page(store, "demo", "CP.1", id_)
        assert 1 < len(page.items) < 9
        assert page.next
        assert await read(store, id_) == long
        await pack(store)


async def test_a_page_that_is_read_while_messages_are_packed_lacks_no_message(store: Store) -> None:
    lease, messages = await claimed(store), charging(400)
    id_ = await begin(store, lease)
    await fill(store, lease, id_, messages[:300])
    await finish(store, lease, id_)
    wrong = []
    async with trio.open_nursery() as nursery:

        async def look() -> None:
            while True:
                found = await read(store, id_, 170)
                if [one for one in messages[:300] if one not in found] or len(set(found)) < len(found):
                    wrong.append(found)

        nursery.start_soon(look)
        nursery.start_soon(look)
        for first in range(300, 400, 5):
            await pack(store)
            await send(store, lease, id_, messages[first : first + 5])
        nursery.cancel_scope.cancel()
    assert not wrong
    assert await read(store, id_) == messages


async def test_two_processes_that_pack_at_once_lose_and_double_nothing(store: Store) -> None:
    lease, messages = await claimed(store), charging(600)
    id_ = await begin(store, lease)
    await fill(store, lease, id_, messages[:500])
    await finish(store, lease, id_)

    async def pack_often() -> None:
        for _ in range(20):
            await pack(store)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(pack_often)
        for message in messages[500:]:
            assert await send(store, lease, id_, [message]) == ["kept"]
    await pack(store)
    assert await read(store, id_) == messages
    assert await send(store, lease, id_, messages) == ["repeated"] * 600


async def test_a_step_that_comes_after_another_process_packed_the_same_messages_changes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, messages = await claimed(store), charging(40)
    id_ = await begin(store, lease)
    await fill(store, lease, id_, messages[:20])
    await finish(store, lease, id_)
    step = store.step
    behind: list[str] = []

    async def late(name: str, keys_: Sequence[str], args: Sequence[object]) -> list[bytes]:
        if name == "transactions/pack" and not behind:
            behind.append(name)
            await pack(store)
            # A second message arrives, so that the number of messages is that of before.
            await send(store, lease, id_, messages[20:])
            assert await step(name, keys_, args) == [b"changed"]  # type: ignore[arg-type]
            return [b"changed"]
        return await step(name, keys_, args)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "step", late)
    await pack(store)
    await pack(store)
    assert behind
    assert await read(store, id_) == messages


async def test_a_step_whose_messages_were_replaced_by_a_rolled_back_store_changes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, messages = await claimed(store), charging(21)
    id_ = await begin(store, lease)
    await fill(store, lease, id_, messages[:20])
    await finish(store, lease, id_)
    step = store.step

    async def rolled_back(name: str, keys_: Sequence[str], args: Sequence[object]) -> list[bytes]:
        await store.execute("DEL", KEYS.values(id_))
        await fill(store, lease, id_, messages[1:])
        return await step(name, keys_, args)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "step", rolled_back)
    await pack(store)
    assert await read(store, id_) == messages[1:]
    monkeypatch.undo()
    await pack(store)
    assert await read(store, id_) == messages[1:]


async def test_a_digest_that_is_part_of_two_other_digests_is_not_found(store: Store) -> None:
    lease, [message] = await claimed(store), charging(1)
    id_ = await begin(store, lease)
    await finish(store, lease, id_)
    await pack(store)
    mark = digest(text_of(1, None, message[1]))
    await store.execute("HSET", KEYS.packed(id_), "d0", b"1234" + mark + b"5678")
    assert await send(store, lease, id_, [message]) == ["kept"]
    other = await begin_next(store, lease)
    await store.execute("HSET", KEYS.packed(other), "i", b"", "d0", b"1234" + mark + b"5678" + mark)
    assert await send(store, lease, other, [message]) == ["repeated"]


async def test_a_process_that_dies_before_or_after_any_step_of_packing_loses_and_doubles_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, messages = await claimed(store), charging(700)
    id_ = await begin(store, lease)
    await fill(store, lease, id_, messages)
    await finish(store, lease, id_, DATA)
    right = await read(store, id_)
    step, deaths = store.step, iter([True, False] * 10)

    async def dying(name: str, keys_: Sequence[str], args: Sequence[object]) -> list[bytes]:
        if next(deaths):
            raise StoreUnavailable("killed before the step")
        await step(name, keys_, args)  # type: ignore[arg-type]
        raise StoreUnavailable("killed after the step")

    monkeypatch.setattr(store, "step", dying)
    for _ in range(20):
        try:
            await pack(store)
        except StoreUnavailable:
            assert await read(store, id_) == right
    assert await count_unpacked(store, id_) == 0
    assert await store.execute("ZCARD", QUEUE) == 0


async def test_packing_works_on_a_full_store_and_frees_memory(store: Store) -> None:
    lease, messages = await claimed(store), charging(600)
    id_ = await begin(store, lease)
    await fill(store, lease, id_, messages)
    await finish(store, lease, id_, DATA)
    right = await read(store, id_)
    async with full(store):
        assert await pack(store) == 1
    assert await count_unpacked(store, id_) == 0
    assert await read(store, id_) == right


async def test_the_queue_forgets_a_transaction_that_is_gone(store: Store) -> None:
    await store.execute("ZADD", QUEUE, 1, KEYS.queued(7))
    assert await pack(store) == 1
    assert await store.execute("EXISTS", KEYS.packed(7), QUEUE) == 0


async def test_messages_that_cannot_be_read_do_not_hold_up_other_transactions(store: Store) -> None:
    lease = await claimed(store)
    bad = await begin(store, lease)
    await store.execute("HSET", KEYS.values(bad), b"\x02damaged", 1)
    await finish(store, lease, bad)
    good = await begin_next(store, lease)
    await send(store, lease, good, charging(2))
    await finish(store, lease, good)
    assert await pack(store) == 2
    assert await count_unpacked(store, good) == 0
    assert await count_unpacked(store, bad) == 1
    assert await packing.pack_due(store, KEYS.partition, store.server_time_ms(), 10) == 0
