"""Frames that name a fact but could not be read as a call, kept as they came for operators to look at.

The same text is kept once, with a count. The latest 100 texts of each charge point are kept. Texts that were
removed to make room are counted.
"""

import msgspec

from state import ids
from state.keys import ChargePointKeys
from state.store import Store

KEPT = 100
CHARACTERS_MAX = 16_384
"""Longest text that is kept. A longer one is cut."""
_EVICTED = b"evicted"


class UnreadableFact(msgspec.Struct, frozen=True, kw_only=True):
    """A frame as the charge point sent it. `length` is the number of its characters before it was cut."""

    id: str
    text: str
    length: int
    times: int
    first_ms: int
    last_ms: int


class UnreadableFacts(msgspec.Struct, frozen=True):
    """The unreadable facts of a charge point, the latest first. `evicted` counts the removed ones."""

    items: list[UnreadableFact]
    evicted: int


async def keep(store: Store, keys: ChargePointKeys, text: str, length: int, received_ms: int) -> None:
    """Keep a text, or count it again. Nothing is kept of a charge point that was deleted."""
    shown = text[:CHARACTERS_MAX]
    await store.step(
        "charge_points/unreadable_fact_keep",
        (keys.unreadable_facts, keys.unreadable_fact_order, keys.record, keys.lease),
        (ids.digest(text.encode(errors="replace")), f"{length}\n{shown}", received_ms, KEPT),
    )


async def read(store: Store, tenant: str, charge_point: str) -> UnreadableFacts:
    stored: dict[bytes, bytes] = await store.execute(
        "HGETALL", ChargePointKeys(tenant, charge_point).unreadable_facts
    )
    evicted = int(stored.pop(_EVICTED, b"0"))
    found = [_read(id_.decode(), record.decode()) for id_, record in stored.items()]
    return UnreadableFacts(sorted(found, key=lambda one: (-one.last_ms, one.id)), evicted)


async def forget(store: Store, tenant: str, charge_point: str, id_: str) -> bool:
    """Delete a text that an operator has dealt with. Returns False if there is no such text."""
    if id_.encode() == _EVICTED:
        return False
    keys = ChargePointKeys(tenant, charge_point)
    deleted, _ = await store.pipeline(
        [("HDEL", keys.unreadable_facts, id_), ("ZREM", keys.unreadable_fact_order, id_)]
    )
    return bool(deleted)


def _read(id_: str, record: str) -> UnreadableFact:
    head, length, text = record.split("\n", 2)
    times, first_ms, last_ms = map(int, head.split(" "))
    return UnreadableFact(
        id=id_, text=text, length=int(length), times=times, first_ms=first_ms, last_ms=last_ms
    )
