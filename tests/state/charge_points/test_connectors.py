"""The last status of each connector is stored, for a limited number of connectors.

Only a status that differs from the last one emits an event.
"""

import msgspec
import pytest

from state.charge_points import connectors
from state.charge_points.connectors import CONNECTORS, Connector
from state.errors import Superseded
from state.store import Store
from tests.support.leases import claimed, events

AVAILABLE = Connector(connector_id=1, status="Available", error_code="NoError", received_ms=1)


async def listed(store: Store) -> list[Connector]:
    """Return the stored statuses as they were recorded."""
    found = await connectors.list_(store, "acme", "CP-1")
    return [msgspec.structs.replace(one, since_ms=msgspec.UNSET) for one in found]


async def statuses(store: Store) -> list[tuple[str, str]]:
    return [
        (data["status"], data["error_code"])
        for kind, data in await events(store)
        if kind == "connector.status"
    ]


async def test_the_last_status_of_a_connector_is_stored_and_only_a_changed_status_emits_an_event(
    store: Store,
) -> None:
    lease = (await claimed(store, "a/1")).lease
    assert await listed(store) == []
    repeated = msgspec.structs.replace(AVAILABLE, info="line\nbreak", timestamp="2026-01-01T00:00:00Z")
    faulted = msgspec.structs.replace(AVAILABLE, status="Faulted", error_code="OtherError")
    vendors = msgspec.structs.replace(faulted, vendor_error_code="E\n7")
    for connector in (AVAILABLE, repeated, faulted, faulted, vendors, vendors):
        assert (await connectors.record_status(store, lease, connector)).stored
    assert await listed(store) == [vendors]
    assert await statuses(store) == [
        ("Available", "NoError"),
        ("Faulted", "OtherError"),
        ("Faulted", "OtherError"),
    ]
    assert (await connectors.record_status(store, lease, repeated)).stored
    assert await listed(store) == [repeated]


async def test_connectors_are_listed_in_the_order_of_their_numbers(store: Store) -> None:
    lease = (await claimed(store, "a/1")).lease
    for number in (10, 2, 0):
        await connectors.record_status(store, lease, msgspec.structs.replace(AVAILABLE, connector_id=number))
    found = await connectors.list_(store, "acme", "CP-1")
    assert [connector.connector_id for connector in found] == [0, 2, 10]


async def test_the_status_of_a_connector_beyond_the_limit_is_not_stored(store: Store) -> None:
    lease = (await claimed(store, "a/1")).lease
    for number in range(CONNECTORS):
        of_one = msgspec.structs.replace(AVAILABLE, connector_id=number)
        assert (await connectors.record_status(store, lease, of_one)).stored
    beyond = msgspec.structs.replace(AVAILABLE, connector_id=CONNECTORS)
    assert not (await connectors.record_status(store, lease, beyond)).stored
    assert (
        await connectors.record_status(store, lease, msgspec.structs.replace(AVAILABLE, status="Charging"))
    ).stored
    assert len(await connectors.list_(store, "acme", "CP-1")) == CONNECTORS


async def test_a_session_that_was_replaced_by_a_newer_one_cannot_change_the_status_of_a_connector(
    store: Store,
) -> None:
    old = (await claimed(store, "a/1")).lease
    new = (await claimed(store, "b/1")).lease
    await connectors.record_status(store, new, AVAILABLE)
    with pytest.raises(Superseded):
        await connectors.record_status(store, old, msgspec.structs.replace(AVAILABLE, status="Faulted"))
    assert await listed(store) == [AVAILABLE]
    assert len(await statuses(store)) == 1
