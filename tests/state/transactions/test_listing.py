import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from state.nodes.leases import Lease
from state.paging import BadCursor
from state.store import Store
from state.transactions import Started, start, stop
from state.transactions.listing import index_name, list_, parse_public_id, public_id
from tests.support.transactions import ANSWER, a_start, a_stop, claimed

BASE_MS = 1_767_225_600_000


async def charge(store: Store, lease: Lease, at: int, *, ended: bool) -> str:
    """Store a transaction that started `at` ms after the base. Returns its public id."""
    outcome = await start(
        store, lease, a_start(timestamp=f"at {at}", started_ms=BASE_MS + at, connector_id=1 + at % 2), ANSWER
    )
    assert isinstance(outcome, Started)
    if ended:
        await stop(store, lease, a_stop(outcome.id), ANSWER)
    return public_id(lease.keys.id, outcome.id)


async def list_all(store: Store, *, limit: int = 3, **filters: object) -> list[int]:
    """Read all pages, and return when each transaction started, in ms after the base."""
    found: list[int] = []
    cursor: str | None = None
    with trio.fail_after(60):
        while True:
            page = await list_(store, "demo", cursor=cursor, limit=limit, **filters)  # type: ignore[arg-type] # Checked above.
            assert len(page.items) <= limit
            found += [transaction.started_ms - BASE_MS for transaction in page.items]
            if (cursor := page.next) is None:
                return found


async def store_fleet(store: Store) -> None:
    """Store thirty transactions of five charge points. One of every three transactions is open."""
    leases = [await claimed(store, f"CP.{n}") for n in range(5)]
    for at in (7, 3, *range(8, 30), 0, 1, 2, 4, 5, 6):
        await charge(store, leases[at % 5], at, ended=at % 3 != 0)
    await charge(store, await claimed(store, "CP.1", tenant="other"), 99, ended=False)


async def test_transactions_of_all_partitions_are_listed_newest_first(store: Store) -> None:
    await store_fleet(store)
    everything = list(range(29, -1, -1))
    assert await list_all(store) == everything
    assert await list_all(store, limit=100) == everything
    assert await list_all(store, limit=1) == everything


async def test_transactions_can_be_filtered_by_charge_point_and_start_time_and_by_whether_they_are_open(
    store: Store,
) -> None:
    await store_fleet(store)
    assert await list_all(store, open_=True) == list(range(27, -1, -3))
    assert await list_all(store, open_=False) == [at for at in range(29, -1, -1) if at % 3]
    assert await list_all(store, charge_point="CP.2") == [27, 22, 17, 12, 7, 2]
    assert await list_all(store, charge_point="CP.2", open_=True) == [27, 12]
    assert await list_all(store, charge_point="CP.2", open_=False) == [22, 17, 7, 2]
    assert await list_all(store, since_ms=BASE_MS + 20) == list(range(29, 19, -1))
    assert await list_all(store, charge_point="CP.2", since_ms=BASE_MS + 17, open_=False) == [22, 17]
    assert await list_all(store, charge_point="CP.9") == []
    assert await list_all(store, charge_point="CP") == []


async def test_a_filter_by_charge_point_leaves_out_other_charge_points_of_the_same_partition(
    store: Store,
) -> None:
    mine = await claimed(store, "CP.1")
    n = 0
    while (theirs := await claimed(store, f"neighbour-{n}")).keys.partition != mine.keys.partition:
        n += 1
    for at in range(20):
        await charge(store, mine if at == 10 else theirs, at, ended=False)
    assert await list_all(store, charge_point="CP.1", open_=True, limit=2) == [10]
    assert await list_all(store, charge_point="CP.1", limit=2) == [10]


async def test_the_next_page_continues_after_the_last_item_even_if_there_are_new_transactions(
    store: Store,
) -> None:
    await store_fleet(store)
    page = await list_(store, "demo", limit=5)
    await charge(store, await claimed(store, "CP.1"), 1000, ended=True)
    following = await list_(store, "demo", limit=5, cursor=page.next)
    assert [t.started_ms - BASE_MS for t in following.items] == [24, 23, 22, 21, 20]


async def test_transactions_with_times_before_1970_or_far_in_the_future_are_listed(store: Store) -> None:
    lease = await claimed(store)
    for at in (-BASE_MS - 5, 0, 2**60):
        await charge(store, lease, at, ended=True)
    page = await list_(store, "demo", limit=1)
    assert page.items[0].started_ms == BASE_MS + 2**60
    assert len(await list_all(store, limit=1)) == 3


async def test_a_cursor_that_does_not_come_from_a_page_is_refused(store: Store) -> None:
    with pytest.raises(BadCursor):
        await list_(store, "demo", cursor="!")


@given(st.text(min_size=1), st.integers(1, 2**31 - 1))
def test_a_public_transaction_id_is_split_at_the_last_dot(charge_point: str, number: int) -> None:
    assert parse_public_id(public_id(charge_point, number)) == (charge_point, number)


@pytest.mark.parametrize(
    "wrong", ["", "5", ".5", "CP.", "CP.-1", "CP.05", "CP.0", "CP.x", "CP.²", "CP.99999999999"]
)
def test_the_error_for_a_wrong_public_transaction_id_shows_the_right_form(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"<charge point>\.<number>"):
        parse_public_id(wrong)


@given(st.integers(0, 2**47), st.integers(0, 2**47))
def test_index_entries_of_transactions_are_sorted_by_the_time_of_the_transaction(
    one: int, other: int
) -> None:
    assert (index_name("CP", one, 1) < index_name("CP", other, 1)) == (one < other)


async def test_a_transaction_can_be_encoded_as_json(store: Store) -> None:
    await store_fleet(store)
    [newest] = (await list_(store, "demo", limit=1)).items
    assert msgspec.json.decode(msgspec.json.encode(newest))["charge_point"] == "CP.4"
