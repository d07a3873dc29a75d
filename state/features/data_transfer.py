"""DataTransfer from charge points: the vendors that an operator has configured, and the received transfers.

A tenant has at most 200 vendors. The latest 100 transfers of a charge point are kept, each in full length.
Long transfers are kept only as far as they have 2 MiB together. Vendor ids and message ids are CiStrings,
which are compared with ASCII case folded.
"""

import re
from typing import Literal

import msgspec

from state import keys as key_names
from state.keys import ChargePointKeys
from state.paging import BadCursor, Page, decode_cursor, encode_cursor
from state.store import Store
from state.tenants.id_tags import fold

VENDORS = 200
KEPT = 100
KEPT_BYTES = 2 << 20
"""Length of the kept transfers together. The latest is kept in any case, and short ones may add as much."""

Answer = Literal["Accepted", "Rejected"]
Status = Literal["Accepted", "Rejected", "UnknownMessageId"]

_ID = re.compile(r"[0-9]{1,18}-[0-9]{1,18}")


class Vendor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to the DataTransfers of a vendor. `data` is the text of our answer.

    If `message_ids` is None, a message may have any message id or none.
    """

    vendor_id: str
    message_ids: tuple[str, ...] | None = None
    status: Answer = "Accepted"
    data: str | None = None

    def judge(self, message_id: str | None) -> Status:
        if self.message_ids is None:
            return self.status
        known = message_id is not None and fold(message_id) in map(fold, self.message_ids)
        return self.status if known else "UnknownMessageId"


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """A DataTransfer from a charge point, and the status of our answer.

    `data` is the text that the charge point sent.
    """

    vendor_id: str
    message_id: str | None
    data: str | None
    status: Status
    received_ms: int


class Kept(msgspec.Struct, frozen=True):
    id: str
    transfer: Transfer


_encode = msgspec.json.encode
_vendor = msgspec.json.Decoder(Vendor).decode


async def put_vendor(store: Store, tenant: str, vendor: Vendor) -> Literal["created", "changed", "full"]:
    [word] = await store.step(
        "features/data_transfer_vendor_put",
        (key_names.data_transfer_vendors(tenant),),
        (fold(vendor.vendor_id), _encode(vendor), VENDORS),
    )
    return "full" if word == b"full" else "created" if word == b"created" else "changed"


async def get_vendor(store: Store, tenant: str, vendor_id: str) -> Vendor | None:
    record = await store.execute("HGET", key_names.data_transfer_vendors(tenant), fold(vendor_id))
    return None if record is None else _vendor(record)


async def delete_vendor(store: Store, tenant: str, vendor_id: str) -> bool:
    """Delete a vendor. The stored transfers of the vendor stay. Returns False if there was no such vendor."""
    return bool(await store.execute("HDEL", key_names.data_transfer_vendors(tenant), fold(vendor_id)))


async def list_vendors(store: Store, tenant: str) -> list[Vendor]:
    """Return all vendors of a tenant, sorted by folded id."""
    stored = await store.execute("HGETALL", key_names.data_transfer_vendors(tenant))
    return [_vendor(stored[name]) for name in sorted(stored)]


async def keep(store: Store, keys: ChargePointKeys, transfer: Transfer) -> str | None:
    """Store a transfer, even from a session that has lost its lease.

    Returns its id, or None if the charge point was deleted.
    """
    event = _encode(
        {"vendor_id": transfer.vendor_id, "message_id": transfer.message_id, "status": transfer.status}
    )
    word, *id_ = await store.step(
        "features/data_transfer_keep",
        (keys.data_transfers, keys.events, keys.record, keys.lease),
        (
            *(keys.member, _encode(transfer), KEPT, KEPT_BYTES, "data_transfer.received"),
            *(b'{"transfer":"', b'",' + event[1:]),
        ),
    )
    return bytes(id_[0]).decode() if word == b"kept" else None


async def list_(
    store: Store, tenant: str, charge_point: str, *, cursor: str | None = None, limit: int = 100
) -> Page[Kept]:
    """List transfers, newest first. Raises BadCursor."""
    before = "+" if cursor is None else f"({_position(cursor)}"
    key = ChargePointKeys(tenant, charge_point).data_transfers
    entries = await store.execute("XREVRANGE", key, before, "-", "COUNT", limit + 1)
    found = tuple(
        Kept(id_.decode(), msgspec.json.decode(record, type=Transfer)) for id_, (_, record) in entries[:limit]
    )
    return Page(found, encode_cursor(found[-1].id.encode()) if len(entries) > limit else None)


async def forget(store: Store, tenant: str, charge_point: str, id_: str) -> bool:
    """Delete a transfer that an operator has dealt with. Returns False if there is no such transfer."""
    if not _ID.fullmatch(id_):
        return False
    return bool(await store.execute("XDEL", ChargePointKeys(tenant, charge_point).data_transfers, id_))


def _position(cursor: str) -> str:
    position = decode_cursor(cursor).decode("ascii", "replace")
    if not _ID.fullmatch(position):
        raise BadCursor("the cursor is not one that a page returned; omit it to start at the first page")
    return position
