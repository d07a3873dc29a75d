"""Holds: a driver's slots of concurrency, in the id tag's own slot of the store.

A hold that nobody releases expires by itself; a member that asks again is given its own hold again.
"""

from collections.abc import Sequence

from state import keys
from state.scripts import script
from state.store import Store
from state.tenants.id_tags import fold

_TAKE = script("hold_take")
_PROLONG = script("hold_prolong")

LASTS_MS = 3 * 3600 * 1000
"""How long a slot is taken for; prolonged every hour while its transaction lasts."""


def member(charge_point: str, fingerprint: str) -> str:
    return f"{keys.encode(charge_point)}/{fingerprint}"


async def hold(  # noqa: PLR0917 # As many as name a hold.
    store: Store, tenant: str, tag: str, member: str, maximum: int, until_ms: int
) -> bool:
    """Take one of the tag's `maximum` slots until then. False: others have them all."""
    return await take(store, keys.holds(tenant, fold(tag)), member, maximum, until_ms)


async def take(store: Store, key: str, member: str, maximum: int, until_ms: int) -> bool:
    """Take one of the `maximum` slots that `key` keeps, until then. False: others have them all."""
    reply = await store.step(_TAKE, [key], [member, maximum, until_ms])
    return bool(reply[0] == b"held")


async def prolong(store: Store, tenant: str, of: Sequence[tuple[str, str]], until_ms: int) -> int:
    """Let each (tag, member) hold on until then; returns how many do. What was released stays so."""
    calls = [((keys.holds(tenant, fold(tag)),), (member, until_ms)) for tag, member in of]
    return sum(reply[0] == b"held" for reply in await store.steps(_PROLONG, calls))


async def release(store: Store, tenant: str, tag: str, member: str) -> bool:
    """Give the slot back. False: there was no such hold (any more)."""
    return bool(await store.execute("ZREM", keys.holds(tenant, fold(tag)), member))
