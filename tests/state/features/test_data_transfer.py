"""DataTransfer: a tenant's vendors by id in any letter case, and a charge point's latest 100 transfers."""

import pytest

from state.features import data_transfer
from state.features.data_transfer import KEPT, KEPT_BYTES, VENDORS, Status, Transfer, Vendor
from state.keys import ChargePointKeys
from state.paging import BadCursor, encode_cursor
from state.store import Store
from state.tenants import tenants
from tests.support.leases import events

KEYS = ChargePointKeys("acme", "CP-1")


def a_transfer(data: str | None = "x", status: Status = "Accepted") -> Transfer:
    return Transfer(vendor_id="org.example", message_id=None, data=data, status=status, received_ms=5)


@pytest.mark.parametrize(
    ("message_ids", "message_id", "judgement"),
    [
        (None, None, "Rejected"),
        (None, "any", "Rejected"),
        ((), "any", "UnknownMessageId"),
        (("Ping", "pong"), "pING", "Rejected"),
        (("Ping", "pong"), "pang", "UnknownMessageId"),
        (("Ping", "pong"), None, "UnknownMessageId"),
    ],
)
def test_a_data_transfer_with_an_unlisted_message_id_is_answered_with_unknown_message_id(
    message_ids: tuple[str, ...] | None, message_id: str | None, judgement: str
) -> None:
    vendor = Vendor(vendor_id="v", message_ids=message_ids, status="Rejected")
    assert vendor.judge(message_id) == judgement


async def test_a_vendor_is_found_and_deleted_by_its_id_in_upper_and_lower_case(
    store: Store,
) -> None:
    first = Vendor(vendor_id="Org.Example", message_ids=("a",), data="{}")
    assert await data_transfer.put_vendor(store, "acme", first) == "created"
    second = Vendor(vendor_id="ORG.example", status="Rejected")
    assert await data_transfer.put_vendor(store, "acme", second) == "changed"
    other = Vendor(vendor_id="A {:/} B")
    assert await data_transfer.put_vendor(store, "acme", other) == "created"
    assert await data_transfer.get_vendor(store, "acme", "org.EXAMPLE") == second
    assert await data_transfer.get_vendor(store, "acme2", "org.example") is None
    assert await data_transfer.list_vendors(store, "acme") == [other, second]
    assert await data_transfer.delete_vendor(store, "acme", "oRg.example")
    assert not await data_transfer.delete_vendor(store, "acme", "oRg.example")
    assert await data_transfer.list_vendors(store, "acme") == [other]


async def test_a_tenant_can_have_at_most_200_vendors(store: Store) -> None:
    for n in range(VENDORS):
        assert await data_transfer.put_vendor(store, "acme", Vendor(vendor_id=f"v{n}")) == "created"
    assert await data_transfer.put_vendor(store, "acme", Vendor(vendor_id="one more")) == "full"
    assert await data_transfer.put_vendor(store, "acme", Vendor(vendor_id="V7")) == "changed"


async def test_data_transfers_are_listed_in_pages_and_the_newest_comes_first(store: Store) -> None:
    ids = [await data_transfer.keep(store, KEYS, a_transfer(str(n))) for n in range(10)]
    seen: list[str | None] = []
    cursor = None
    while True:
        page = await data_transfer.list_(store, "acme", "CP-1", cursor=cursor, limit=4)
        seen += [kept.transfer.data for kept in page.items]
        await data_transfer.keep(store, KEYS, a_transfer("new"))
        cursor = page.next
        if cursor is None:
            break
    assert seen == [str(n) for n in range(9, -1, -1)]
    told = [data for kind, data in await events(store) if kind == "data_transfer.received"]
    assert [data["transfer"] for data in told[:10]] == ids
    assert told[0] == {
        "transfer": ids[0],
        "vendor_id": "org.example",
        "message_id": None,
        "status": "Accepted",
    }


async def test_long_data_transfers_are_kept_only_as_far_as_they_have_2_mib_together(store: Store) -> None:
    long = "x" * 600_000
    for number in range(5):
        await data_transfer.keep(store, KEYS, a_transfer(data=f"{number}{long}"))
        await data_transfer.keep(store, KEYS, a_transfer(data=f"short {number}"))
    page = await data_transfer.list_(store, "acme", "CP-1", limit=1000)
    found = [one.transfer.data or "" for one in page.items]
    assert [one[:7] for one in found if one.startswith("short")] == [f"short {n}" for n in (4, 3, 2, 1)]
    assert [one[0] for one in found if not one.startswith("short")] == ["4", "3", "2"]
    await data_transfer.keep(store, KEYS, a_transfer(data="y" * KEPT_BYTES))
    page = await data_transfer.list_(store, "acme", "CP-1", limit=1000)
    assert [(one.transfer.data or "")[:1] for one in page.items] == ["y"]


async def test_only_the_latest_100_data_transfers_are_kept(store: Store) -> None:
    for n in range(KEPT + 3):
        await data_transfer.keep(store, KEYS, a_transfer(str(n)))
    page = await data_transfer.list_(store, "acme", "CP-1", limit=1000)
    assert [kept.transfer.data for kept in page.items] == [str(n) for n in range(KEPT + 2, 2, -1)]


@pytest.mark.parametrize(
    "cursor", ["!", encode_cursor(b"7"), encode_cursor(b"x-1"), encode_cursor(b"1-" + b"9" * 20)]
)
async def test_a_cursor_that_does_not_come_from_a_page_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(BadCursor):
        await data_transfer.list_(store, "acme", "CP-1", cursor=cursor)


async def test_vendors_are_deleted_when_their_tenant_is_deleted(store: Store) -> None:
    for tenant in ("acme", "other"):
        await tenants.put(store, tenant, name=tenant, auto_register=False)
        await data_transfer.put_vendor(store, tenant, Vendor(vendor_id="v"))
    assert await tenants.delete(store, "acme") == "deleted"
    assert await data_transfer.list_vendors(store, "acme") == []
    assert await data_transfer.list_vendors(store, "other") == [Vendor(vendor_id="v")]
