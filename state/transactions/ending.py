"""The end of a transaction whose StopTransaction did not come, by an operator or by a policy of the tenant.

An end has fields of its own, beside those of the stop. If the stop still comes, it is stored as the first
stop.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

import msgspec

from state import holds
from state.keys import ChargePointKeys, unpacked
from state.replies import flatten
from state.store import Store
from state.transactions.listing import Transaction, public_id

type TimeSource = Literal["given", "meter_values", "start"]
type MeterSource = Literal["given", "meter_values"]
type Policy = Literal["superseded", "age"]
"""Why a policy ended a transaction: its connector began another one, or it was open for too long."""


class End(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a transaction, as it is stored.

    `ended_ms` and `meter` (in Wh) are what the operator gave, or what csms took from elsewhere. The sources
    say which. `meter` and `meter_source` are None if the reading of the meter is unknown. `api_key` is the
    id of the operator's API key. It is None if a policy of the tenant ended the transaction.
    """

    ended_ms: int
    time_source: TimeSource
    meter: int | None
    meter_source: MeterSource | None
    received_ms: int
    api_key: str | None
    policy: Policy | None = None


class StillCharging(NamedTuple):
    """The charge point is online, and its connector reports `status`, so nothing was changed."""

    status: str


type EndOutcome = Literal["ended", "again", "stopped", "unknown"] | StillCharging
"""`again` means that an operator has ended the transaction before, and `stopped` that it has a stop."""


async def end(store: Store, tenant: str, transaction: Transaction, end: End, *, force: bool) -> EndOutcome:
    """End an open transaction, and release the driver's hold.

    Nothing is changed if the transaction was stopped or ended before. A repeated end also releases the hold,
    in case the first release failed. Without `force`, a transaction that still charges is not ended.
    """
    keys, id_ = ChargePointKeys(tenant, transaction.charge_point), transaction.id
    event = {
        "transaction_id": public_id(keys.id, id_),
        "at_ms": end.ended_ms,
        "at_source": end.time_source,
        "meter": end.meter,
        "meter_source": end.meter_source,
        "api_key": end.api_key,
        "policy": end.policy,
    }
    fields = {
        "end_ms": end.ended_ms,
        "end_source": end.time_source,
        "end_meter": end.meter,
        "end_meter_source": end.meter_source,
        "end_received_ms": end.received_ms,
        "end_api_key": end.api_key,
        "end_policy": end.policy,
    }
    reply = await store.step(
        "transactions/end",
        (
            keys.transaction(id_),
            keys.starts,
            keys.open,
            keys.open_transactions,
            keys.lease,
            keys.connectors,
            keys.charging_profiles,
            keys.events,
            unpacked(keys.partition),
            keys.completed,
        ),
        (
            id_,
            keys.member,
            int(force),
            msgspec.json.encode(event),
            keys.queued(id_),
            *flatten(fields),
        ),
    )
    return cast("EndOutcome", await conclude(store, keys, reply))


async def conclude(store: Store, keys: ChargePointKeys, reply: Sequence[bytes]) -> str | StillCharging:
    """Release the hold that the reply of the step `end` or `join` names, and return the outcome.

    Each word of these steps is the outcome of the same name, apart from `charging`. The reply to what was
    done names the tag and the fingerprint of the hold. The fingerprint is empty if the hold belongs to a
    later start.
    """
    word, *named = (part.decode() for part in reply)
    if word == "charging":
        return StillCharging(*named)
    if named:
        tag, fingerprint = named
        if fingerprint:
            await holds.release(store, keys, tag, fingerprint)
    return word
