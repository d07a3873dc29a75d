"""The present refused handshakes of each of many charge points."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from state.charge_points.refusals import NOT_OF_THE_CHARGE_POINT, Refused
from state.keys import ChargePointKeys
from state.store import Store

_decode = msgspec.json.Decoder(Refused).decode


class Refusal(NamedTuple):
    """The latest refusal that says something against the charge point.

    `since_ms` and `times` are those of all such refusals that came one after the other without a connection.
    """

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
    counted = [one for one in found if one.reason not in NOT_OF_THE_CHARGE_POINT]
    latest = max(counted, key=lambda one: one.last_ms, default=None)
    if latest is None:
        return None
    if (present := fields.get(b"present")) is not None:
        since_ms, _, times = map(int, present.split())
    else:  # An older release has stored the refusals.
        since_ms, times = latest.last_ms, int(fields.get(f"times:{latest.reason}".encode(), b"1"))
    return Refusal(latest.reason, times, since_ms, latest.last_ms, latest.address)
