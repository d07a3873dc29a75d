"""Holds: a driver's slots of concurrency, in the id tag's own slot of the store.

A hold that nobody releases expires by itself; a member that asks again is given its own hold again.
"""

from collections.abc import Sequence

from state import keys
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants.id_tags import fold

LASTS_MS = 3 * 3600 * 1000
"""How long a slot is taken for; prolonged every hour while its transaction lasts."""


async def hold(store: Store, charge_point: ChargePointKeys, tag: str, fingerprint: str, maximum: int) -> bool:
    """Take one of the tag's `maximum` slots for LASTS_MS. False: others have them all."""
    until_ms = store.server_time_ms() + LASTS_MS
    return await take(store, _slots(charge_point, tag), _member(charge_point, fingerprint), maximum, until_ms)


async def take(store: Store, key: str, member: str, maximum: int, until_ms: int) -> bool:
    """Take one of the `maximum` slots that `key` keeps, until then. False: others have them all."""
    reply = await store.step("hold_take", [key], [member, maximum, until_ms])
    return bool(reply[0] == b"held")


async def prolong(store: Store, charge_point: ChargePointKeys, wanted: Sequence[tuple[str, str]]) -> int:
    """Let each (tag, fingerprint) hold on for LASTS_MS; returns how many do. What was released stays so."""
    until_ms = store.server_time_ms() + LASTS_MS
    calls = [
        ((_slots(charge_point, tag),), (_member(charge_point, fingerprint), until_ms))
        for tag, fingerprint in wanted
    ]
    return sum(reply[0] == b"held" for reply in await store.steps("hold_prolong", calls))


async def release(store: Store, charge_point: ChargePointKeys, tag: str, fingerprint: str) -> bool:
    """Give the slot back. False: there was no such hold (any more)."""
    return bool(await store.execute("ZREM", _slots(charge_point, tag), _member(charge_point, fingerprint)))


def _slots(charge_point: ChargePointKeys, tag: str) -> str:
    return keys.holds(charge_point.tenant, fold(tag))


def _member(charge_point: ChargePointKeys, fingerprint: str) -> str:
    return f"{keys.encode(charge_point.id)}/{fingerprint}"
