"""Reservations of a charge point: those that it accepted, made and cancelled by commands."""

from datetime import datetime
from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.commands import PROBLEMS, CommandAnswer, DeleteQuery, WaitQuery, send
from admin.http import AllInOne, Int32, bodies, convert, describes, lookup, must_exist, new_blueprint, times
from admin.services import Services, current_store, services
from gateway.ocpp16.messages.reservation import CancelReservation, ReserveNow
from gateway.ocpp16.messages.types import Message
from state.features import reservations
from state.features.reservations import Asked, Reservation, State
from state.keys import ChargePointKeys

blueprint = new_blueprint("reservations", "Reservations")

Tag = Annotated[str, msgspec.Meta(max_length=20)]  # OCPP 1.6: IdToken is a CiString20Type.


class ReservationQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    state: Annotated[State | None, msgspec.Meta(description="Only those in this state.")] = None


class NewReservation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to ask the charge point for."""

    connector_id: Annotated[Int32, msgspec.Meta(description="0: any connector.", examples=[1])]
    id_tag: Annotated[Tag, msgspec.Meta(description="For whom.", examples=["04A2B3C4D5"])]
    expiry_date: Annotated[
        datetime,
        msgspec.Meta(tz=True, description="RFC 3339 with a zone.", examples=["2030-01-01T00:00:00Z"]),
    ]
    parent_id_tag: Annotated[
        Tag | None, msgspec.Meta(description="Other tags of this parent may use it, too.")
    ] = None
    reservation_id: Annotated[
        Int32 | None,
        msgspec.Meta(description="One that stands is replaced. By default a positive one that is free."),
    ] = None


class ReservationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A reservation. One that a start named but nobody here asked for has no particulars."""

    reservation_id: int
    state: Annotated[
        State,
        msgspec.Meta(
            description="active: it stands. used: `transaction_id` began with it. cancelled: the charge "
            "point gave it up. expired: its expiry date has passed."
        ),
    ]
    connector_id: Annotated[int | None, msgspec.Meta(description="0: any connector.")]
    id_tag: str | None
    parent_id_tag: str | None
    expiry_date: Annotated[str | None, msgspec.Meta(description="As it was sent.")]
    command: Annotated[str | None, msgspec.Meta(description="Id of the ReserveNow that made it.")]
    made_at: Annotated[str, msgspec.Meta(description="When it was accepted.")]
    ended_at: Annotated[str | None, msgspec.Meta(description="When it was used or cancelled.")]
    transaction_id: Annotated[
        str | None, msgspec.Meta(description="The transaction that used it.", examples=["CP-1.59961600"])
    ]


class ReservationPage(msgspec.Struct, frozen=True):
    """Reservations, the latest first: at most 100 of a charge point, those that are over go first."""

    items: tuple[ReservationAnswer, ...]
    next: AllInOne = None


class AskedAnswer(msgspec.Struct, frozen=True):
    """The command, and the reservation as it stands after the answer; null: none is known."""

    command: CommandAnswer
    reservation: ReservationAnswer | None


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/reservations")
@document_querystring(ReservationQuery)
@document_response(ReservationPage)
async def list_reservations(tenant: str, charge_point: str) -> Response:
    """List reservations, the latest first."""
    asked, store = bodies.query(ReservationQuery), current_store()
    keys = await lookup.charge_point_keys(store, tenant, charge_point)
    found = await reservations.list_(store, keys)
    items = tuple(_answer(one) for one in found if asked.state in {None, one.state})
    return bodies.answer(ReservationPage(items))


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/reservations/<name:reservation>")
@document_response(ReservationAnswer)
async def get_reservation(tenant: str, charge_point: str, reservation: str) -> Response:
    """Read a reservation."""
    keys = await lookup.charge_point_keys(current_store(), tenant, charge_point)
    found = await reservations.get(current_store(), keys, lookup.parse_number(reservation, "reservation"))
    return bodies.answer(_answer(must_exist(found, "reservation")))


@blueprint.post("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/reservations")
@document_querystring(WaitQuery)
@document_request(NewReservation)
@document_response(AskedAnswer, 200)
@document_response(AskedAnswer, 202)
@describes(problems=PROBLEMS)
async def make_reservation(tenant: str, charge_point: str) -> Response:
    """Have a charge point reserve a connector.

    Sends ReserveNow. 200 means that the charge point has answered: only after Accepted there is a
    reservation. To send it with other spellings or ids, send the command ReserveNow itself.
    """
    asked, wanted = bodies.query(WaitQuery), await bodies.body(NewReservation)
    keys = await lookup.charge_point_keys(current_store(), tenant, charge_point)
    number = wanted.reservation_id
    if number is None:
        number = must_exist(await reservations.find_free_id(current_store(), keys), "charge point")
    request = ReserveNow(
        connector_id=wanted.connector_id,
        expiry_date=times.utc_text(wanted.expiry_date, "expiry_date"),
        id_tag=wanted.id_tag,
        reservation_id=number,
        parent_id_tag=wanted.parent_id_tag,
    )
    return await _send(services(), keys, number, request, asked)


@blueprint.delete(
    "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/reservations/<name:reservation>"
)
@document_querystring(DeleteQuery)
@document_response(AskedAnswer, 200)
@document_response(AskedAnswer, 202)
@document_response(None, 204)
@describes(problems=PROBLEMS)
async def delete_reservation(tenant: str, charge_point: str, reservation: str) -> Response:
    """Have a charge point give up a reservation.

    Sends CancelReservation, also for one that is not known here. 204 answers `only_here`.
    """
    asked, number = bodies.query(DeleteQuery), lookup.parse_number(reservation, "reservation")
    keys = await lookup.charge_point_keys(current_store(), tenant, charge_point)
    if not asked.only_here:
        request = CancelReservation(reservation_id=number)
        return await _send(services(), keys, number, request, asked)
    must_exist(await reservations.forget(current_store(), keys, number), "reservation")
    return bodies.no_content()


async def _send(
    services: Services, keys: ChargePointKeys, number: int, request: Message, asked: WaitQuery
) -> Response:
    """Answer the command, and the reservation as it stands then. Raises Problem."""
    sent = await send.send(
        services, keys.tenant, keys.id, request, timeout_s=asked.timeout, wait_s=asked.wait
    )
    status = 200 if send.is_finished(sent) else 202
    found = await reservations.get(services.store, keys, number)
    return bodies.answer(AskedAnswer(sent.answer, None if found is None else _answer(found)), status)


def _answer(found: Reservation) -> ReservationAnswer:
    asked = {name: getattr(found.asked, name, None) for name in Asked.__struct_fields__}
    return convert(
        found, ReservationAnswer, **asked, command=found.command_id, transaction_id=found.transaction
    )
