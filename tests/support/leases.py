"""Helpers that the tests of leases, nodes and charge points share."""

from collections.abc import Iterable
from typing import Any

import msgspec

from state import keys as key_names
from state.keys import ChargePointKeys
from state.nodes import leases
from state.nodes.leases import Attachment, Claimed
from state.store import Store

KEYS = ChargePointKeys("acme", "CP-1")


def attachment(holder: str, *, since_ms: int = 1) -> Attachment:
    return Attachment(
        address="192.0.2.7", tls=None, since_ms=since_ms, node=holder.partition("/")[0], token_id="abcdefgh"
    )


async def claim(store: Store, holder: str, keys: ChargePointKeys = KEYS, **options: Any) -> Any:
    options = {"not_after_ms": store.server_time_ms() + 60_000, "register": True} | options
    return await leases.claim(store, keys, holder=holder, attachment=attachment(holder), **options)


async def claimed(store: Store, holder: str, keys: ChargePointKeys = KEYS, **options: Any) -> Claimed:
    got = await claim(store, holder, keys, **options)
    assert isinstance(got, Claimed)
    return got


async def held_by(
    store: Store, incarnation: str, partitions: Iterable[int] = range(key_names.PARTITIONS)
) -> set[str]:
    """Return the charge points whose lease a node holds, from the node's sets in all partitions."""
    sets = [("SMEMBERS", key_names.held(partition, incarnation)) for partition in partitions]
    return {member.decode() for some in await store.pipeline(sets) for member in some}


async def events(store: Store, keys: ChargePointKeys = KEYS) -> list[tuple[str, dict[str, Any]]]:
    """Return kind and data of a charge point's events, in order."""
    found = []
    for _, pairs in await store.execute("XRANGE", keys.events, "-", "+"):
        fields = dict(zip(pairs[::2], pairs[1::2], strict=True))
        if fields[b"of"].decode() == keys.member:
            found.append((fields[b"kind"].decode(), msgspec.json.decode(fields[b"data"])))
    return found


async def kinds(store: Store, keys: ChargePointKeys = KEYS) -> list[str]:
    return [kind.removeprefix("charge_point.") for kind, _ in await events(store, keys)]
