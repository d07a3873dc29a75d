"""The stop of a transaction, which is stored once, with the answer that the charge point got.

A stop is stored even if its session is stale, as a start is.
"""

import msgspec

from state import compact
from state.keys import encode, unpacked
from state.nodes.leases import Fence, Lease, fence_of
from state.redis.connection import Arg
from state.replies import flatten
from state.store import Store
from state.transactions import orphans, stored_values
from state.transactions.as_sent import NOTHING_REPAIRED, AsSent
from state.transactions.listing import public_id
from state.transactions.running import Hold


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """A StopTransaction, as it is stored.

    `transaction_id` is the id as the charge point sent it, and is never read as a number. `data` is the
    transactionData array, in JSON as received.
    """

    transaction_id: str | None
    timestamp: str
    stopped_ms: int
    meter_stop: int | None
    id_tag: str | None = None
    reason: str | None = None
    data: bytes | None = None
    received_ms: int
    as_sent: AsSent = NOTHING_REPAIRED


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of a stop that was stored with its transaction.

    `id_tag`, `fingerprint`, `connector_id`, `meter_start` and `started_ms` are those of the transaction's
    start. `held` is False if this start surely took no hold.
    """

    answer: bytes
    fence: Fence
    id_tag: str
    fingerprint: str
    connector_id: int | None
    meter_start: int | None
    started_ms: int
    held: bool

    @property
    def hold(self) -> Hold | None:
        """The hold that the transaction may still have."""
        return Hold(self.id_tag, self.fingerprint) if self.held and self.fingerprint else None


class StopReplayed(Stopped, frozen=True, kw_only=True):
    """Outcome of a stop whose transaction was stopped before. `answer` is the answer to the stored stop.

    The stored stop is not changed. `fingerprint` is empty if a later start has the same fingerprint, because
    the hold now belongs to that start.
    """


class Orphaned(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of a stop whose transaction is unknown. The stop is kept among the orphans.

    `replayed` means that the same stop was stored before, with this answer. `contradicts` means that the
    transaction is known, but has another stop.
    """

    answer: bytes
    fence: Fence
    replayed: bool
    contradicts: bool = False


type StopOutcome = Stopped | StopReplayed | Orphaned


async def stop(store: Store, lease: Lease, stop: Stop, answer: bytes) -> StopOutcome:
    """Store a stop with its answer once.

    The caller then releases the driver's hold. This includes the hold of a repeated stop, because the first
    release may have failed.
    """
    keys, wire_id = lease.keys, stop.transaction_id or ""
    orphan = orphans.Orphan(
        transaction_id=stop.transaction_id,
        timestamp=stop.timestamp,
        stopped_ms=stop.stopped_ms,
        meter_stop=stop.meter_stop,
        id_tag=stop.id_tag,
        reason=stop.reason,
        received_ms=stop.received_ms,
        answer=answer,
        as_sent=stop.as_sent.fields,
        mark=stop.as_sent.mark,
    )
    digest = orphan.digest()
    event = {
        "transaction_id": None if stop.transaction_id is None else public_id(keys.id, wire_id),
        "timestamp": stop.timestamp,
        "meter_stop": stop.meter_stop,
        "id_tag": stop.id_tag,
        "reason": stop.reason,
    }
    fields: dict[str, Arg | None] = {
        "stop_at": stop.timestamp,
        "stop_ms": stop.stopped_ms,
        "stop_meter": stop.meter_stop,
        "stop_tag": stop.id_tag,
        "stop_reason": stop.reason,
        "stop_received_ms": stop.received_ms,
        "stop_answer": answer,
        "stop_digest": digest,
        "stop_as_sent": stop.as_sent.fields,
    }
    text = None if stop.data is None else stored_values.text_of_stop(stop.data)
    reply = await store.step(
        "transactions/stop",
        (
            *lease.head_keys(),
            keys.starts,
            keys.open,
            keys.orphans,
            keys.orphan_order,
            *keys.of_transaction(wire_id),
            keys.stray_values(0),
            keys.stray_counts,
            keys.open_transactions,
            keys.charging_profiles,
            unpacked(keys.partition),
            keys.completed,
        ),
        (
            *lease.head_args(),
            encode(wire_id),
            digest,
            orphan.pack(),
            msgspec.json.encode(event),
            b"" if text is None else compact.pack(text),
            b"" if text is None else stored_values.digest(text),
            stop.received_ms,
            keys.queued(wire_id),
            *flatten(fields),
        ),
    )
    fence = fence_of(reply[1])
    match reply[0]:
        case b"orphaned" | b"contradicts" as word:
            return Orphaned(answer=answer, fence=fence, replayed=False, contradicts=word == b"contradicts")
        case b"orphan_replayed":
            return Orphaned(answer=orphans.unpack(reply[2]).answer, fence=fence, replayed=True)
        case outcome:
            kind = Stopped if outcome == b"stopped" else StopReplayed
            return kind(
                answer=reply[5],
                fence=fence,
                id_tag=reply[3].decode(),
                fingerprint=reply[4].decode(),
                connector_id=_number(reply[2]),
                meter_start=_number(reply[6]),
                started_ms=int(reply[7]),
                held=reply[8] != b"1",
            )


def _number(text: bytes) -> int | None:
    return int(text) if text else None
