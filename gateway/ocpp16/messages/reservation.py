"""Reservation profile (sections 5.2 and 5.13)."""

from typing import Literal

from gateway.ocpp16.messages.types import DateTime, IdToken, Integer, Maybe, Message

type ReservationStatus = Literal["Accepted", "Faulted", "Occupied", "Rejected", "Unavailable"]


class ReserveNow(Message, kw_only=True):
    """Connector 0 means any connector. The request replaces a reservation that has the same id."""

    connector_id: Integer
    expiry_date: DateTime
    id_tag: IdToken
    parent_id_tag: Maybe[IdToken] = None
    reservation_id: Integer


class ReserveNowResult(Message):
    status: ReservationStatus


class CancelReservation(Message):
    reservation_id: Integer


class CancelReservationResult(Message):
    status: Literal["Accepted", "Rejected"]
