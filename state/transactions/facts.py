"""The two facts of a transaction, start and stop.

Each fact is stored once, with the answer that the charge point got. A fact is stored even if its session is
stale, which means that the session has lost the lease. `fence` in the outcome shows whether the session is
stale.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import force_setattr

from state import compact, holds, ids
from state.errors import IdsExhausted, StateError, StoreUnavailable
from state.keys import ChargePointKeys, encode, unpacked
from state.nodes.leases import Fence, Lease, fence_of
from state.store import Store
from state.tenants.id_tags import fold
from state.transactions import orphans, stored_values
from state.transactions.as_sent import NOTHING_REPAIRED, AsSent, fingerprint
from state.transactions.listing import index_name, public_id
from state.transactions.running import Hold, read_hold

_LAST_ID = 2**31 - 1
_ATTEMPTS = 5
_json = msgspec.json.encode
type _Fields = dict[str, str | bytes | int | None]


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """A StartTransaction, as it is stored.

    `timestamp` is the text that the charge point sent, and `started_ms` is that time as csms understood it.
    `plausible` means that the charge point's clock was set. `fingerprint` is computed from the connector, the
    folded id tag, the timestamp and the meter value. The fingerprint identifies the start among all starts of
    the same charge point. The fingerprint has 16 characters that are safe in keys.
    """

    connector_id: int | None
    id_tag: str
    timestamp: str
    started_ms: int
    plausible: bool
    meter_start: int | None
    reservation_id: int | None = None
    received_ms: int
    as_sent: AsSent = NOTHING_REPAIRED
    fingerprint: str = ""

    def __post_init__(self) -> None:
        facts = (self.connector_id, fold(self.id_tag), self.timestamp, self.meter_start)
        force_setattr(self, "fingerprint", fingerprint(facts, self.as_sent.mark))


class Limit(NamedTuple):
    """A driver's limit: `slots` transactions at once, and the `answer` to a start beyond that number."""

    slots: int
    answer: bytes


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


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of a start that was stored as a new transaction.

    `clock_fault` means that a transaction with the same start was stopped before. The charge point's clock is
    not set then. `superseded` is the hold of the transaction that was open on this connector until now. The
    superseded transaction stays open. `superseded` is None if no transaction was open on this connector, or
    if the session is stale. `awaited` means that a remote start waits for its transaction, which may be this
    one.
    """

    id: int
    answer: bytes
    fence: Fence
    clock_fault: bool
    superseded: Hold | None
    awaited: bool


class Present(NamedTuple):
    """What the store knows before a new start. `running` is the hold of the connector's open transaction.

    `reservations` has the stored reservations by their ids.
    """

    running: Hold | None
    reservations: Mapping[int, bytes]


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of a repeated start. `id`, `answer` and `superseded` are those of the stored start.

    The stored start was not changed.
    """

    id: int
    answer: bytes
    fence: Fence
    superseded: Hold | None = None


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of a stop that was stored with its transaction.

    `id_tag`, `fingerprint`, `connector_id`, `meter_start` and `started_ms` are those of the transaction's
    start.
    """

    answer: bytes
    fence: Fence
    id_tag: str
    fingerprint: str
    connector_id: int | None
    meter_start: int | None
    started_ms: int

    @property
    def hold(self) -> Hold | None:
        """The hold that the transaction may still have."""
        return Hold(self.id_tag, self.fingerprint) if self.fingerprint else None


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


type StartOutcome = Started | Replayed
type StopOutcome = Stopped | StopReplayed | Orphaned


async def find_start(store: Store, lease: Lease, start: Start) -> Replayed | Present:
    """Return the stored answer to this start, or what the store knows before a new start.

    Call this before `start`, because a repeated start must not take another hold. The caller releases the
    hold that the repeated start superseded again, because the first release may have failed.
    """
    keys = lease.keys
    known, pointer, stored = await store.step(
        "transactions/find_start",
        (keys.starts, keys.open, keys.reservations),
        (start.fingerprint, _text(start.connector_id)),
    )
    reserved = {int(id_): record for id_, record in zip(stored[::2], stored[1::2], strict=True)}
    if known and not (known.endswith(b"!") and not start.plausible):
        replayed = await _replay(store, lease, int(known.rstrip(b"!")))
        if replayed is not None:
            return replayed
    return Present(read_hold(pointer), reserved)


async def start(
    store: Store,
    lease: Lease,
    start: Start,
    answer: bytes,
    *,
    reservation: int | None = None,
    limit: Limit | None = None,
    running: Hold | None = None,
) -> StartOutcome:
    """Store a start with its answer under a new id, or return the stored answer of a repeated start.

    `reservation` is the reservation that the start uses if it names none. With a limit, the start takes one
    of the driver's holds. If no hold is left, the start is stored with the limit's answer. `running` is the
    hold of the connector's open transaction. If the same driver has it, the new start takes it over, because
    only one transaction can run on a connector. The caller then releases the superseded hold, which no answer
    has to wait for. Raises IdsExhausted if no id below 2^31 is left, and StateError if no id was accepted in
    several attempts.
    """
    held = False
    if limit is not None:
        void = running.fingerprint if running and fold(running.id_tag) == fold(start.id_tag) else ""
        held = await holds.hold(store, lease.keys, start.id_tag, start.fingerprint, limit.slots, void=void)
        answer = answer if held else limit.answer
    try:
        return await _store_start(store, lease, start, answer, reservation)
    except StateError as error:
        # A start that may have been stored keeps its hold. If the start is repeated, it is a replay, which
        # takes no hold.
        if held and not (isinstance(error, StoreUnavailable) and error.sent):
            await holds.release(store, lease.keys, start.id_tag, start.fingerprint)
        raise


async def _store_start(
    store: Store, lease: Lease, start: Start, answer: bytes, reservation: int | None
) -> StartOutcome:
    proposed = max(lease.last_transaction_id + 1, ids.least_number(store.server_time_ms()))
    for _ in range(_ATTEMPTS):
        # If no id is left, the id 0 is proposed. The step never accepts the id 0, but it still finds a
        # replay.
        number = proposed if proposed <= _LAST_ID else 0
        reply = await _propose(store, lease, start, answer, proposed=number, reservation=reservation)
        fence = fence_of(reply[1])
        match reply[0]:
            case b"started":
                lease.last_transaction_id = max(lease.last_transaction_id, proposed)
                if fence == "lost" and start.connector_id is not None:
                    lease.unpointed[start.connector_id] = _pointer(start, proposed)
                return Started(
                    id=proposed,
                    answer=answer,
                    fence=fence,
                    clock_fault=reply[2] == b"1",
                    superseded=read_hold(reply[3]),
                    awaited=reply[4] == b"1",
                )
            case b"seen":
                if (replayed := await _replay(store, lease, int(reply[2]))) is not None:
                    return replayed
            case _:
                proposed = max(lease.last_transaction_id + 1, int(reply[2]))
                if proposed > _LAST_ID:
                    raise IdsExhausted(f"{lease.keys.id}: no transaction id is left below 2^31")
    raise StateError(f"{lease.keys.id}: no transaction id was accepted in {_ATTEMPTS} attempts")


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
    fields: _Fields = {
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
            keys.transaction(wire_id),
            keys.values(wire_id),
            keys.packed(wire_id),
            keys.stray_values(0),
            keys.stray_counts,
            keys.open_transactions,
            keys.charging_profiles,
            unpacked(keys.partition),
        ),
        (
            *lease.head_args(),
            encode(wire_id),
            digest,
            orphan.pack(),
            _json(event),
            b"" if text is None else compact.pack(text),
            b"" if text is None else stored_values.digest(text),
            stop.received_ms,
            keys.queued(wire_id),
            *_flatten(fields),
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
            )


async def _propose(
    store: Store, lease: Lease, start: Start, answer: bytes, *, proposed: int, reservation: int | None
) -> list[bytes]:
    keys, mark = lease.keys, start.fingerprint
    event = {
        "transaction_id": public_id(keys.id, proposed),
        "connector_id": start.connector_id,
        "id_tag": start.id_tag,
        "timestamp": start.timestamp,
        "meter_start": start.meter_start,
        "reservation_id": start.reservation_id,
    }
    fields: _Fields = {
        "connector": start.connector_id,
        "tag": start.id_tag,
        "at": start.timestamp,
        "ms": start.started_ms,
        "meter": start.meter_start,
        "reservation": start.reservation_id,
        "received_ms": start.received_ms,
        "fingerprint": mark,
        "answer": answer,
        "as_sent": start.as_sent.fields,
    }
    return await store.step(
        "transactions/start",
        (
            *lease.head_keys(),
            keys.record,
            keys.starts,
            keys.open,
            keys.transaction(proposed),
            keys.history,
            keys.transactions,
            keys.open_transactions,
            keys.reservations,
            keys.remote_starts,
        ),
        (
            *lease.head_args(),
            proposed,
            mark,
            int(start.plausible),
            _text(start.connector_id),
            _pointer(start, proposed),
            index_name(keys.id, start.started_ms, proposed),
            _json(event),
            _reservation(start, reservation),
            *_flatten(fields),
        ),
    )


def _pointer(start: Start, transaction_id: int) -> str:
    return f"{transaction_id} {start.fingerprint} {start.id_tag}"


def _reservation(start: Start, found: int | None) -> str:
    """Return the id of the reservation that the start uses, or an empty text.

    The id 0 counts as no reservation, because many charge points send 0 if they have none. A start on an
    unknown connector uses no reservation.
    """
    if start.connector_id is None:
        return ""
    return str(start.reservation_id or found or "")


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _number(text: bytes) -> int | None:
    return int(text) if text else None


async def _replay(store: Store, lease: Lease, transaction_id: int) -> Replayed | None:
    reply = await store.step(
        "transactions/replay", (*lease.head_keys(), lease.keys.transaction(transaction_id)), lease.head_args()
    )
    if reply[0] == b"gone":
        return None
    superseded = read_hold(reply[3])
    return Replayed(id=transaction_id, answer=reply[2], fence=fence_of(reply[1]), superseded=superseded)


async def release_hold(store: Store, keys: ChargePointKeys, hold: Hold) -> None:
    """Release the hold of a transaction that may still be open."""
    await holds.release(store, keys, hold.id_tag, hold.fingerprint)


async def prolong_holds(store: Store, leases: Sequence[Lease]) -> None:
    """Prolong the holds of the open transactions of these charge points.

    Only drivers with a limit have holds.
    """
    pointers = await store.pipeline([("HVALS", lease.keys.open) for lease in leases])
    wanted = [
        (lease.keys, *hold)
        for lease, of_one in zip(leases, pointers, strict=True)
        for pointer in of_one
        if (hold := read_hold(pointer))
    ]
    await holds.prolong(store, wanted)


def _flatten(fields: _Fields) -> list[str | bytes | int]:
    return [part for name, value in fields.items() if value is not None for part in (name, value)]
