"""A listing that merges several sets neither loses nor repeats a member, however the members are spread."""

import random
from collections.abc import Sequence

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from state.paging import (
    BadCursor,
    Bound,
    Page,
    decode_cursor,
    encode_cursor,
    list_filtered,
    list_members,
    prefix_end,
)
from state.store import Store, StoreConfig, open_store
from tests.support.valkey_server import ValkeyServer


async def fill(store: Store, sets: Sequence[set[bytes]]) -> list[str]:
    keys = [f"set:{number}" for number in range(len(sets))]
    await store.pipeline(
        [("ZADD", key, 0, member) for key, some in zip(keys, sets, strict=True) for member in sorted(some)]
    )
    return keys


async def walk(
    store: Store, keys: Sequence[str], limit: int, prefix: bytes, *, descending: bool
) -> list[bytes]:
    found: list[bytes] = []
    cursor = None
    while True:
        page = await list_members(
            store, keys, limit=limit, cursor=cursor, prefix=prefix, descending=descending
        )
        assert len(page.items) <= limit
        assert len(page.items) == limit or page.next is None
        found.extend(page.items)
        if page.next is None:
            return found
        cursor = page.next


@settings(max_examples=60)
@given(st.data())
def test_all_pages_of_a_listing_together_contain_all_members_in_order(
    valkey: ValkeyServer, data: st.DataObject
) -> None:
    # Hypothesis draws only the sizes, because it prefers small collections. A seeded generator makes the
    # members.
    chance = random.Random(data.draw(st.integers(0, 1 << 32)))
    length = data.draw(st.sampled_from([0, 1, 50, 150, 300]))
    names = {"".join(chance.choices("abé0", k=chance.randint(1, 5))).encode() for _ in range(length)}
    # The sets get uneven shares. Often one set has almost all members.
    spread = data.draw(st.sampled_from([[0], [0, 0, 0, 0, 0, 0, 1, 2], [0, 1, 2, 3, 4]]))
    sets: list[set[bytes]] = [set() for _ in range(data.draw(st.integers(5, 12)))]
    for name in sorted(names):
        sets[chance.choice(spread)].add(name)
    limit = data.draw(st.integers(1, 40))
    prefix = data.draw(st.sampled_from([b"", b"a", "é".encode(), b"zz"]))
    descending = data.draw(st.booleans())
    right = sorted((name for name in names if name.startswith(prefix)), reverse=descending)

    async def run() -> None:
        with trio.fail_after(60):
            async with open_store(StoreConfig(url=valkey.url, connections=1)) as store:
                keys = await fill(store, sets)
                assert await walk(store, keys, limit, prefix, descending=descending) == right

    valkey.flush()
    trio.run(run)


async def test_a_listing_returns_the_other_members_even_if_some_are_added_or_removed_between_two_pages(
    store: Store,
) -> None:
    keys = await fill(store, [{b"a", b"c", b"e"}, {b"b", b"d", b"f"}])
    page = await list_members(store, keys, limit=3)
    assert page.items == (b"a", b"b", b"c")
    await store.execute("ZREM", keys[0], b"c")
    await store.execute("ZADD", keys[0], 0, b"aa")
    await store.execute("ZADD", keys[1], 0, b"dd")
    rest = await list_members(store, keys, limit=9, cursor=page.next)
    assert rest.items == (b"d", b"dd", b"e", b"f")
    assert rest.next is None


async def test_members_that_are_spread_evenly_over_the_partitions_are_listed_in_one_round_trip_to_the_store(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = await fill(store, [{b"%04d" % (number * 64 + own) for number in range(20)} for own in range(64)])
    trips = []
    pipeline = store.pipeline

    async def count_trip(commands: Sequence[Sequence[str | bytes | int]]) -> list[object]:
        trips.append(len(commands))
        return await pipeline(commands)

    monkeypatch.setattr(store, "pipeline", count_trip)
    page = await list_members(store, keys, limit=100)
    assert page.items == tuple(b"%04d" % number for number in range(100))
    assert trips == [64]


@given(st.binary(min_size=1))
def test_a_member_is_the_same_after_it_is_encoded_as_a_cursor_and_decoded(member: bytes) -> None:
    assert decode_cursor(encode_cursor(member)) == member


@pytest.mark.parametrize("cursor", ["", "a", "é", "a b", "YQ==", "YR", "!!!!", "YQ\n"])
def test_a_text_that_is_not_a_cursor_raises_the_error_bad_cursor_when_it_is_decoded(cursor: str) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(cursor)


async def test_a_cursor_of_a_listing_with_another_prefix_is_refused(store: Store) -> None:
    with pytest.raises(BadCursor):
        await list_members(store, ["set:0"], limit=1, cursor=encode_cursor(b"b"), prefix=b"a")


@given(st.text(min_size=1), st.text())
def test_the_upper_bound_of_a_prefix_sorts_after_all_names_with_the_prefix(prefix: str, more: str) -> None:
    name = prefix.encode()
    assert name + more.encode() < prefix_end(name)
    assert not prefix_end(name).startswith(name)


@pytest.mark.parametrize(("limit", "read"), [(1, 600), (250, 600), (600, 600), (900, 900)])
async def test_a_filtered_list_reads_and_loads_few_members_for_a_page_even_if_it_finds_nothing(
    store: Store, limit: int, read: int
) -> None:
    keys = await fill(store, [{b"%05d" % number for number in range(6_000)}])
    picked: list[int] = []
    loaded: list[int] = []

    async def pick(members: Sequence[bytes]) -> Sequence[bytes]:
        await trio.lowlevel.checkpoint()
        picked.append(len(members))
        return members

    async def load(members: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        await trio.lowlevel.checkpoint()
        loaded.append(len(members))
        return []

    page = await list_filtered(store, keys, load, limit=limit, bound=Bound(read=600, loaded=300), pick=pick)
    assert picked == [read]
    assert sum(loaded) == max(limit, 300)
    assert page == Page((), encode_cursor(b"%05d" % (max(limit, 300) - 1)))
    assert max(loaded) == max(limit, 100)


async def test_a_page_that_picks_nothing_goes_on_after_all_members_that_it_read(store: Store) -> None:
    keys = await fill(store, [{b"%05d" % number for number in range(700)}])

    async def pick(_members: Sequence[bytes]) -> Sequence[bytes]:
        await trio.lowlevel.checkpoint()
        return []

    async def load(_members: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        raise AssertionError

    bound = Bound(read=600, loaded=10)
    page = await list_filtered(store, keys, load, limit=5, bound=bound, pick=pick)
    assert page == Page((), encode_cursor(b"00599"))
    page = await list_filtered(store, keys, load, limit=5, cursor=page.next, bound=bound, pick=pick)
    assert page == Page((), None)


@settings(max_examples=60)
@given(st.data())
def test_a_walk_has_each_matching_member_once_and_in_order_although_others_come_and_go_meanwhile(
    valkey: ValkeyServer, data: st.DataObject
) -> None:
    chance = random.Random(data.draw(st.integers(0, 1 << 32)))
    names = [b"%04d" % number for number in range(data.draw(st.sampled_from([1, 40, 700])))]
    # Every name stays, comes or goes, and is picked and loaded with some chance.
    fates = {name: chance.choice(("stays", "stays", "comes", "goes")) for name in names}
    picked = {name for name in names if chance.random() < data.draw(st.sampled_from([0.0, 0.02, 0.5, 1.0]))}
    matching = {name for name in picked if chance.random() < 0.5}
    sets: list[set[bytes]] = [set() for _ in range(4)]
    for name in names:
        sets[chance.choice((0, 0, 0, 1, 2))].add(name)
    limit = data.draw(st.integers(1, 30))
    bound = data.draw(st.sampled_from([None, Bound(read=7, loaded=3), Bound(read=200, loaded=150)]))
    descending = data.draw(st.booleans())

    async def pick(members: Sequence[bytes]) -> list[bytes]:
        await trio.lowlevel.checkpoint()
        return [name for name in members if name in picked]

    async def load(members: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        await trio.lowlevel.checkpoint()
        return [(name, name) for name in members if name in matching]

    async def run() -> None:
        async with open_store(StoreConfig(url=valkey.url, connections=1)) as store:
            keys = await fill(store, [{name for name in some if fates[name] != "comes"} for some in sets])
            moves = [
                ("ZADD", key, 0, name) if fates[name] == "comes" else ("ZREM", key, name)
                for key, some in zip(keys, sets, strict=True)
                for name in sorted(some)
                if fates[name] != "stays"
            ]
            chance.shuffle(moves)
            found: list[bytes] = []
            cursor = None
            while True:
                page = await list_filtered(
                    store,
                    keys,
                    load,
                    limit=limit,
                    cursor=cursor,
                    bound=bound,
                    pick=pick,
                    descending=descending,
                )
                assert len(page.items) <= limit
                found.extend(page.items)
                if page.next is None:
                    break
                cursor = page.next
                await store.pipeline([moves.pop() for _ in range(min(9, len(moves)))])
            assert found == sorted(set(found), reverse=descending)
            assert {name for name in matching if fates[name] == "stays"} <= set(found) <= matching

    async def run_in_time() -> None:
        with trio.fail_after(60):
            await run()

    valkey.flush()
    trio.run(run_in_time)
