"""Routes of reservations, which are made and cancelled by commands to the charge point."""

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
    """The reservation that the charge point is asked to make."""

    connector_id: Annotated[
        Int32,
        msgspec.Meta(
            description="Number of the connector. 0 means any connector; not every charge point supports 0.",
            examples=[1],
        ),
    ]
    id_tag: Annotated[
        Tag, msgspec.Meta(description="Id tag for which the connector is reserved.", examples=["04A2B3C4D5"])
    ]
    expiry_date: Annotated[
        datetime,
        msgspec.Meta(
            tz=True,
            description="When the reservation ends if no transaction has used it. Write the time as RFC 3339 "
            "with a time zone.",
            examples=["2030-01-01T00:00:00Z"],
        ),
    ]
    parent_id_tag: Annotated[
        Tag | None,
        msgspec.Meta(
            description="Parent id tag, which names a group: id tags with this parent may use the "
            "reservation too. null means that there is no parent."
        ),
    ] = None
    reservation_id: Annotated[
        Int32 | None,
        msgspec.Meta(
            description="Id of the reservation. The new reservation replaces an active reservation with the "
            "same id. null means that csms chooses a free positive id."
        ),
    ] = None


class ReservationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A reservation of a charge point.

    If csms did not make a reservation but learned of it from a StartTransaction, csms knows only the id and
    the transaction of the reservation.
    """

    reservation_id: Annotated[int, msgspec.Meta(description="Id of the reservation.", examples=[12])]
    state: Annotated[
        State,
        msgspec.Meta(
            description="`active` means that a driver can use the reservation. `used` means that the "
            "transaction `transaction_id` began with the reservation. `cancelled` means that the charge "
            "point accepted CancelReservation. `expired` means that the expiry date has passed."
        ),
    ]
    connector_id: Annotated[
        int | None,
        msgspec.Meta(
            description="Number of the connector. 0 means any connector. null means that csms did not make "
            "the reservation."
        ),
    ]
    id_tag: Annotated[
        str | None,
        msgspec.Meta(
            description="Id tag for which the connector is reserved. null means that csms did not make the "
            "reservation."
        ),
    ]
    parent_id_tag: Annotated[
        str | None,
        msgspec.Meta(
            description="Parent id tag: id tags with this parent may use the reservation too. null means "
            "that there is no parent."
        ),
    ]
    expiry_date: Annotated[
        Time | None,
        msgspec.Meta(
            description="When the reservation ends if no transaction has used it. null means that csms did "
            "not make the reservation."
        ),
    ]
    command: Annotated[
        str | None,
        msgspec.Meta(
            description="Id of the ReserveNow command that made the reservation. null means that csms did "
            "not make the reservation."
        ),
    ]
    made_at: Annotated[
        Time,
        msgspec.Meta(
            description="When csms recorded that the charge point accepted the reservation. For a "
            "reservation that csms did not make, `made_at` is when csms recorded the StartTransaction that "
            "named the reservation."
        ),
    ]
    ended_at: Annotated[
        Time | None,
        msgspec.Meta(
            description="When the reservation was used or cancelled. null means that the reservation was "
            "neither used nor cancelled."
        ),
    ]
    transaction_id: Annotated[
        str | None,
        msgspec.Meta(
            description="Public id of the transaction that used the reservation. null means that no "
            "transaction has used it.",
            examples=["CP-1.59961600"],
        ),
    ]


class ReservationPage(msgspec.Struct, frozen=True):
    """The reservations of a charge point."""

    items: Annotated[
        tuple[ReservationAnswer, ...],
        msgspec.Meta(
            description="Reservations, the latest first. csms keeps about 100 reservations. If there are "
            "more, csms drops ended reservations before it drops others."
        ),
    ]
    next: AllInOne = None


class AskedAnswer(msgspec.Struct, frozen=True):
    """The command that was sent, and the reservation after the answer of the charge point."""

    command: Annotated[
        CommandAnswer, msgspec.Meta(description="The command, with the answer of the charge point.")
    ]
    reservation: Annotated[
        ReservationAnswer | None,
        msgspec.Meta(
            description="The reservation as it is now. null means that the charge point did not accept the "
            "reservation, or has not answered yet."
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


@blueprint.get(
    "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/reservations/<number:reservation>"
)
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

    csms sends ReserveNow. 200 means that the charge point has answered. The reservation exists only if the
    answer is Accepted. csms sends the expiry date in UTC. To send the date in another form, use the command
    ReserveNow.
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
    "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/reservations/<number:reservation>"
)
@document_querystring(DeleteQuery)
@document_response(AskedAnswer, 200)
@document_response(AskedAnswer, 202)
@document_response(None, 204)
@describes(problems=PROBLEMS)
async def delete_reservation(tenant: str, charge_point: str, reservation: str) -> Response:
    """Ask a charge point to cancel a reservation.

    csms sends CancelReservation, even if csms does not know the reservation. With `only_here`, csms sends
    nothing to the charge point, removes the reservation from the list, and answers 204.
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
    """Send the OCPP request. The answer has the command and the reservation. Raises Problem."""
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
