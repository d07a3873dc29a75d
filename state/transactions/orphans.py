"""Orphans: stops of transactions that this store does not know, kept for operators to look at.

A stop that differs from the stored stop of its transaction is kept here too. The latest 10,000 orphans of
each charge point are kept. Orphans that were removed to make room are counted. We do not guess which
transaction an orphan belongs to; an operator can join it to one (joining.py).
"""

from typing import NamedTuple

import msgspec

from state.keys import ChargePointKeys
from state.store import Store
from state.transactions.as_sent import fingerprint

_EVICTED = b"evicted"


class Orphan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stop that is not stored with a transaction.

    `transaction_id` is the id that the charge point sent, or None if it was unreadable. `contradicts` means
    that the transaction is known, but has another stop. `joined_to` is the id of the transaction to which an
    operator joined the stop. `mark` is that of AsSent. The transactionData of the stop is among the stray
    meter values of connector 0.
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
    joined_to: int | None = None

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


class Stored(NamedTuple):
    """An orphan, and the text that the store has for it."""

    text: bytes
    orphan: Orphan

    def joined_to(self, id_: int) -> bytes:
        """Return the text for the orphan once it is joined to a transaction."""
        head, _, packed = self.text.partition(b" ")
        return b"%b>%d %b" % (head, id_, packed)


def unpack(stored: bytes) -> Orphan:
    """Decode a stored orphan.

    In front of each orphan is its time of receipt, with a `!` if the orphan contradicts its transaction, or
    with `>` and the id of the transaction to which it was joined. Older releases ignore what follows `>`.
    """
    head, _, packed = stored.partition(b" ")
    orphan = msgspec.msgpack.decode(packed, type=Orphan)
    if head.endswith(b"!"):
        return msgspec.structs.replace(orphan, contradicts=True)
    _, joined, id_ = head.partition(b">")
    return msgspec.structs.replace(orphan, joined_to=int(id_)) if joined else orphan


async def get(store: Store, keys: ChargePointKeys, digest: str) -> Stored | None:
    """Return an orphan of a charge point, or None if there is no such orphan."""
    if digest.encode() == _EVICTED:
        return None
    stored = await store.execute("HGET", keys.orphans, digest)
    return None if stored is None else Stored(stored, unpack(stored))


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
