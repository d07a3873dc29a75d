"""Routes of holds: the places that transactions take of an id tag with a limit."""

from typing import Annotated

import msgspec
from quart import Response, g
from quart_schema import document_response

from admin.http import AllInOne, bodies, must_exist, new_blueprint, times
from admin.http.times import Time
from admin.routes.members import ChargePointName
from admin.services import current_store
from state import holds
from state.holds import Place
from state.tenants import id_tags
from state.transactions.listing import public_id

blueprint = new_blueprint("id_tag_holds", "Id tags")


class HoldAnswer(msgspec.Struct, frozen=True):
    """A transaction that counts towards `max_active_transactions` of an id tag."""

    id: Annotated[
        str,
        msgspec.Meta(
            description="Id of the hold; use it to release the hold.", examples=["CP-1.kD3x0aQz1v9bW5eT"]
        ),
    ]
    charge_point: ChargePointName
    transaction: Annotated[
        str | None,
        msgspec.Meta(
            description="Public id of the transaction that has the hold. null means that csms does not know "
            "it, for example because its start was not stored.",
            examples=["CP-1.59791234"],
        ),
    ]
    expires_at: Annotated[
        Time,
        msgspec.Meta(
            description="When the hold ends by itself. csms prolongs it while the transaction is the last "
            "one on its connector and its charge point is online."
        ),
    ]


class HoldPage(msgspec.Struct, frozen=True):
    """The holds of an id tag."""

    items: Annotated[
        tuple[HoldAnswer, ...], msgspec.Meta(description="The holds, the one that ends first in front.")
    ]
    next: AllInOne = None


@blueprint.get("/v1/tenants/<name:tenant>/id-tags/<name:tag>/holds")
@document_response(HoldPage)
async def list_holds(tenant: str, tag: str) -> Response:
    """List the transactions that count towards the limit of an id tag.

    Only an id tag with `max_active_transactions` has holds. While all of them are taken, csms answers
    ConcurrentTx to a further StartTransaction.
    """
    found = await holds.list_(current_store(), tenant, tag)
    if not found:
        must_exist(await id_tags.get(current_store(), tenant, tag), "id tag")
    return bodies.answer(HoldPage(tuple(map(_answer, found))))


@blueprint.delete("/v1/tenants/<name:tenant>/id-tags/<name:tag>/holds/<name:hold>")
@document_response(None, 204)
async def release_hold(tenant: str, tag: str, hold: str) -> Response:
    """Release a hold, so that the driver may charge elsewhere at once.

    csms releases a hold by itself when its transaction is stopped or ended, when its connector becomes
    Available, or when another transaction begins there. The transaction stays as it is, and csms sends
    nothing to the charge point.
    """
    store = current_store()
    found = {_id(place): place for place in await holds.list_(store, tenant, tag)}
    place = must_exist(found.get(hold), "hold")
    must_exist(await holds.release_for_operator(store, tenant, tag, place, g.api_key.id), "hold")
    return bodies.no_content()


def _answer(place: Place) -> HoldAnswer:
    return HoldAnswer(
        id=_id(place),
        charge_point=place.charge_point,
        transaction=None if place.transaction is None else public_id(place.charge_point, place.transaction),
        expires_at=times.text(place.until_ms),
    )


def _id(place: Place) -> str:
    return f"{place.charge_point}.{place.fingerprint}"
