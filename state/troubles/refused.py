"""The latest refused handshake of each of many charge points."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from state.charge_points.refusals import Refused
from state.keys import ChargePointKeys
from state.store import Store

_NOT_OF_THE_CHARGE_POINT = frozenset(
    {
        *("unavailable", "memory_full", "busy", "store_away", "store_scarce", "tenant_full", "late_claim"),
        "flapping",
    }
)
"""Reasons that say nothing against the charge point, or that have a trouble of their own."""
_decode = msgspec.json.Decoder(Refused).decode


class Refusal(NamedTuple):
    reason: str
    times: int
    since_ms: int
    last_ms: int
    address: str


async def read(store: Store, charge_points: Sequence[ChargePointKeys]) -> list[Refusal | None]:
    """Read the latest refusal of each charge point that says something against it."""
    replies = await store.pipeline([("HGETALL", keys.refusals) for keys in charge_points])
    return [_latest(reply) for reply in replies]


def _latest(fields: dict[bytes, bytes]) -> Refusal | None:
    if not fields:
        return None
    found = [_decode(value) for name, value in fields.items() if name.startswith(b"last:")]
    counted = [one for one in found if one.reason not in _NOT_OF_THE_CHARGE_POINT]
    latest = max(counted, key=lambda one: one.last_ms, default=None)
    if latest is None:
        return None
    times = int(fields.get(f"times:{latest.reason}".encode(), b"1"))
    return Refusal(latest.reason, times, latest.last_ms, latest.last_ms, latest.address)
