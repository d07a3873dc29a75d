"""Finds out which acknowledged starts and stops the store does not know, for example after a restore."""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from state.keys import ChargePointKeys
from state.store import Store
from state.transactions import orphans


class Fact(msgspec.Struct, frozen=True, array_like=True):
    """A start or a stop as a gateway logged it (`facts.acknowledged`).

    `transaction_id` is the id as the charge point sent it, or the one that the start got. `timestamp` is the
    time that the charge point sent, and `meter` is its meter value in Wh. A stop has no `connector_id`.
    """

    kind: Literal["start", "stop"]
    tenant: str
    charge_point: str
    transaction_id: int | str | None
    connector_id: int | None
    timestamp: str
    meter: int | None


async def find_missing(store: Store, facts: Sequence[Fact]) -> list[Fact]:
    """Return the facts that the store does not have, in their order.

    A stop that the store has among the orphans is not missing. Its start may be.
    """
    keys = [ChargePointKeys(fact.tenant, fact.charge_point) for fact in facts]
    found = await store.pipeline(
        [
            (
                "HMGET",
                key.transaction("" if fact.transaction_id is None else fact.transaction_id),
                "at",
                "stop_at",
            )
            for key, fact in zip(keys, facts, strict=True)
        ]
    )
    missing = [
        fact
        for fact, (started, stopped) in zip(facts, found, strict=True)
        if (started if fact.kind == "start" else stopped) is None
    ]
    known = await _read_orphans(store, {_name(fact) for fact in missing if fact.kind == "stop"})
    return [fact for fact in missing if fact.kind == "start" or _stop(fact) not in known[_name(fact)]]


type _Name = tuple[str, str]
type _Stop = tuple[str, str, int | None]


async def _read_orphans(store: Store, names: Iterable[_Name]) -> dict[_Name, set[_Stop]]:
    found: dict[_Name, set[_Stop]] = {}
    for name in names:
        kept = await orphans.read(store, *name)
        found[name] = {(one.transaction_id or "", one.timestamp, one.meter_stop) for one in kept.items}
    return found


def _name(fact: Fact) -> _Name:
    return fact.tenant, fact.charge_point


def _stop(fact: Fact) -> _Stop:
    return "" if fact.transaction_id is None else str(fact.transaction_id), fact.timestamp, fact.meter
