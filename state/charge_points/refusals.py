"""Handshakes that csms refused, with the true reason for each.

Each refusal goes to the records of the tenant that the handshake named, or to those of nobody
(state/tenants/refusal_records.py). For a registered charge point, each reason has also a count with the time,
the address and the detail of its last refusal. The number of reasons is small, so no flood pushes these
counts out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from state import keys as key_names
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants import refusal_records
from state.tenants.refusal_records import Kind, Refusals

ATTACK_FAILURES = 30
"""So many failed authentications of a charge point within QUIET_MS are an attack."""
QUIET_MS = 10 * 60 * 1000
"""An attack ends when nothing has failed for this time. Each attack is one event."""
COUNTS_OFFLINE_MS, COUNTS_ONLINE_MS = 86_400_000, 900_000
"""How long a refusal counts for a charge point that is offline, and for one that is online.

If the charge point is online, somebody else tried to connect with its name.
"""
NOT_OF_THE_CHARGE_POINT = frozenset(
    {
        *("unavailable", "memory_full", "busy", "store_away", "store_scarce", "tenant_full", "late_claim"),
        "flapping",
    }
)
"""Reasons that say nothing against the charge point, or that have a trouble of their own."""
_TIMES, _LAST = "times:", "last:"
_ADOPTED = 200


class Gathered(NamedTuple):
    """Refusals that one gateway gathered.

    `keys` are those of the charge point that the handshake named, if csms got so far as to look for it. The
    charge point need not be registered. `failed` means that the refusals are failed authentications, and
    `ours` that the peer is not their cause.
    """

    refused: Refusals
    keys: ChargePointKeys | None = None
    failed: bool = False
    ours: bool = False


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Refusals for one reason. `address` and `detail` are those of the last refusal."""

    reason: str
    times: int
    last_ms: int
    address: str
    detail: str


async def record(store: Store, gathered: Sequence[Gathered], *, events: int = 0) -> int:
    """Add refusals to those in the store. Raises StoreUnavailable, and then some may have been added.

    At most `events` events about charge points under attack are emitted. Returns how many there were.
    """
    kinds: dict[Refusals, Kind] = {one.refused: "ours" if one.ours else "stranger" for one in gathered}
    emitted = 0
    known = sorted(
        ((one, one.keys) for one in gathered if one.keys is not None), key=lambda one: -one[0].refused.times
    )
    calls = [_call(one, keys, emits=number < events) for number, (one, keys) in enumerate(known)]
    for (one, _), [word] in zip(known, await store.steps("charge_points/refusal_record", calls), strict=True):
        emitted += word == b"attacked"
        if word != b"unknown" and not one.ours:
            kinds[one.refused] = "registered"
    await refusal_records.record(store, list(kinds.items()))
    return emitted


async def read(store: Store, tenant: str, charge_point: str) -> list[Refused]:
    """Return the refusals of a charge point by reason, the latest first."""
    reply = await store.execute("HGETALL", ChargePointKeys(tenant, charge_point).refusals)
    fields = {name.decode(): value for name, value in reply.items()}
    found = []
    for name, value in fields.items():
        if name.startswith(_LAST):
            last = msgspec.json.decode(value, type=Refused)
            times = int(fields.get(_TIMES + last.reason, b"1"))
            found.append(msgspec.structs.replace(last, times=times))
    return sorted(found, key=lambda one: -one.last_ms)


async def forget(store: Store, tenant: str, charge_point: str) -> None:
    """Delete the refusals of a charge point. Gateways may still add some that they gathered before."""
    await store.execute("UNLINK", ChargePointKeys(tenant, charge_point).refusals)
    await refusal_records.forget(store, tenant, charge_point)


async def adopt_old(store: Store) -> None:
    """Move refusals from the list of older releases to the records of nobody."""
    [entries] = await store.pipeline([("XRANGE", key_names.REFUSALS, "-", "+", "COUNT", _ADOPTED)])
    if not entries:
        return
    # Only the process that removed an entry adds it, so no entry counts twice.
    removed = await store.pipeline([("XDEL", key_names.REFUSALS, entry) for entry, _ in entries])
    moved: list[tuple[Refusals, Kind]] = []
    for (_, pairs), mine in zip(entries, removed, strict=True):
        if mine:
            one = msgspec.json.decode(pairs[1], type=Refused)
            at = one.last_ms
            old = Refusals(None, None, one.address, one.reason, one.times, at, at, one.detail)
            moved.append((old, "stranger"))
    await refusal_records.record(store, moved)


def _call(
    one: Gathered, keys: ChargePointKeys, *, emits: bool
) -> tuple[Sequence[str], Sequence[str | int | bytes]]:
    refused = one.refused
    last = Refused(
        reason=refused.reason,
        times=refused.times,
        last_ms=refused.last_ms,
        address=refused.address,
        detail=refused.detail,
    )
    failures = refused.times if one.failed else 0
    counts = int(refused.reason not in NOT_OF_THE_CHARGE_POINT)
    return (keys.refusals, keys.record, keys.lease, keys.events), (
        *(refused.reason, refused.times, msgspec.json.encode(last)),
        *(counts, refused.first_ms, refused.last_ms, COUNTS_OFFLINE_MS, COUNTS_ONLINE_MS),
        *(failures, int(emits), ATTACK_FAILURES, QUIET_MS, keys.member),
    )
