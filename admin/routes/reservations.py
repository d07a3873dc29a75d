"""Reservations of a charge point: those that it accepted, made and cancelled by commands."""

import re
from datetime import datetime
from typing import Annotated

import msgspec
from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag_blueprint

from admin.commands import send
from admin.commands.answer import CommandAnswer, answer_of
from admin.commands.query import PROBLEMS, DeleteQuery, WaitQuery
from admin.commands.send import Sent
from admin.http import bodies, times
from admin.http.lookup import keys_of
from admin.http.openapi import describes
from admin.http.problems import not_found
from admin.services import services
from gateway.ocpp16.messages.reservation import CancelReservation, ReserveNow
from state.features import reservations
from state.features.reservations import Reservation, State
from state.keys import ChargePointKeys

blueprint = Blueprint("reservations", __name__)
tag_blueprint(blueprint, ["Reservations"])

_NUMBER = re.compile(r"-?[0-9]{1,18}")

Id = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
Tag = Annotated[str, msgspec.Meta(max_length=20)]  # OCPP 1.6: IdToken is a CiString20Type.


class ReservationQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    state: Annotated[State | None, msgspec.Meta(description="Only those in this state.")] = None


class NewReservation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to ask the charge point for."""

    connector_id: Annotated[Id, msgspec.Meta(description="0: any connector.", examples=[1])]
    id_tag: Annotated[Tag, msgspec.Meta(description="For whom.", examples=["04A2B3C4D5"])]
    expiry_date: Annotated[
        datetime,
        msgspec.Meta(tz=True, description="RFC 3339 with a zone.", examples=["2030-01-01T00:00:00Z"]),
    ]
    parent_id_tag: Annotated[
        Tag | None, msgspec.Meta(description="Other tags of this parent may use it, too.")
    ] = None
    reservation_id: Annotated[
        Id | None,
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
    next: Annotated[None, msgspec.Meta(description="Always null: all are in one page.")] = None


class AskedAnswer(msgspec.Struct, frozen=True):
    """The command, and the reservation as it stands after the answer; null: none is known."""

    command: CommandAnswer
    reservation: ReservationAnswer | None


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/reservations")
@document_querystring(ReservationQuery)
@document_response(ReservationPage)
async def list_reservations(tenant: str, charge_point: str) -> Response:
    """List reservations, the latest first."""
    asked = bodies.query(ReservationQuery)
    keys = await keys_of(tenant, charge_point)
    found = await reservations.list_(services().store, keys)
    items = tuple(_answer(one) for one in found if asked.state in {None, one.state})
    return bodies.answer(ReservationPage(items))


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/reservations/<name:reservation>")
@document_response(ReservationAnswer)
async def get_reservation(tenant: str, charge_point: str, reservation: str) -> Response:
    """Read a reservation."""
    keys = await keys_of(tenant, charge_point)
    found = await reservations.get(services().store, keys, _number(reservation))
    if found is None:
        raise not_found("reservation")
    return bodies.answer(_answer(found))


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
    keys = await keys_of(tenant, charge_point)
    number = wanted.reservation_id
    if number is None:
        number = await reservations.find_free_id(services().store, keys)
    if number is None:  # Deleted a moment ago.
        raise not_found("charge point")
    request = ReserveNow(
        connector_id=wanted.connector_id,
        expiry_date=times.utc_text(wanted.expiry_date, "expiry_date"),
        id_tag=wanted.id_tag,
        reservation_id=number,
        parent_id_tag=wanted.parent_id_tag,
    )
    sent = await send.send(tenant, charge_point, request, timeout_s=asked.timeout, wait_s=asked.wait)
    return await _outcome(keys, number, sent)


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
    asked, number = bodies.query(DeleteQuery), _number(reservation)
    keys = await keys_of(tenant, charge_point)
    if asked.only_here:
        if not await reservations.forget(services().store, keys, number):
            raise not_found("reservation")
        return bodies.no_content()
    request = CancelReservation(reservation_id=number)
    sent = await send.send(tenant, charge_point, request, timeout_s=asked.timeout, wait_s=asked.wait)
    return await _outcome(keys, number, sent)


async def _outcome(keys: ChargePointKeys, number: int, sent: Sent) -> Response:
    status = send.outcome(sent).status_code
    found = await reservations.get(services().store, keys, number)
    answer = AskedAnswer(answer_of(sent.command, sent.warnings), None if found is None else _answer(found))
    return bodies.answer(answer, status)


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise not_found("reservation")
    return int(text)


def _answer(found: Reservation) -> ReservationAnswer:
    asked = found.asked
    return ReservationAnswer(
        reservation_id=found.reservation_id,
        state=found.state,
        connector_id=None if asked is None else asked.connector_id,
        id_tag=None if asked is None else asked.id_tag,
        parent_id_tag=None if asked is None else asked.parent_id_tag,
        expiry_date=None if asked is None else asked.expiry_date,
        command=found.command_id,
        made_at=times.text(found.made_ms),
        ended_at=times.maybe_text(found.ended_ms),
        transaction_id=found.transaction,
    )
