"""Transactions: two write-once facts, start and stop, each kept with the answer it was given.

Facts are never refused: a stale session's are stored as any other, and the outcome's `fence` says so.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import force_setattr

from state import holds, ids
from state.errors import IdsExhausted, StateError, StoreUnavailable
from state.keys import encode
from state.nodes.leases import Fence, Lease, fence_of
from state.store import Store
from state.tenants.id_tags import fold
from state.transactions import meter_values, orphans
from state.transactions.listing import index_name, public_id

_LAST_ID = 2**31 - 1
_ATTEMPTS = 5
_json = msgspec.json.encode
type _Fields = dict[str, str | bytes | int | None]


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """`timestamp` as sent, `started_ms` as understood. `plausible`: the charge point's clock was set.

    `fingerprint` follows from the rest and tells a start from another of the same charge point: 16
    characters, safe in keys.
    """

    connector_id: int
    id_tag: str
    timestamp: str
    started_ms: int
    plausible: bool
    meter_start: int
    reservation_id: int | None = None
    received_ms: int
    fingerprint: str = ""

    def __post_init__(self) -> None:
        facts = (self.connector_id, fold(self.id_tag), self.timestamp, self.meter_start)
        force_setattr(self, "fingerprint", ids.digest(_json(facts)))


class Limit(NamedTuple):
    """How many transactions a driver may have at once, and the answer to one more."""

    slots: int
    answer: bytes


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """`transaction_id` as sent, never read as a number. `data`: the transactionData array, as received."""

    transaction_id: str
    timestamp: str
    stopped_ms: int
    meter_stop: int
    id_tag: str | None = None
    reason: str | None = None
    data: bytes | None = None
    received_ms: int


class Hold(NamedTuple):
    """What names the hold of a transaction, beside its charge point."""

    id_tag: str
    fingerprint: str


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """`clock_fault`: a stopped transaction had the same start, and its clock is not set.

    `superseded`: the hold of the transaction open on this connector until now. That transaction stays open.
    """

    id: int
    answer: bytes
    fence: Fence
    clock_fault: bool
    superseded: Hold | None


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing was changed: this start was stored before, with this answer."""

    id: int
    answer: bytes
    fence: Fence


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """`fingerprint` is empty if a later start has the same one, and with it the hold."""

    answer: bytes
    fence: Fence
    id_tag: str
    fingerprint: str
    connector_id: int
    meter_start: int


class StopReplayed(Stopped, frozen=True, kw_only=True):
    """Nothing was changed: this transaction had been stopped, with this answer."""


class Orphaned(msgspec.Struct, frozen=True, kw_only=True):
    """A stop of no known transaction, kept among the orphans. `replayed`: it was there, with this answer."""

    answer: bytes
    fence: Fence
    replayed: bool


type StartOutcome = Started | Replayed
type StopOutcome = Stopped | StopReplayed | Orphaned


def _ignore(_outcome: object) -> None:
    """Nobody else needs the outcome before the driver's slot is released."""


async def find_start(store: Store, lease: Lease, start: Start) -> Replayed | None:
    """Find the stored answer to this very start, if it is not a new one. Ask before `start` with a limit."""
    known: bytes | None = await store.execute("HGET", lease.keys.starts, start.fingerprint)
    if known is None or (known.endswith(b"!") and not start.plausible):
        return None
    return await _replay(store, lease, int(known.rstrip(b"!")))


async def start(
    store: Store,
    lease: Lease,
    start: Start,
    answer: bytes,
    *,
    limit: Limit | None = None,
    note: Callable[[StartOutcome], None] = _ignore,
) -> StartOutcome:
    """Store a start with its answer, under a new id; or find the answer that it was given.

    With a limit it takes one of the driver's slots; if there is none left, it gets the limit's answer. `note`
    is called once the start is stored, because releasing the slot of the one before it may still fail.
    Raises IdsExhausted, and StateError if no id was accepted in several attempts.
    """
    held = False
    if limit is not None:
        held = await holds.hold(store, lease.keys, start.id_tag, start.fingerprint, limit.slots)
        answer = answer if held else limit.answer
    try:
        outcome = await _store_start(store, lease, start, answer)
    except StateError as error:
        # What may have been stored keeps its hold: its repeat will be a replay, which takes none.
        if held and not (isinstance(error, StoreUnavailable) and error.sent):
            await holds.release(store, lease.keys, start.id_tag, start.fingerprint)
        raise
    note(outcome)
    # If the store fails here, the charge point repeats itself; its next start or stop releases the hold.
    if isinstance(outcome, Started) and (void := outcome.superseded) is not None:
        await holds.release(store, lease.keys, void.id_tag, void.fingerprint)
    return outcome


async def _store_start(store: Store, lease: Lease, start: Start, answer: bytes) -> StartOutcome:
    proposed = max(lease.last_transaction_id + 1, ids.least_number(store.server_time_ms()))
    for _ in range(_ATTEMPTS):
        # Past the last id a replay is still a replay: 0 is never accepted.
        reply = await _propose(store, lease, start, answer, proposed if proposed <= _LAST_ID else 0)
        fence = fence_of(reply[1])
        match reply[0]:
            case b"started":
                lease.last_transaction_id = max(lease.last_transaction_id, proposed)
                return Started(
                    id=proposed,
                    answer=answer,
                    fence=fence,
                    clock_fault=reply[2] == b"1",
                    superseded=_pointer_hold(reply[3]),
                )
            case b"seen":
                if (replayed := await _replay(store, lease, int(reply[2]))) is not None:
                    return replayed
            case _:
                proposed = max(lease.last_transaction_id + 1, int(reply[2]))
                if proposed > _LAST_ID:
                    raise IdsExhausted(f"{lease.keys.id}: no transaction id is left below 2^31")
    raise StateError(f"{lease.keys.id}: no transaction id was accepted in {_ATTEMPTS} attempts")


async def stop(
    store: Store, lease: Lease, stop: Stop, answer: bytes, *, note: Callable[[StopOutcome], None] = _ignore
) -> StopOutcome:
    """Store a stop with its answer, once, and release its driver's slot; a repeat releases it again.

    `note` is called once the stop is stored, because the release may still fail.
    """
    outcome = await _store_stop(store, lease, stop, answer)
    note(outcome)
    if not isinstance(outcome, Orphaned) and outcome.fingerprint:
        await holds.release(store, lease.keys, outcome.id_tag, outcome.fingerprint)
    return outcome


async def _store_stop(store: Store, lease: Lease, stop: Stop, answer: bytes) -> StopOutcome:
    keys, wire_id = lease.keys, stop.transaction_id
    orphan = orphans.Orphan(
        transaction_id=wire_id,
        timestamp=stop.timestamp,
        stopped_ms=stop.stopped_ms,
        meter_stop=stop.meter_stop,
        id_tag=stop.id_tag,
        reason=stop.reason,
        received_ms=stop.received_ms,
        answer=answer,
    )
    event = {
        "transaction_id": public_id(keys.id, wire_id),
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
    }
    reply = await store.step(
        "transactions/stop",
        (
            *lease.head_keys(),
            keys.starts,
            keys.open,
            keys.orphans,
            keys.transaction(wire_id),
            keys.values(wire_id),
            keys.stray_values(0),
            keys.open_transactions,
            keys.charging_profiles,
        ),
        (
            *lease.head_args(),
            encode(wire_id),
            orphan.digest(),
            orphan.pack(),
            _json(event),
            b"" if stop.data is None else meter_values.pack_of_stop(stop.data),
            stop.received_ms,
            *_flatten(fields),
        ),
    )
    fence = fence_of(reply[1])
    match reply[0]:
        case b"orphaned":
            return Orphaned(answer=answer, fence=fence, replayed=False)
        case b"orphan_replayed":
            return Orphaned(answer=orphans.unpack(reply[2]).answer, fence=fence, replayed=True)
        case outcome:
            kind = Stopped if outcome == b"stopped" else StopReplayed
            return kind(
                answer=reply[5],
                fence=fence,
                id_tag=reply[3].decode(),
                fingerprint=reply[4].decode(),
                connector_id=int(reply[2]),
                meter_start=int(reply[6]),
            )


async def _propose(store: Store, lease: Lease, start: Start, answer: bytes, proposed: int) -> list[bytes]:
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
        ),
        (
            *lease.head_args(),
            proposed,
            mark,
            int(start.plausible),
            start.connector_id,
            f"{proposed} {mark} {start.id_tag}",
            index_name(keys.id, start.started_ms, proposed),
            _json(event),
            _reservation(start),
            *_flatten(fields),
        ),
    )


def _reservation(start: Start) -> str:
    """What it consumes. 0 means none to many charge points; nobody reserves under more than 64 bits."""
    named = start.reservation_id or 0
    return str(named) if named and -(2**63) <= named < 2**63 else ""


async def _replay(store: Store, lease: Lease, transaction_id: int) -> Replayed | None:
    reply = await store.step(
        "transactions/replay", (*lease.head_keys(), lease.keys.transaction(transaction_id)), lease.head_args()
    )
    if reply[0] == b"gone":
        return None
    return Replayed(id=transaction_id, answer=reply[2], fence=fence_of(reply[1]))


async def prolong_holds(store: Store, leases: Sequence[Lease]) -> None:
    """Prolong the holds of these charge points' open transactions; those without a limit have none."""
    pointers = await store.pipeline([("HVALS", lease.keys.open) for lease in leases])
    for lease, of_one in zip(leases, pointers, strict=True):
        open_holds = [hold for pointer in of_one if (hold := _pointer_hold(pointer))]
        await holds.prolong(store, lease.keys, open_holds)


def _pointer_hold(pointer: bytes) -> Hold | None:
    if not pointer:
        return None
    _, mark, tag = pointer.decode().split(" ", 2)
    return Hold(tag, mark)


def _flatten(fields: _Fields) -> list[str | bytes | int]:
    return [part for name, value in fields.items() if value is not None for part in (name, value)]
