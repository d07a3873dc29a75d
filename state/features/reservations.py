"""Reservations that a charge point agreed to, until it cancels one, or a transaction that names it begins.

Kept of each charge point: the latest 100 (those that are over give way first), and up to 28 more that starts
named without our knowing them, until the next is made. What consumes a reservation is the step of the start
itself (lua/transaction_start.lua), and so once, however often the start is repeated.
"""

from typing import Literal

import msgspec

from state.keys import ChargePointKeys
from state.store import Store
from state.transactions.listing import public_id

type State = Literal["active", "used", "cancelled", "expired"]


_json = msgspec.json.encode


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What ReserveNow asked for; `expiry_date` as sent. Connector 0 is any."""

    connector_id: int
    id_tag: str
    parent_id_tag: str | None = None
    expiry_date: str


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """`asked` and `command_id` are None if a start named what nobody asked for here.

    `expired` is a matter of our clock: the store is not told of it. `ended_ms`: used or cancelled since.
    `transaction`: public id.
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
    """Keep what the charge point accepted; one of the same id is replaced. Idempotent by command.

    Nothing is kept of a charge point that was deleted meanwhile.
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
    """Note that the charge point gave it up; nothing changes if it is over, or not known here."""
    event = {"reservation_id": reservation_id, "command": command_id}
    await store.step(
        "features/reservation_cancelled",
        (keys.reservations, keys.events),
        (keys.member, reservation_id, _json(event)),
    )


async def find_free_id(store: Store, keys: ChargePointKeys) -> int | None:
    """Give a positive id that no reservation of this charge point has or ever got from here.

    None: it is not registered.
    """
    word, *found = await store.step("features/reservation_number", (keys.record, keys.reservations), ())
    return int(found[0]) if word == b"free" else None


async def get(store: Store, keys: ChargePointKeys, reservation_id: int) -> Reservation | None:
    record = await store.execute("HGET", keys.reservations, reservation_id)
    return None if record is None else _read(keys, reservation_id, record, store.server_time_ms())


async def list_(store: Store, keys: ChargePointKeys) -> list[Reservation]:
    """List all that are kept, the latest first."""
    now_ms = store.server_time_ms()
    records: dict[bytes, bytes] = await store.execute("HGETALL", keys.reservations)
    found = (_read(keys, int(id_), record, now_ms) for id_, record in records.items())
    return sorted(found, key=lambda one: (one.made_ms, one.reservation_id), reverse=True)


async def forget(store: Store, keys: ChargePointKeys, reservation_id: int) -> bool:
    """Strike it from our view alone; the charge point may still keep it. False: it was not in it."""
    return bool(await store.execute("HDEL", keys.reservations, reservation_id))


def _read(keys: ChargePointKeys, reservation_id: int, record: bytes, now_ms: int) -> Reservation:
    head, _, asked = record.partition(b"\n")
    state, made_ms, until_ms, ended_ms, transaction, command_id = head.decode().split(" ")
    if state == "active" and int(until_ms) <= now_ms:
        state = "expired"
    return Reservation(
        reservation_id=reservation_id,
        state=msgspec.convert(state, State),
        asked=msgspec.json.decode(asked, type=Asked) if asked else None,
        command_id=None if command_id == "-" else command_id,
        made_ms=int(made_ms),
        ended_ms=int(ended_ms) or None,
        transaction=None if transaction == "-" else public_id(keys.id, transaction),
    )
