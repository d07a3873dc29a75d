"""Warnings of the Reservation profile: connectors, id tags and reservations that contradict the store."""

from admin.commands.warnings.id_tags import check_tag
from admin.commands.warnings.view import View, Warner, no_such_connector
from gateway.ocpp16.faults import timestamps
from gateway.ocpp16.messages import reservation
from gateway.ocpp16.messages.types import Message
from state.features import reservations

ZERO_SUPPORTED = "ReserveConnectorZeroSupported"

_OVER = {"used": "was already used", "cancelled": "was already cancelled", "expired": "has already expired"}


async def reserve_now(request: reservation.ReserveNow, view: View) -> list[str]:
    found = await _check_connector(request.connector_id, view)
    found += await check_tag(request.id_tag, view)
    expires_ms = timestamps.parse(request.expiry_date).ms
    now_ms = view.store.server_time_ms()
    if expires_ms is not None and expires_ms <= now_ms:
        found.append("The expiryDate has already passed.")
    elif expires_ms is not None and expires_ms <= now_ms + 1000 * (view.waits_s or 0):
        found.append("The expiryDate may have passed when the charge point is online.")
    if request.reservation_id == 0:
        found.append("Many charge points read reservation id 0 as no reservation, so no start will use it.")
    before = await reservations.get(view.store, view.keys, request.reservation_id)
    if before is not None and before.state == "active":
        found.append(
            f"Reservation {request.reservation_id} is already active; if this is accepted, it is replaced."
        )
    for other in await reservations.list_(view.store, view.keys):
        on = None if other.asked is None or other.state != "active" else other.asked.connector_id
        if on == request.connector_id != 0 and other.reservation_id != request.reservation_id:
            found.append(f"Connector {on} already has the active reservation {other.reservation_id}.")
    return found


async def cancel_reservation(request: reservation.CancelReservation, view: View) -> list[str]:
    known = await reservations.get(view.store, view.keys, request.reservation_id)
    if known is None:
        return [f"csms knows no reservation {request.reservation_id} of this charge point."]
    over = _OVER.get(known.state)
    return [] if over is None else [f"Reservation {request.reservation_id} {over}."]


async def _check_connector(connector_id: int, view: View) -> list[str]:
    if connector_id == 0:
        return await _check_connector_zero(view)
    known = await view.connectors()
    connector = known.get(connector_id)
    if connector is None:
        return no_such_connector(connector_id, known)
    if connector.status == "Available":
        return []
    return [
        f"Only an Available connector can be reserved; {connector_id} is {connector.status} as far as known."
    ]


async def _check_connector_zero(view: View) -> list[str]:
    known = await view.configuration()
    if known.find(ZERO_SUPPORTED) is None:
        return [f"Connector 0 (any) works only where {ZERO_SUPPORTED} is true; read that key first."]
    if known.flag(ZERO_SUPPORTED):
        return []
    return [f"Connector 0 (any) does not work here: {ZERO_SUPPORTED} of the charge point is not true."]


WARNERS: dict[type[Message], Warner] = {
    reservation.CancelReservation: cancel_reservation,
    reservation.ReserveNow: reserve_now,
}
