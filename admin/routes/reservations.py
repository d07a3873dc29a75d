"""Routes of reservations: those that a charge point accepted, made and cancelled by commands."""

from datetime import datetime
from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.commands import PROBLEMS, CommandAnswer, DeleteQuery, WaitQuery, send
from admin.http import AllInOne, Int32, bodies, convert, describes, lookup, must_exist, new_blueprint, times
from admin.http.times import Time
from admin.services import Services, current_store, services
from gateway.ocpp16.messages.reservation import CancelReservation, ReserveNow
from gateway.ocpp16.messages.types import Message
from state.features import reservations
from state.features.reservations import Asked, Reservation, State
from state.keys import ChargePointKeys

blueprint = new_blueprint("reservations", "Reservations")

Tag = Annotated[str, msgspec.Meta(max_length=20)]  # OCPP 1.6: IdToken is a CiString20Type.


class ReservationQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    state: Annotated[State | None, msgspec.Meta(description="List only reservations in this state.")] = None


class NewReservation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reservation to ask the charge point for."""

    connector_id: Annotated[
        Int32,
        msgspec.Meta(
            description="Number of the connector. 0 means any connector; not every charge point supports it.",
            examples=[1],
        ),
    ]
    id_tag: Annotated[
        Tag, msgspec.Meta(description="Id tag that the connector is reserved for.", examples=["04A2B3C4D5"])
    ]
    expiry_date: Annotated[
        datetime,
        msgspec.Meta(
            tz=True,
            description="When the reservation ends if it was not used. RFC 3339 with a time zone.",
            examples=["2030-01-01T00:00:00Z"],
        ),
    ]
    parent_id_tag: Annotated[
        Tag | None,
        msgspec.Meta(
            description="Group: id tags with this parent may use the reservation too. null: no parent."
        ),
    ] = None
    reservation_id: Annotated[
        Int32 | None,
        msgspec.Meta(
            description="Id of the reservation. An active reservation of the same id is replaced. null means "
            "that a free positive id is chosen."
        ),
    ] = None


class ReservationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A reservation of a charge point.

    A reservation that a StartTransaction named but that csms did not make has only an id and a transaction.
    """

    reservation_id: Annotated[int, msgspec.Meta(description="Id of the reservation.", examples=[12])]
    state: Annotated[
        State,
        msgspec.Meta(
            description="active: it can be used. used: `transaction_id` began with it. cancelled: the charge "
            "point accepted CancelReservation. expired: its expiry date has passed."
        ),
    ]
    connector_id: Annotated[
        int | None,
        msgspec.Meta(
            description="Number of the connector. 0 means any connector. null means that the "
            "reservation was not made by csms."
        ),
    ]
    id_tag: Annotated[
        str | None,
        msgspec.Meta(
            description="Id tag that the connector is reserved for. null means that the "
            "reservation was not made by csms."
        ),
    ]
    parent_id_tag: Annotated[
        str | None,
        msgspec.Meta(description="Id tags with this parent may use the reservation too. null: no parent."),
    ]
    expiry_date: Annotated[
        Time | None,
        msgspec.Meta(
            description="When the reservation ends if it was not used. null means that the "
            "reservation was not made by csms."
        ),
    ]
    command: Annotated[
        str | None,
        msgspec.Meta(
            description="Id of the ReserveNow command that made it. null means that the "
            "reservation was not made by csms."
        ),
    ]
    made_at: Annotated[
        Time,
        msgspec.Meta(
            description="When its acceptance was recorded, or the start that named it if it was not made "
            "here."
        ),
    ]
    ended_at: Annotated[
        Time | None,
        msgspec.Meta(description="When it was used or cancelled. null means that it was neither."),
    ]
    transaction_id: Annotated[
        str | None,
        msgspec.Meta(
            description="Public id of the transaction that used it. null means that none did.",
            examples=["CP-1.59961600"],
        ),
    ]


class ReservationPage(msgspec.Struct, frozen=True):
    """The reservations of a charge point."""

    items: Annotated[
        tuple[ReservationAnswer, ...],
        msgspec.Meta(
            description="Reservations, the latest first. About 100 are kept; those that are over are dropped "
            "first."
        ),
    ]
    next: AllInOne = None


class AskedAnswer(msgspec.Struct, frozen=True):
    """The command that was sent, and the reservation after its answer."""

    command: Annotated[
        CommandAnswer, msgspec.Meta(description="The command, with the charge point's answer.")
    ]
    reservation: Annotated[
        ReservationAnswer | None,
        msgspec.Meta(
            description="The reservation as it is now. null means that the charge point did not accept one, "
            "or has not answered yet."
        ),
    ]


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/reservations")
@document_querystring(ReservationQuery)
@document_response(ReservationPage)
async def list_reservations(tenant: str, charge_point: str) -> Response:
    """List the reservations of a charge point, the latest first.

    csms sends nothing to the charge point.
    """
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
    """Ask a charge point to reserve a connector.

    Sends ReserveNow. 200 means that the charge point has answered. There is a reservation only if the answer
    is Accepted. The time is sent in UTC; to choose its spelling, send the command ReserveNow.
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
    """Ask a charge point to cancel a reservation.

    Sends CancelReservation, even if the reservation is not known here. With `only_here` nothing is sent, the
    reservation is struck from the list, and the answer is 204.
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
    """Send the request and answer with the command and the reservation. Raises Problem."""
    sent = await send.send(
        services, keys.tenant, keys.id, request, timeout_s=asked.timeout, wait_s=asked.wait
    )
    status = 200 if send.is_finished(sent) else 202
    found = await reservations.get(services.store, keys, number)
    return bodies.answer(AskedAnswer(sent.answer, None if found is None else _answer(found)), status)


def _answer(found: Reservation) -> ReservationAnswer:
    asked = {name: getattr(found.asked, name, None) for name in Asked.__struct_fields__}
    asked["expiry_date"] = times.maybe_normalise(asked["expiry_date"])
    return convert(
        found,
        ReservationAnswer,
        **asked,
        command=found.command_id,
        transaction_id=found.transaction,
    )
