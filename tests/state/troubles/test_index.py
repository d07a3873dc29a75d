"""The index lists the charge points in trouble, computed anew, and forgets what has ended."""

import msgspec
import pytest
import trio

from state import keys as key_names
from state.charge_points import faults
from state.charge_points.faults import FaultBatch, Tally
from state.keys import ChargePointKeys
from state.nodes import leases
from state.paging import BadCursor
from state.store import Store
from state.troubles import Figures, examine, index, list_, list_urgent
from state.troubles.kinds import KINDS, Trouble, TroubleKind
from tests.support.leases import claimed

TENANT = "acme"


async def connect(store: Store, *ids: str) -> None:
    for id_ in ids:
        await claimed(store, "a/1", ChargePointKeys(TENANT, id_))


async def make_sloppy(store: Store, *ids: str) -> None:
    for id_ in ids:
        batch = FaultBatch(ChargePointKeys(TENANT, id_), "b", {"extra_property": Tally(1_000, 1)})
        await faults.count(store, [batch])


async def make_offline(store: Store, id_: str, for_ms: int) -> None:
    keys = ChargePointKeys(TENANT, id_)
    assert await leases.release_if_holder(store, keys, "a/1", "closed")
    await store.execute("HSET", keys.lease, "until_ms", store.server_time_ms() - for_ms)


async def examine_all(store: Store) -> int:
    numbers: list[int] = []

    async def rest(number: int) -> bool:
        await trio.lowlevel.checkpoint()
        numbers.append(number)
        return True

    assert await examine(store, TENANT, rest, Figures())
    return sum(numbers)


async def listed(store: Store, kind: TroubleKind | None, **filters: object) -> list[str]:
    """Return the ids of all pages."""
    found: list[str] = []
    cursor = None
    while True:
        page = await list_(store, TENANT, kind, cursor=cursor, **filters)  # type: ignore[arg-type]
        found += [record.id for record, _, _ in page.items]
        cursor = page.next
        if cursor is None:
            return found


async def test_the_charge_points_with_a_trouble_are_listed_by_id_over_all_pages(store: Store) -> None:
    ids = [f"CP-{number:02d}" for number in range(30)]
    await connect(store, *ids, "WELL")
    await make_sloppy(store, *ids)
    assert await listed(store, "sloppy") == []
    assert await examine_all(store) == 31
    for limit in (1, 7, 100):
        assert await listed(store, "sloppy", limit=limit) == ids
        assert await listed(store, None, limit=limit) == ids
    assert await listed(store, "deaf") == []


async def test_the_other_filters_of_the_list_apply_too(store: Store) -> None:
    await connect(store, "A-1", "A-2", "B-1")
    await make_sloppy(store, "A-1", "A-2", "B-1")
    await make_offline(store, "A-2", 600_000)
    await examine_all(store)
    assert await listed(store, "sloppy", prefix="A") == ["A-1", "A-2"]
    assert await listed(store, "sloppy", online=True) == ["A-1", "B-1"]
    assert await listed(store, "offline") == ["A-2"]
    assert await listed(store, None, online=False, prefix="A") == ["A-2"]
    assert await listed(store, "sloppy", boot_status="Accepted") == []


async def test_a_list_shows_all_troubles_of_a_charge_point(store: Store) -> None:
    await connect(store, "A")
    await make_sloppy(store, "A")
    await make_offline(store, "A", 600_000)
    await examine_all(store)
    [(record, holding, troubles)] = (await list_(store, TENANT, "sloppy")).items
    assert (record.id, holding is not None and holding.online) == ("A", False)
    assert [one.kind for one in troubles] == ["offline", "sloppy"]


async def test_a_trouble_that_has_ended_is_not_listed_and_leaves_the_index_at_the_next_examination(
    store: Store,
) -> None:
    await connect(store, "A")
    await make_sloppy(store, "A")
    await examine_all(store)
    await faults.forget(store, TENANT, "A")
    assert await listed(store, "sloppy") == []
    assert await list_urgent(store, TENANT, 20) == []
    key = key_names.troubles(key_names.partition_of(TENANT, "A"), TENANT)
    assert await store.execute("ZCARD", key) == 3
    await examine_all(store)
    assert await store.execute("ZCARD", key) == 0


async def test_the_most_urgent_kind_comes_first_and_of_one_kind_the_latest(store: Store) -> None:
    ids = ["A", "B", "C", "D"]
    await connect(store, *ids)
    await make_sloppy(store, "A", "D")
    await make_offline(store, "B", 7_200_000)
    await make_offline(store, "C", 600_000)
    await make_offline(store, "D", 3_600_000)
    await examine_all(store)
    found = await list_urgent(store, TENANT, 20)
    assert [id_ for id_, _ in found] == ["C", "D", "B", "A"]
    assert [one.kind for one in found[1][1]] == ["offline", "sloppy"]
    assert [id_ for id_, _ in await list_urgent(store, TENANT, 2)] == ["C", "D"]


@pytest.mark.parametrize("kind", KINDS)
def test_members_of_the_index_sort_by_urgency_and_then_by_the_latest_time(kind: TroubleKind) -> None:
    def urgency(kind: TroubleKind, since_ms: int) -> bytes:
        return next(iter(index.members_of("A", [Trouble(kind=kind, since_ms=since_ms, detail="")])))

    assert urgency(kind, 2_000) < urgency(kind, 1_000) < urgency(kind, -5)
    later = list(KINDS)[list(KINDS).index(kind) + 1 :]
    assert all(urgency(kind, 1) < urgency(other, 9_999) for other in later)


async def test_a_cursor_of_a_list_of_another_trouble_is_refused(store: Store) -> None:
    await connect(store, "A", "B")
    await make_sloppy(store, "A", "B")
    await examine_all(store)
    cursor = (await list_(store, TENANT, "sloppy", limit=1)).next
    with pytest.raises(BadCursor):
        await list_(store, TENANT, "deaf", cursor=cursor)


async def test_what_was_found_in_a_partition_expires_a_day_after_it_was_written(store: Store) -> None:
    await connect(store, "A")
    await make_sloppy(store, "A")
    await examine_all(store)
    partition = key_names.partition_of(TENANT, "A")
    keys = key_names.troubles(partition, TENANT), key_names.trouble_counts(partition, TENANT)
    for key in keys:
        assert 0 < await store.execute("PTTL", key) <= index.EXPIRES_MS
    # What has not changed is written again only after a while.
    text = await store.execute("GET", keys[1])
    await examine_all(store)
    assert await store.execute("GET", keys[1]) == text
    old = msgspec.structs.replace(
        index.read_counts(text), written_ms=store.server_time_ms() - index.AGAIN_MS - 1
    )
    await store.execute("SET", keys[1], msgspec.json.encode(old))
    await examine_all(store)
    for key in keys:
        assert await store.execute("PTTL", key) > 0


async def test_a_partition_that_lost_its_last_charge_point_is_examined_once_more(store: Store) -> None:
    await connect(store, "A")
    await make_sloppy(store, "A")
    await examine_all(store)
    keys = ChargePointKeys(TENANT, "A")
    await store.pipeline([("UNLINK", keys.record), ("ZREM", keys.charge_points, "A")])
    assert await listed(store, None) == []
    assert await examine_all(store) == 0
    assert await store.execute("ZCARD", key_names.troubles(keys.partition, TENANT)) == 0
