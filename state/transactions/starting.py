"""The start of a transaction, which is stored once, with the answer that the charge point got.

A start is stored even if its session is stale, which means that the session has lost the lease. `fence` in
the outcome shows whether the session is stale.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from msgspec.structs import force_setattr

from state import holds, ids
from state.errors import IdsExhausted, StateError, StoreUnavailable
from state.nodes.leases import Fence, Lease, fence_of
from state.replies import flatten
from state.store import Store
from state.tenants.id_tags import fold
from state.transactions.as_sent import NOTHING_REPAIRED, AsSent, fingerprint
from state.transactions.listing import index_name, public_id
from state.transactions.running import Hold, Open, read_hold, read_open, superseding

_LAST_ID = 2**31 - 1
_ATTEMPTS = 5


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
    """What the store knows before a new start. `running` is the connector's open transaction with its hold.

    `reservations` has the stored reservations by their ids.
    """

    running: Open | None
    reservations: Mapping[int, bytes]


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of a repeated start. `id`, `answer` and `superseded` are those of the stored start.

    The stored start was not changed.
    """

    id: int
    answer: bytes
    fence: Fence
    superseded: Hold | None = None


type StartOutcome = Started | Replayed


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
    return Present(read_open(pointer), reserved)


async def start(
    store: Store,
    lease: Lease,
    start: Start,
    answer: bytes,
    *,
    reservation: int | None = None,
    limit: Limit | None = None,
    running: Open | None = None,
) -> StartOutcome:
    """Store a start with its answer under a new id, or return the stored answer of a repeated start.

    `reservation` is the reservation that the start uses if it names none. With a limit, the start takes one
    of the driver's holds. If no hold is left, the start is stored with the limit's answer. `running` is the
    connector's open transaction, which the new one supersedes. If the same driver has its hold, the new start
    takes the hold over, because only one transaction can run on a connector. The caller then releases the
    superseded hold, which no answer has to wait for. Raises IdsExhausted if no id below 2^31 is left, and
    StateError if no id was accepted in several attempts.
    """
    held = False
    if limit is not None:
        void = running.hold.fingerprint if running and running.hold.is_of(start.id_tag) else ""
        held = await holds.hold(store, lease.keys, start.id_tag, start.fingerprint, limit.slots, void=void)
        answer = answer if held else limit.answer
    try:
        return await _store_start(
            store,
            lease,
            start,
            answer,
            reservation=reservation,
            running=running,
            unlimited=limit is None,
        )
    except StateError as error:
        # A start that may have been stored keeps its hold. If the start is repeated, it is a replay, which
        # takes no hold.
        if held and not (isinstance(error, StoreUnavailable) and error.sent):
            await holds.release(store, lease.keys, start.id_tag, start.fingerprint)
        raise


async def _store_start(
    store: Store,
    lease: Lease,
    start: Start,
    answer: bytes,
    *,
    reservation: int | None,
    running: Open | None,
    unlimited: bool,
) -> StartOutcome:
    proposed = max(lease.last_transaction_id + 1, ids.least_number(store.server_time_ms()))
    for _ in range(_ATTEMPTS):
        # If no id is left, the id 0 is proposed. The step never accepts the id 0, but it still finds a
        # replay.
        number = proposed if proposed <= _LAST_ID else 0
        reply = await _propose(
            store,
            lease,
            start,
            answer,
            proposed=number,
            reservation=reservation,
            running=running,
            unlimited=unlimited,
        )
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
                running = read_open(reply[3])
                if proposed > _LAST_ID:
                    raise IdsExhausted(f"{lease.keys.id}: no transaction id is left below 2^31")
    raise StateError(f"{lease.keys.id}: no transaction id was accepted in {_ATTEMPTS} attempts")


async def _propose(
    store: Store,
    lease: Lease,
    start: Start,
    answer: bytes,
    *,
    proposed: int,
    reservation: int | None,
    running: Open | None,
    unlimited: bool,
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
    fields = {
        "connector": start.connector_id,
        "tag": start.id_tag,
        "at": start.timestamp,
        "ms": start.started_ms,
        "meter": start.meter_start,
        "reservation": start.reservation_id,
        "received_ms": start.received_ms,
        "fingerprint": mark,
        # Without a limit the start took no hold, so nobody has to release one. Older releases do not say so.
        "no_hold": 1 if unlimited else None,
        "answer": answer,
        "as_sent": start.as_sent.fields,
    }
    event_of_other = (
        b"" if running is None else superseding(keys.id, start.connector_id, running.id, proposed)
    )
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
            keys.transaction("" if running is None else running.id),
        ),
        (
            *lease.head_args(),
            proposed,
            mark,
            int(start.plausible),
            _text(start.connector_id),
            _pointer(start, proposed),
            index_name(keys.id, start.started_ms, proposed),
            msgspec.json.encode(event),
            _reservation(start, reservation),
            event_of_other,
            *flatten(fields),
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


async def _replay(store: Store, lease: Lease, transaction_id: int) -> Replayed | None:
    reply = await store.step(
        "transactions/replay", (*lease.head_keys(), lease.keys.transaction(transaction_id)), lease.head_args()
    )
    if reply[0] == b"gone":
        return None
    superseded = read_hold(reply[3])
    return Replayed(id=transaction_id, answer=reply[2], fence=fence_of(reply[1]), superseded=superseded)
