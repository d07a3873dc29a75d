"""Reservations that a charge point accepted.

A reservation is active until it expires, until it is cancelled, or until a StartTransaction names it. The
latest 100 reservations of each charge point are kept. To make room, reservations that are over are removed
first. A StartTransaction may name a reservation that csms does not know. Up to 28 such reservations are kept
too, until the next reservation is stored. The Lua step that stores a start also marks its reservation as used
(transactions/start.lua), so a repeated start does not use the reservation twice.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from state.keys import ChargePointKeys
from state.store import Store
from state.tenants.id_tags import fold
from state.transactions.listing import public_id

type State = Literal["active", "used", "cancelled", "expired"]


_json = msgspec.json.encode


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a ReserveNow. `expiry_date` is the text of the request.

    Connector 0 means any connector.
    """

    connector_id: int
    id_tag: str
    parent_id_tag: str | None = None
    expiry_date: str


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """A reservation.

    `asked` and `command_id` are None if a start named a reservation that was not requested through csms. The
    state `expired` is not stored; it is computed from the server's clock. `ended_ms` is the time at which the
    reservation was used or cancelled. `transaction` is the public id of the transaction that used it.
    """

    reservation_id: int
    state: State
    asked: Asked | None
    command_id: str | None
    made_ms: int
    ended_ms: int | None
    transaction: str | None


async def record_made(
    store: Store,
    keys: ChargePointKeys,
    command_id: str,
    reservation_id: int,
    asked: Asked,
    *,
    expires_ms: int,
) -> None:
    """Store a reservation that the charge point accepted, once for each command.

    The reservation replaces a stored reservation with the same id. Nothing is stored if the charge point was
    deleted in the meantime.
    """
    event = {
        "reservation_id": reservation_id,
        "connector_id": asked.connector_id,
        "id_tag": asked.id_tag,
        "expiry_date": asked.expiry_date,
        "command": command_id,
    }
    await store.step(
        "features/reservation_made",
        (keys.reservations, keys.command(command_id), keys.events, keys.record, keys.lease),
        (keys.member, reservation_id, command_id, max(expires_ms, 0), _json(asked), _json(event)),
    )


async def record_cancelled(store: Store, keys: ChargePointKeys, command_id: str, reservation_id: int) -> None:
    """Record that the charge point cancelled a reservation.

    Nothing changes if the reservation is over or unknown.
    """
    event = {"reservation_id": reservation_id, "command": command_id}
    await store.step(
        "features/reservation_cancelled",
        (keys.reservations, keys.events),
        (keys.member, reservation_id, _json(event)),
    )


async def find_free_id(store: Store, keys: ChargePointKeys) -> int | None:
    """Return a positive id that no reservation of this charge point has, and that was never returned before.

    Returns None if the charge point is not registered.
    """
    word, *found = await store.step("features/reservation_number", (keys.record, keys.reservations), ())
    return int(found[0]) if word == b"free" else None


async def get(store: Store, keys: ChargePointKeys, reservation_id: int) -> Reservation | None:
    record = await store.execute("HGET", keys.reservations, reservation_id)
    return None if record is None else _read(keys, reservation_id, record, store.server_time_ms())


async def list_(store: Store, keys: ChargePointKeys) -> list[Reservation]:
    """Return all reservations that are kept, the latest first."""
    now_ms = store.server_time_ms()
    records: dict[bytes, bytes] = await store.execute("HGETALL", keys.reservations)
    found = (_read(keys, int(id_), record, now_ms) for id_, record in records.items())
    return sorted(found, key=lambda one: (one.made_ms, one.reservation_id), reverse=True)


def find_used(
    records: Mapping[int, bytes], connector_id: int | None, id_tag: str, parent: str | None, now_ms: int
) -> int | None:
    """Return the id of the active reservation that a start uses without naming it.

    It is a reservation for the id tag or for its parent, on this connector or on any. `records` are stored
    reservations by their ids.
    """
    found = []
    for id_, record in records.items() if connector_id is not None else ():
        state, asked = _read_state(record, now_ms)
        if state != "active" or asked is None or asked.connector_id not in {0, connector_id}:
            continue
        of_parent = (
            parent is not None
            and asked.parent_id_tag is not None
            and fold(asked.parent_id_tag) == fold(parent)
        )
        if fold(asked.id_tag) == fold(id_tag) or of_parent:
            found.append((-asked.connector_id, id_))
    return min(found)[1] if found else None


async def forget(store: Store, keys: ChargePointKeys, reservation_id: int) -> bool:
    """Delete a reservation from the store only; the charge point may still keep it.

    Returns False if no such reservation is stored.
    """
    return bool(await store.execute("HDEL", keys.reservations, reservation_id))


def _read(keys: ChargePointKeys, reservation_id: int, record: bytes, now_ms: int) -> Reservation:
    state, asked = _read_state(record, now_ms)
    _, made_ms, _, ended_ms, transaction, command_id = record.partition(b"\n")[0].decode().split(" ")
    return Reservation(
        reservation_id=reservation_id,
        state=state,
        asked=asked,
        command_id=None if command_id == "-" else command_id,
        made_ms=int(made_ms),
        ended_ms=int(ended_ms) or None,
        transaction=None if transaction == "-" else public_id(keys.id, transaction),
    )


def _read_state(record: bytes, now_ms: int) -> tuple[State, Asked | None]:
    head, _, asked = record.partition(b"\n")
    state, _, until_ms, *_ = head.decode().split(" ")
    if state == "active" and int(until_ms) <= now_ms:
        state = "expired"
    return msgspec.convert(state, State), msgspec.json.decode(asked, type=Asked) if asked else None
