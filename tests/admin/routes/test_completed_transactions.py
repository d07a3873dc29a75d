"""Pages of completed transactions have each entry that a filter wants, once and in order, and read few."""

import random
from collections.abc import Sequence

import pytest

from admin.routes import completed_transactions
from admin.routes.completed_transactions import CompletedPage, Wanted, read_page
from state.nodes.leases import Lease
from state.store import Store
from state.tenants.id_tags import fold
from state.transactions import completed, listing, stop
from state.transactions.completed import BEGINNING, Entry, Place
from tests.admin.api import TENANT, Api
from tests.support.transactions import ANSWER, a_stop, claimed, start_one, stop_one

HOUR_MS = 3_600_000
WANTED = (
    Wanted(),
    Wanted(charge_point="B"),
    Wanted(charge_point="NONE"),
    Wanted(id_tag="rare"),
    Wanted(id_tag="none"),
    Wanted(charge_point="A", id_tag="COMMON"),
    Wanted(by="stop", since_ms=5 * HOUR_MS, until_ms=9 * HOUR_MS),
    Wanted(by="stop", since_ms=90 * HOUR_MS),
    Wanted(by="stop", until_ms=9 * HOUR_MS, id_tag="rare"),
    Wanted(by="receipt", since_ms=1),
    Wanted(by="receipt", until_ms=1),
)


async def complete(store: Store, lease: Lease, number: int, chance: random.Random) -> None:
    """Charge, with a stop at some hour. Some stops are contradicted later, which is a second revision."""
    tag = "Rare" if number % 9 == 4 else "Common"
    id_ = (await start_one(store, lease, meter_start=number, id_tag=tag)).id
    await stop_one(store, lease, id_, stopped_ms=chance.randrange(20) * HOUR_MS)
    if chance.random() < 0.2:
        await stop(store, lease, a_stop(id_, meter_stop=9_999), ANSWER)


async def wanted_ones(store: Store, wanted: Wanted) -> list[tuple[str, int, int]]:
    """Return what a list has, found by looking at all entries."""
    entries = (await completed.read(store, TENANT, limit=10_000)).entries
    found = await listing.load(store, TENANT, [(one.charge_point, one.id) for one in entries])
    return [
        named(entry)
        for entry, transaction in zip(entries, found, strict=True)
        if wanted.has_entry(entry)
        and transaction is not None
        and (wanted.id_tag is None or fold(transaction.id_tag) == fold(wanted.id_tag))
    ]


def named(entry: Entry) -> tuple[str, int, int]:
    return entry.charge_point, entry.id, entry.revision


def names(pages: Sequence[CompletedPage]) -> list[tuple[str, int, int]]:
    return [named(one.entry) for page in pages for one in page.items]


@pytest.mark.parametrize(("scanned", "read", "some"), [(1, 1, 1), (7, 5, 2), (1_000, 1_000, 100)])
async def test_a_walk_has_each_entry_once_and_in_order_although_others_complete_meanwhile(
    api: Api, monkeypatch: pytest.MonkeyPatch, scanned: int, read: int, some: int
) -> None:
    monkeypatch.setattr(completed_transactions, "_SCANNED", scanned)
    monkeypatch.setattr(completed_transactions, "_READ", read)
    monkeypatch.setattr(completed_transactions, "_SOME", some)
    chance = random.Random(scanned)
    leases = [await claimed(api.store, name, tenant=TENANT) for name in ("A", "B", "C")]
    for number in range(40):
        await complete(api.store, chance.choice(leases), number, chance)
    number = 40
    for wanted in WANTED:
        for limit in (1, 3, 100):
            pages: list[CompletedPage] = []
            after = BEGINNING
            while True:
                pages.append(await read_page(api.services, TENANT, after, wanted, limit=limit))
                assert len(pages[-1].items) <= limit
                after = Place.parse(pages[-1].after.encode())
                if not pages[-1].more:
                    break
                if len(pages) == 3:
                    await complete(api.store, chance.choice(leases), number, chance)
                    number += 1
            assert names(pages) == await wanted_ones(api.store, wanted), (wanted, limit)


@pytest.mark.parametrize("wanted", [Wanted(id_tag="none"), Wanted(by="stop", since_ms=90 * HOUR_MS)])
@pytest.mark.parametrize("limit", [1, 3])
async def test_a_page_that_finds_nothing_looks_at_few_entries_and_a_page_follows(
    api: Api, monkeypatch: pytest.MonkeyPatch, wanted: Wanted, limit: int
) -> None:
    monkeypatch.setattr(completed_transactions, "_SCANNED", 10)
    monkeypatch.setattr(completed_transactions, "_READ", 10)
    chance = random.Random(1)
    lease = await claimed(api.store, "A", tenant=TENANT)
    for number in range(15):
        await complete(api.store, lease, number, chance)
    entries = (await completed.read(api.store, TENANT, limit=10_000)).entries
    page = await read_page(api.services, TENANT, BEGINNING, wanted, limit=limit)
    assert page.items == []
    assert page.more
    assert page.after.positions == {entries[9].partition: entries[9].position}
