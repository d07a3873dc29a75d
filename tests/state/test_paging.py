"""A listing that merges several sets neither loses nor repeats a member, however the members are spread."""

import random
from collections.abc import Sequence

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from state.paging import BadCursor, decode_cursor, encode_cursor, list_filtered, list_members, prefix_end
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


@pytest.mark.parametrize(("limit", "pages"), [(1, 5), (100, 5), (300, 3), (600, 1), (1_000, 1)])
async def test_a_filtered_list_reads_few_members_for_a_page_even_if_it_finds_nothing(
    store: Store, limit: int, pages: int
) -> None:
    keys = await fill(store, [{b"%05d" % number for number in range(6_000)}])
    read: list[int] = []

    async def load(members: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        await trio.lowlevel.checkpoint()
        read.append(len(members))
        return []

    page = await list_filtered(store, keys, load, limit=limit)
    assert read == pages * [limit]
    assert page.items == ()
    assert page.next == encode_cursor(b"%05d" % (pages * limit - 1))
