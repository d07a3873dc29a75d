"""Reservation profile: store what a charge point reserved and cancelled (sections 5.2 and 5.13).

A StartTransaction that names a reservation also ends that reservation, in the Redis script that stores the
start (state/transactions/starting.py).
"""

from gateway.handlers.handler import Answered, Outcome
from gateway.ocpp16.faults import timestamps
from gateway.ocpp16.messages import reservation
from gateway.ocpp16.messages.types import Message
from state.features import reservations


async def reserve_now(answered: Answered[reservation.ReserveNow, reservation.ReserveNowResult]) -> None:
    if answered.result.status != "Accepted":
        return
    charge_point, request = answered.charge_point, answered.request
    expires_ms = timestamps.parse(request.expiry_date).ms
    await reservations.record_made(
        charge_point.store,
        charge_point.lease.keys,
        answered.command_id,
        request.reservation_id,
        reservations.Asked(
            connector_id=request.connector_id,
            id_tag=request.id_tag,
            parent_id_tag=request.parent_id_tag,
            expiry_date=request.expiry_date,
        ),
        # `expires_ms` is never None, because our requests are checked before they are sent.
        expires_ms=expires_ms or 0,
    )


async def cancel_reservation(
    answered: Answered[reservation.CancelReservation, reservation.CancelReservationResult],
) -> None:
    if answered.result.status == "Accepted":
        charge_point = answered.charge_point
        await reservations.record_cancelled(
            charge_point.store,
            charge_point.lease.keys,
            answered.command_id,
            answered.request.reservation_id,
        )


OUTCOMES: dict[type[Message], Outcome] = {
    reservation.CancelReservation: cancel_reservation,
    reservation.ReserveNow: reserve_now,
}
