"""Orphans: stops of transactions that this store does not know, kept for operators to look at.

A stop that differs from the stored stop of its transaction is kept here too. The latest 10,000 orphans of
each charge point are kept. Orphans that were removed to make room are counted. We do not guess which
transaction an orphan belongs to.
"""

import msgspec

from state.keys import ChargePointKeys
from state.store import Store
from state.transactions.as_sent import fingerprint

_EVICTED = b"evicted"


class Orphan(msgspec.Struct, frozen=True, kw_only=True):
    """A stop that is not stored with a transaction.

    `transaction_id` is the id that the charge point sent, or None if it was unreadable. `contradicts` means
    that the transaction is known, but has another stop. `mark` is that of AsSent. The transactionData of the
    stop is among the stray meter values of connector 0.
    """

    transaction_id: str | None
    timestamp: str
    stopped_ms: int
    meter_stop: int | None
    id_tag: str | None
    reason: str | None
    received_ms: int
    answer: bytes
    as_sent: bytes | None = None
    mark: str = ""
    contradicts: bool = False

    def digest(self) -> str:
        """Return an id made of several fields, because many different stops have the transaction id -1."""
        facts = (self.transaction_id, self.timestamp, self.meter_stop, self.id_tag, self.reason)
        return fingerprint(facts, self.mark)

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

    The Lua step writes the time of receipt in front of each orphan, and a `!` if the orphan contradicts its
    transaction.
    """
    head, _, packed = stored.partition(b" ")
    orphan = msgspec.msgpack.decode(packed, type=Orphan)
    return msgspec.structs.replace(orphan, contradicts=True) if head.endswith(b"!") else orphan


async def forget(store: Store, tenant: str, charge_point: str, digest: str) -> bool:
    """Delete an orphan that an operator has dealt with. Returns False if there is no such orphan.

    If the charge point sends the stop again, it is stored as a new orphan.
    """
    if digest.encode() == _EVICTED:
        return False
    keys = ChargePointKeys(tenant, charge_point)
    deleted, _ = await store.pipeline([("HDEL", keys.orphans, digest), ("ZREM", keys.orphan_order, digest)])
    return bool(deleted)


async def read(store: Store, tenant: str, charge_point: str) -> Orphans:
    stored: dict[bytes, bytes] = await store.execute("HGETALL", ChargePointKeys(tenant, charge_point).orphans)
    evicted = int(stored.pop(_EVICTED, b"0"))
    return Orphans(items=sorted(map(unpack, stored.values()), key=lambda o: o.received_ms), evicted=evicted)
