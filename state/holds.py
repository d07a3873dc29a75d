"""Holds. A hold is one of the places that an id tag has for simultaneous transactions.

An id tag may have a maximum of simultaneous transactions. The id tag then has as many holds as this maximum,
and each transaction takes one of them.

The holds of an id tag are one sorted set, in which the score of a hold is its time of expiry. A hold that
nobody releases expires by itself. If a StartTransaction is repeated, it gets the hold that it has already.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from state import keys
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants.id_tags import fold

LASTS_MS = 3 * 3600 * 1000
"""How long a hold lasts. A hold is prolonged every 20 minutes while its transaction is open."""


class Place(NamedTuple):
    """A hold: one of the places of an id tag.

    `transaction` is the id of the transaction that has it, or None if its start is not known (any more).
    """

    charge_point: str
    fingerprint: str
    until_ms: int
    transaction: int | None


async def hold(
    store: Store, charge_point: ChargePointKeys, tag: str, fingerprint: str, maximum: int, *, void: str = ""
) -> bool:
    """Take one of the tag's `maximum` holds for LASTS_MS.

    The hold with the fingerprint `void` of the same charge point and tag ends, and its place is free. False
    means that other transactions have all these holds.
    """
    until_ms = store.server_time_ms() + LASTS_MS
    member, voided = (_member(charge_point, one) if one else "" for one in (fingerprint, void))
    return await take(store, _slots(charge_point, tag), member, maximum, until_ms, void=voided)


async def take(store: Store, key: str, member: str, maximum: int, until_ms: int, *, void: str = "") -> bool:
    """Take one of the `maximum` holds in the set `key` until `until_ms`. The hold of `void` ends.

    False means that other members have taken all these holds.
    """
    reply = await store.step("hold_take", [key], [member, maximum, until_ms, void])
    return bool(reply[0] == b"held")


async def prolong(store: Store, wanted: Sequence[tuple[ChargePointKeys, str, str]]) -> int:
    """Prolong the hold of each (charge point, tag, fingerprint) to LASTS_MS from now.

    A hold that was released stays released. Returns how many were prolonged.
    """
    until_ms = store.server_time_ms() + LASTS_MS
    calls = [
        ((_slots(charge_point, tag),), (_member(charge_point, fingerprint), until_ms))
        for charge_point, tag, fingerprint in wanted
    ]
    return sum(reply[0] == b"held" for reply in await store.steps("hold_prolong", calls))


async def release(store: Store, charge_point: ChargePointKeys, tag: str, fingerprint: str) -> bool:
    """Release the hold of a transaction. False means that the transaction had no hold."""
    return bool(await store.execute("ZREM", _slots(charge_point, tag), _member(charge_point, fingerprint)))


async def list_(store: Store, tenant: str, tag: str) -> list[Place]:
    """List the holds of a tag that have not expired, the one that expires first in front."""
    key, now_ms = keys.holds(tenant, fold(tag)), store.server_time_ms()
    found = await store.execute("ZRANGE", key, now_ms, "+inf", "BYSCORE", "WITHSCORES")
    named = [(*member.decode().split("/"), int(until_ms)) for member, until_ms in found]
    places = [(ChargePointKeys(tenant, keys.decode(name)), mark, until) for name, mark, until in named]
    started = await store.pipeline([("HGET", of.starts, mark) for of, mark, _ in places])
    return [
        Place(of.id, mark, until, None if id_ is None else int(id_.rstrip(b"!")))
        for (of, mark, until), id_ in zip(places, started, strict=True)
    ]


async def release_for_operator(store: Store, tenant: str, tag: str, place: Place, api_key: str) -> bool:
    """Release a hold, and report it. False means that the hold is gone already.

    The event comes first, because a release without an event would never be reported. If the release fails,
    the operator repeats it.
    """
    of = ChargePointKeys(tenant, place.charge_point)
    event = {
        "id_tag": tag,
        "transaction_id": None if place.transaction is None else f"{of.id}.{place.transaction}",
        "api_key": api_key,
    }
    await store.step("hold_note", (of.events,), (of.member, msgspec.json.encode(event)))
    return await release(store, of, tag, place.fingerprint)


async def release_finished(store: Store, charge_point: ChargePointKeys, ids: Sequence[str]) -> None:
    """Release the holds of finished transactions of a charge point, in case an earlier release failed.

    Nobody prolongs the hold of a finished transaction, so only one that finished lately may have a hold.
    """
    read = ("tag", "fingerprint", "stop_received_ms", "end_received_ms")
    found = await store.pipeline([("HMGET", charge_point.transaction(id_), *read) for id_ in ids])
    since_ms = store.server_time_ms() - 2 * LASTS_MS
    await store.pipeline(
        [
            ("ZREM", _slots(charge_point, tag.decode()), _member(charge_point, fingerprint.decode()))
            for tag, fingerprint, *finished in found
            if tag is not None and fingerprint is not None
            if max((int(ms) for ms in finished if ms is not None), default=0) > since_ms
        ]
    )


def _slots(charge_point: ChargePointKeys, tag: str) -> str:
    return keys.holds(charge_point.tenant, fold(tag))


def _member(charge_point: ChargePointKeys, fingerprint: str) -> str:
    return f"{keys.encode(charge_point.id)}/{fingerprint}"
