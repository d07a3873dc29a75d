"""Handshakes that csms refused, with the true reason for each.

For a registered charge point, each reason has a count, and the time, the address and the detail of its last
refusal. The number of reasons is small, so nobody can fill the store with refused handshakes. All other
refusals, such as those of unknown tenants and failed TLS handshakes, go to one list of the store, which keeps
the latest 2,000.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from state import keys as key_names
from state.keys import ChargePointKeys
from state.store import Store

LISTED = 2_000
_TIMES, _LAST = "times:", "last:"


class Refusals(NamedTuple):
    """Refusals for one reason that one gateway gathered.

    `keys` is None if no charge point is known. The charge point of `keys` need not be registered.
    """

    keys: ChargePointKeys | None
    reason: str
    times: int
    last_ms: int
    address: str
    detail: str


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Refusals for one reason. `address` and `detail` are those of the last refusal."""

    reason: str
    times: int
    last_ms: int
    address: str
    detail: str


async def record(store: Store, gathered: Sequence[Refusals]) -> None:
    """Add refusals to those in the store. Raises StoreUnavailable, and then some may have been added."""
    others = [one for one in gathered if one.keys is None]
    known = [(one, one.keys) for one in gathered if one.keys is not None]
    if known:
        calls = [((keys.refusals, keys.record), (one.reason, one.times, _encode(one))) for one, keys in known]
        replies = await store.steps("charge_points/refusal_record", calls)
        others += [one for (one, _), [word] in zip(known, replies, strict=True) if word == b"unknown"]
    if others:
        await store.pipeline(
            [
                ("XADD", key_names.REFUSALS, "MAXLEN", "~", LISTED, "*", "refused", _encode(one))
                for one in others
            ]
        )


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


async def list_unknown(store: Store, limit: int = 100) -> list[Refused]:
    """Return the latest refusals that concern no registered charge point, the latest first."""
    entries = await store.execute("XREVRANGE", key_names.REFUSALS, "+", "-", "COUNT", limit)
    return [msgspec.json.decode(pairs[1], type=Refused) for _, pairs in entries]


async def forget(store: Store, tenant: str, charge_point: str) -> None:
    """Delete the refusals of a charge point. Gateways may still add some that they gathered before."""
    await store.execute("UNLINK", ChargePointKeys(tenant, charge_point).refusals)


def _encode(one: Refusals) -> bytes:
    return msgspec.json.encode(msgspec.convert(one._asdict(), Refused))
