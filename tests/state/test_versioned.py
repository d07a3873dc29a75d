"""A change decided in Python is made only if the record is unchanged; otherwise it is decided again."""

import pytest
import redis
import trio

from state import versioned
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.store import Store
from state.versioned import Change, Fields
from tests.support.leases import events

KEYS = ChargePointKeys("acme", "CP-1")


async def change(store: Store, put: dict[str, bytes], *gone: str, kinds: tuple[str, ...] = ()) -> None:
    wanted = Change(put, gone, [(kind, b'{"x":1}') for kind in kinds])
    await versioned.change(store, KEYS, KEYS.jobs, lambda _: wanted)


async def test_a_change_of_a_versioned_record_sets_and_deletes_fields_and_emits_events(store: Store) -> None:
    await change(store, {"a": b"1", "b": b"\xff\n"}, kinds=("first", "second"))
    await change(store, {"c": b"3"}, "a", "never there")
    assert await versioned.read(store, KEYS.jobs) == {"b": b"\xff\n", "c": b"3"}
    assert await events(store) == [("first", {"x": 1}), ("second", {"x": 1})]


async def test_nothing_is_written_if_the_function_that_decides_on_the_change_returns_no_change(
    store: Store,
) -> None:
    seen: list[Fields] = []
    # `append` returns None, which means no change.
    await versioned.change(store, KEYS, KEYS.jobs, seen.append)
    assert seen == [{}]
    assert await store.execute("EXISTS", KEYS.jobs) == 0


async def test_concurrent_changes_of_one_versioned_record_are_all_stored(store: Store) -> None:
    def count(fields: Fields) -> Change:
        return Change({"n": b"%d" % (int(fields.get("n", 0)) + 1)})

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(versioned.change, store, KEYS, KEYS.jobs, count)
    assert await versioned.read(store, KEYS.jobs) == {"n": b"10"}


@pytest.mark.parametrize("others", [1, 19, 20])
async def test_a_change_is_tried_up_to_20_times_if_other_writers_change_the_record(
    store: Store, redis_url: str, others: int
) -> None:
    """`others` says how often somebody else changes the record between our read and our write."""
    seen: list[Fields] = []
    with redis.Redis.from_url(redis_url) as another:

        def decide(fields: Fields) -> Change:
            seen.append(fields)
            if len(seen) <= others:
                another.hset(KEYS.jobs, mapping={"other": len(seen), "version": 1000 + len(seen)})
            return Change({"ours": b"1"})

        if others < 20:
            await versioned.change(store, KEYS, KEYS.jobs, decide)
            assert seen[-1] == {"other": b"%d" % others}
            assert (await versioned.read(store, KEYS.jobs))["ours"] == b"1"
        else:
            with pytest.raises(StoreUnavailable):
                await versioned.change(store, KEYS, KEYS.jobs, decide)
            assert "ours" not in await versioned.read(store, KEYS.jobs)
    assert len(seen) == min(others + 1, 20)
