"""Joining: an operator says to which transaction an orphaned stop belongs, and csms stores it as its stop.

The orphan stays in the collection, with the transaction to which it was joined. So a charge point that sends
the stop again gets the same answer, and the stop is no new orphan.
"""

from typing import Literal, NamedTuple, cast

import msgspec

from state.keys import ChargePointKeys, unpacked
from state.redis.connection import Arg
from state.replies import flatten
from state.store import Store
from state.transactions.ending import StillCharging, conclude
from state.transactions.listing import public_id
from state.transactions.orphans import Stored


class Join(NamedTuple):
    """Who joined a stop to a transaction, and when csms received the request."""

    api_key: str
    received_ms: int


type JoinOutcome = Literal["joined", "stopped", "unknown", "changed"] | StillCharging
"""`stopped` means that the transaction has a stop, and `changed` that the orphan is not as it was read."""


async def join(
    store: Store, keys: ChargePointKeys, id_: int, found: Stored, join: Join, *, force: bool
) -> JoinOutcome:
    """Store an orphan as the stop of an open or ended transaction, and release the driver's hold.

    The transaction must be one of the charge point of the orphan. Without `force`, an open transaction that
    still charges gets no stop.
    """
    orphan = found.orphan
    event = {
        "transaction_id": public_id(keys.id, id_),
        "timestamp": orphan.timestamp,
        "meter_stop": orphan.meter_stop,
        "id_tag": orphan.id_tag,
        "reason": orphan.reason,
        "orphaned_stop": orphan.digest(),
        "api_key": join.api_key,
    }
    fields: dict[str, Arg | None] = {
        "stop_at": orphan.timestamp,
        "stop_ms": orphan.stopped_ms,
        "stop_meter": orphan.meter_stop,
        "stop_tag": orphan.id_tag,
        "stop_reason": orphan.reason,
        "stop_received_ms": orphan.received_ms,
        "stop_answer": orphan.answer,
        "stop_digest": orphan.digest(),
        "stop_as_sent": orphan.as_sent,
        "join_ms": join.received_ms,
        "join_api_key": join.api_key,
    }
    reply = await store.step(
        "transactions/join",
        (
            keys.transaction(id_),
            keys.starts,
            keys.open,
            keys.open_transactions,
            keys.orphans,
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
            orphan.digest(),
            found.text,
            found.joined_to(id_),
            *flatten(fields),
        ),
    )
    return cast("JoinOutcome", await conclude(store, keys, reply))
