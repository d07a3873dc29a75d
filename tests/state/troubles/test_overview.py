"""Figures about all charge points of a tenant."""

import msgspec
import trio

from state import keys as key_names
from state import transactions
from state.charge_points import Settings, boot, connectors, put
from state.charge_points.connectors import Connector
from state.keys import ChargePointKeys
from state.nodes import leases
from state.store import Store
from state.transactions import failed_starts
from state.troubles import Figures, examine, read_overview
from state.troubles.index import Counts
from tests.support.leases import claimed
from tests.support.transactions import ANSWER, a_start, a_stop

TENANT = "acme"
MIDNIGHT_MS, HOUR_MS = 1_767_225_600_000, 3_600_000


async def examine_all(store: Store) -> None:
    async def rest(_examined: int) -> bool:
        await trio.lowlevel.checkpoint()
        return True

    assert await examine(store, TENANT, rest, Figures())


async def test_the_overview_of_a_tenant_without_charge_points_is_empty(store: Store) -> None:
    found = await read_overview(store, TENANT, 0, 1)
    assert found[:4] == (0, 0, 0, 0)
    assert found.counts == Counts()
    assert found.examined_ms is None


async def test_charge_points_are_counted_by_connection_boot_status_and_the_status_of_their_connectors(
    store: Store,
) -> None:
    for number in range(60):
        await put(store, TENANT, f"NEW-{number}", Settings())
    for number, status in enumerate(("Available", "Charging", "Charging")):
        lease = (await claimed(store, f"a/{number}", ChargePointKeys(TENANT, f"CP-{number}"))).lease
        await boot(store, lease, b"{}")
        for connector_id in (0, 1):
            one = Connector(connector_id=connector_id, status=status, error_code="NoError", received_ms=1)
            await connectors.record_status(store, lease, one)
    assert await leases.release_if_holder(store, ChargePointKeys(TENANT, "CP-2"), "a/2", "closed")
    assert (await read_overview(store, TENANT, 0, 1)).charge_points == 63
    await examine_all(store)
    counts = (await read_overview(store, TENANT, 0, 1)).counts
    assert msgspec.structs.replace(counts, written_ms=0) == Counts(
        online=2,
        offline=1,
        never_connected=60,
        boot_status={"Accepted": 3, "none": 60},
        connectors={"Available": 1, "Charging": 1},
    )


async def test_an_examination_stores_when_it_began(store: Store) -> None:
    await put(store, TENANT, "CP-1", Settings())
    before_ms = store.server_time_ms()
    await examine_all(store)
    examined_ms = (await read_overview(store, TENANT, 0, 1)).examined_ms
    assert examined_ms is not None
    assert before_ms - 1 <= examined_ms <= store.server_time_ms() + 1
    assert (await read_overview(store, "other", 0, 1)).examined_ms is None


async def test_an_examination_that_was_given_up_is_not_complete(store: Store) -> None:
    for number in range(3):
        await put(store, TENANT, f"CP-{number}", Settings())

    async def rest(_examined: int) -> bool:
        await trio.lowlevel.checkpoint()
        return False

    assert not await examine(store, TENANT, rest, Figures())
    assert await store.execute("HGET", key_names.TROUBLES_EXAMINED, TENANT) is None


async def test_open_transactions_and_those_that_began_in_a_time_are_counted(store: Store) -> None:
    for number in range(3):
        lease = (await claimed(store, f"a/{number}", ChargePointKeys(TENANT, f"CP-{number}"))).lease
        for tag, started_ms in (("A", MIDNIGHT_MS - 1), ("B", MIDNIGHT_MS), ("C", MIDNIGHT_MS + HOUR_MS)):
            start = a_start(id_tag=tag, started_ms=started_ms)
            id_ = (await transactions.start(store, lease, start, ANSWER)).id
            if tag == "C":
                await transactions.stop(store, lease, a_stop(id_), ANSWER)
    found = await read_overview(store, TENANT, MIDNIGHT_MS, MIDNIGHT_MS + HOUR_MS)
    assert (found.open_transactions, found.begun) == (6, 3)
    assert (await read_overview(store, TENANT, MIDNIGHT_MS, MIDNIGHT_MS + HOUR_MS + 1)).begun == 6


async def test_failed_starts_are_counted(store: Store) -> None:
    since_ms = store.server_time_ms() - 1_000
    for number in range(3):
        await failed_starts.note(store, ChargePointKeys(TENANT, f"CP-{number}"), f"CP-{number}.1")
    assert (await read_overview(store, TENANT, since_ms, since_ms)).starts_failed == 3
