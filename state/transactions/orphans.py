"""Orphans: stops of transactions that this store does not know, kept for people to look at.

The latest 200 of a charge point; how many gave way is counted. Nothing is guessed from them.
"""

import msgspec

from state import ids
from state.keys import ChargePointKeys
from state.store import Store

_EVICTED = b"evicted"


class Orphan(msgspec.Struct, frozen=True, kw_only=True):
    """`transaction_id` as sent. Its transactionData is among the stray meter values of connector 0."""

    transaction_id: str
    timestamp: str
    stopped_ms: int
    meter_stop: int
    id_tag: str | None
    reason: str | None
    received_ms: int
    answer: bytes

    def digest(self) -> str:
        """Tell it from another: charge points stop many a transaction by the id -1."""
        facts = (self.transaction_id, self.timestamp, self.meter_stop, self.id_tag)
        return ids.digest(msgspec.json.encode(facts))

    def pack(self) -> bytes:
        return msgspec.msgpack.encode(self)


class Orphans(msgspec.Struct, frozen=True, kw_only=True):
    """In the order of arrival. `evicted`: how many older ones gave way to these."""

    items: list[Orphan]
    evicted: int


def unpack(stored: bytes) -> Orphan:
    """Without the time of receipt in front, by which the step finds the oldest."""
    return msgspec.msgpack.decode(stored.partition(b" ")[2], type=Orphan)


async def forget(store: Store, tenant: str, charge_point: str, digest: str) -> bool:
    """Drop one that was settled by hand; sent again, it is new. False: no such orphan."""
    if digest.encode() == _EVICTED:
        return False
    return bool(await store.execute("HDEL", ChargePointKeys(tenant, charge_point).orphans, digest))


async def read(store: Store, tenant: str, charge_point: str) -> Orphans:
    stored: dict[bytes, bytes] = await store.execute("HGETALL", ChargePointKeys(tenant, charge_point).orphans)
    evicted = int(stored.pop(_EVICTED, b"0"))
    return Orphans(items=sorted(map(unpack, stored.values()), key=lambda o: o.received_ms), evicted=evicted)
