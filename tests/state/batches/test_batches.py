"""Batches in the store: begun, read, listed, cancelled, forgotten and deleted."""

from typing import Any

import pytest

from state.batches import batches, items, working
from state.batches.batches import KEPT, RUNNING_MAX, Began, Counts, ItemState
from state.batches.items import Item
from state.keys import BatchKeys, encode
from state.paging import BadCursor
from state.store import Store
from state.tenants import tenants
from tests.state.batches.beginning import TENANT, begin, end, read, read_kinds, try_to_begin


async def test_a_batch_that_has_begun_is_read_as_it_was_given(store: Store) -> None:
    before_ms = store.server_time_ms()
    begun = await begin(store, "one")
    assert await read(store, "one") == begun
    assert (begun.phase, begun.total, begun.reserved, begun.counts) == ("running", 2, 0, Counts())
    assert (begun.action, bytes(begun.payload)) == ("Reset", b'{"type":"Soft"}')
    assert (begun.per_second, begun.timeout_s, begun.by) == (0.5, 30.0, "key-1")
    assert (begun.when, begun.online_s) == ("now", 60.0)
    assert abs(begun.created_ms - before_ms) < 60_000
    assert (begun.ended_ms, begun.cancelled_ms, begun.cancelled_by, begun.sealed) == (None, None, None, None)
    assert await batches.list_running(store) == [(TENANT, "one")]
    assert await read_kinds(store, "one") == [b"batch.started"]
    assert await batches.get(store, TENANT, "two") is None
    assert await batches.get(store, "other", "one") is None


async def test_a_repeated_request_gets_the_first_batch_and_changes_nothing_of_it(store: Store) -> None:
    begun = await begin(store, "one")
    claimed = await working.claim(store, TENANT, "one", "runner")
    assert claimed is not None
    block = [Item("CP-000000", "offline", "", 7), Item("CP-000001")]
    await working.advance(store, begun, "runner", reserved=1, counts=Counts(offline=1), blocks={0: block})
    again = await try_to_begin(store, "one", charge_points=5)
    assert isinstance(again, Began)
    assert not again.fresh
    assert (again.batch.total, again.batch.counts.offline) == (2, 1)
    assert await items.read_block(store, begun.keys, 0) == block
    assert await store.execute("PTTL", begun.keys.items) == -1
    assert await read_kinds(store, "one") == [b"batch.started"]


async def test_another_request_under_the_same_id_is_a_conflict(store: Store) -> None:
    await begin(store, "one")
    assert await try_to_begin(store, "one", body="another") == "conflict"
    assert await batches.get_body(store, TENANT, "one") == "digest"
    assert await batches.get_body(store, TENANT, "two") is None


async def test_a_tenant_can_have_only_so_many_running_batches(store: Store) -> None:
    for number in range(RUNNING_MAX):
        await begin(store, f"b{number}")
    assert await try_to_begin(store, "one more") == "full"
    # Another tenant whose name begins with the same text has batches of its own.
    await begin(store, "b", tenant=f"{TENANT}0")
    await end(store, "b3")
    await begin(store, "one more")
    names = {id_ for tenant, id_ in await batches.list_running(store) if tenant == TENANT}
    assert names == {f"b{number}" for number in range(RUNNING_MAX) if number != 3} | {"one more"}


async def test_items_of_a_batch_that_never_began_expire(store: Store) -> None:
    keys = BatchKeys(TENANT, "one")
    staged = await items.stage(store, keys, ["CP-1"])
    assert 0 < await store.execute("PTTL", staged) <= items.STAGED_MS
    other = await items.stage(store, keys, ["CP-2"])
    assert other != staged


async def test_a_batch_whose_items_have_expired_meanwhile_does_not_begin(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = items.stage

    async def stage_and_expire(*args: Any) -> str:
        staged = await stage(*args)
        await store.execute("UNLINK", staged)
        return staged

    monkeypatch.setattr(items, "stage", stage_and_expire)
    assert await try_to_begin(store, "one") == "late"
    assert await batches.get(store, TENANT, "one") is None
    assert await batches.list_running(store) == []


async def test_a_batch_without_charge_points_begins_and_has_no_items(store: Store) -> None:
    begun = await begin(store, "one", 0)
    assert begun.total == 0
    assert (await batches.list_items(store, begun)).items == ()


async def test_batches_are_listed_with_the_latest_first(store: Store) -> None:
    for number in range(5):
        await begin(store, f"b{number}")
        # Two batches of the same millisecond have no order.
        while store.server_time_ms() <= (await read(store, f"b{number}")).created_ms:
            pass
    await end(store, "b1")
    page = await batches.list_(store, TENANT, limit=3)
    assert [batch.id for batch in page.items] == ["b4", "b3", "b2"]
    rest = await batches.list_(store, TENANT, limit=3, cursor=page.next)
    assert [batch.id for batch in rest.items] == ["b1", "b0"]
    assert rest.next is None
    ended = await batches.list_(store, TENANT, running=False)
    assert [batch.id for batch in ended.items] == ["b1"]
    running = await batches.list_(store, TENANT, running=True)
    assert [batch.id for batch in running.items] == ["b4", "b3", "b2", "b0"]


async def test_items_are_listed_in_pages_with_their_outcomes(store: Store) -> None:
    begun = await begin(store, "one", 1_100)
    assert await working.claim(store, TENANT, "one", "runner") is not None
    block = await items.read_block(store, begun.keys, 1)
    block[3].outcome, block[3].detail, block[3].ended_ms = "rejected", "Rejected", 7
    await working.advance(store, begun, "runner", reserved=600, counts=Counts(), blocks={1: block})
    now, cursor = await read(store, "one"), None
    found = list[ItemState]()
    while True:
        page = await batches.list_items(store, now, limit=400, cursor=cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            break
    assert [item.charge_point for item in found] == [f"CP-{number:06}" for number in range(1_100)]
    assert [item.outcome for item in found] == (
        ["waiting"] * 503 + ["rejected"] + ["waiting"] * 96 + ["to_do"] * 500
    )
    assert found[503] == ("CP-000503", "rejected", "Rejected", 7)
    rejected = await batches.list_items(store, now, outcome="rejected")
    assert [item.charge_point for item in rejected.items] == ["CP-000503"]
    to_do = await batches.list_items(store, now, outcome="to_do", limit=1)
    assert [item.charge_point for item in to_do.items] == ["CP-000600"]


async def test_a_filtered_page_of_items_ends_after_a_while_and_the_next_one_goes_on(store: Store) -> None:
    number = 21 * items.BLOCK + 1
    begun = await begin(store, "one", number)
    assert await working.claim(store, TENANT, "one", "runner") is not None
    await working.advance(store, begun, "runner", reserved=number - 1, counts=Counts(), blocks={})
    now = await read(store, "one")
    page = await batches.list_items(store, now, outcome="to_do")
    assert page.items == ()
    rest = await batches.list_items(store, now, outcome="to_do", cursor=page.next)
    assert [item.charge_point for item in rest.items] == [f"CP-{number - 1:06}"]
    assert rest.next is None


@pytest.mark.parametrize("cursor", ["", "!", "eA", "MTIzNDU2Nw"])
async def test_a_cursor_of_another_list_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(BadCursor):
        await batches.list_items(store, await begin(store, "one"), cursor=cursor)


async def test_a_cancelled_batch_says_who_cancelled_it_first(store: Store) -> None:
    await begin(store, "one")
    assert await batches.cancel(store, TENANT, "one", "key-2") == "cancelling"
    assert await batches.cancel(store, TENANT, "one", "key-3") == "cancelling"
    now = await read(store, "one")
    assert (now.phase, now.cancelled_by, now.ended_ms) == ("cancelling", "key-2", None)
    assert now.cancelled_ms is not None
    await end(store, "one")
    assert (await read(store, "one")).phase == "cancelled"
    assert await batches.cancel(store, TENANT, "one", "key-3") == "ended"
    assert await batches.cancel(store, TENANT, "two", "key-3") == "gone"
    assert await read_kinds(store, "one") == [b"batch.started", b"batch.cancelled"]


async def test_a_batch_that_has_ended_expires_after_30_days(store: Store) -> None:
    keys = BatchKeys(TENANT, "one")
    began = await try_to_begin(store, "one", sealed="secret")
    assert isinstance(began, Began)
    assert began.batch.sealed == "secret"
    assert await store.execute("PTTL", keys.record) == -1
    await end(store, "one")
    for key in (keys.record, keys.items):
        assert batches.KEPT_MS - 60_000 < await store.execute("PTTL", key) <= batches.KEPT_MS
    now = await read(store, "one")
    assert now.phase == "finished"
    assert now.ended_ms is not None
    assert now.sealed is None
    assert await batches.list_running(store) == []
    assert await read_kinds(store, "one") == [b"batch.started", b"batch.finished"]


async def test_only_the_latest_100_batches_are_kept_and_running_ones_always(store: Store) -> None:
    await begin(store, "running")
    for number in range(KEPT + 3):
        await begin(store, f"b{number:03}")
        await end(store, f"b{number:03}")
    # An expired batch makes room, too.
    await store.execute("UNLINK", BatchKeys(TENANT, "b050").record)
    await begin(store, "last")
    index = await store.execute("ZRANGE", BatchKeys(TENANT, "").index, 0, -1)
    kept = {member.partition(b" ")[2].decode() for member in index}
    assert kept == {"running", "last"} | {f"b{number:03}" for number in range(4, KEPT + 3) if number != 50}
    assert await batches.get(store, TENANT, "b003") is None
    assert await store.execute("EXISTS", BatchKeys(TENANT, "b003").items) == 0


async def test_the_deletion_of_a_tenant_takes_its_batches_along(store: Store) -> None:
    await tenants.put(store, TENANT, name="Acme", auto_register=False)
    begun = await begin(store, "one")
    await begin(store, "two")
    await end(store, "two")
    assert await working.claim(store, TENANT, "one", "runner") is not None
    assert await tenants.delete(store, TENANT) == "deleted"
    assert await batches.list_running(store) == []
    left = await store.execute("KEYS", f"*batch*{encode(TENANT).replace('%', '?')}*")
    assert left == []
    # The process that works on it finds that out.
    advanced = await working.advance(store, begun, "runner", reserved=1, counts=Counts(), blocks={})
    assert advanced == "lost"


def test_counts_add_up_and_keep_the_statuses_of_those_that_rejected() -> None:
    counts = Counts()
    for outcome in (*items.OUTCOMES, "rejected"):
        counts.add(outcome, "Rejected")
    assert counts.ended == len(items.OUTCOMES) + 1
    assert counts.rejected_statuses == {"Rejected": 2}
