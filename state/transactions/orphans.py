"""Orphans: stops of transactions that this store does not know, kept for operators to look at.

The latest 200 orphans of each charge point are kept. Orphans that were removed to make room are counted. We
do not guess which transaction an orphan belongs to.
"""

import msgspec

from state import ids
from state.keys import ChargePointKeys
from state.store import Store

_EVICTED = b"evicted"


class Orphan(msgspec.Struct, frozen=True, kw_only=True):
    """A stop of an unknown transaction. `transaction_id` is the id that the charge point sent.

    The transactionData of the stop is among the stray meter values of connector 0.
    """

    transaction_id: str
    timestamp: str
    stopped_ms: int
    meter_stop: int
    id_tag: str | None
    reason: str | None
    received_ms: int
    answer: bytes

    def digest(self) -> str:
        """Return an id made of several fields, because many different stops have the transaction id -1."""
        facts = (self.transaction_id, self.timestamp, self.meter_stop, self.id_tag)
        return ids.digest(msgspec.json.encode(facts))

    def pack(self) -> bytes:
        return msgspec.msgpack.encode(self)


class Orphans(msgspec.Struct, frozen=True, kw_only=True):
    """A charge point's orphans in the order of arrival.

    `evicted` counts the orphans that were removed to make room.
    """

    items: list[Orphan]
    evicted: int


def unpack(stored: bytes) -> Orphan:
    """Decode a stored orphan.

    The stored form begins with the time of receipt, by which a Lua step finds the oldest orphan to remove.
    """
    return msgspec.msgpack.decode(stored.partition(b" ")[2], type=Orphan)


async def forget(store: Store, tenant: str, charge_point: str, digest: str) -> bool:
    """Delete an orphan that an operator has dealt with. Returns False if there is no such orphan.

    If the charge point sends the stop again, it is stored as a new orphan.
    """
    if digest.encode() == _EVICTED:
        return False
    return bool(await store.execute("HDEL", ChargePointKeys(tenant, charge_point).orphans, digest))


async def read(store: Store, tenant: str, charge_point: str) -> Orphans:
    stored: dict[bytes, bytes] = await store.execute("HGETALL", ChargePointKeys(tenant, charge_point).orphans)
    evicted = int(stored.pop(_EVICTED, b"0"))
    return Orphans(items=sorted(map(unpack, stored.values()), key=lambda o: o.received_ms), evicted=evicted)
