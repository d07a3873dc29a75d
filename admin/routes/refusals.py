"""Routes of refused handshakes, each with its true reason."""

from typing import Annotated

import msgspec
from quart import Response, g
from quart_schema import document_querystring, document_response

from admin.http import AllInOne, bodies, lookup, new_blueprint, not_found, times
from admin.http.times import Time
from admin.services import current_store
from state.charge_points import refusals
from state.charge_points.refusals import Refused

blueprint = new_blueprint("refusals", "Security")

_OF_CHARGE_POINT = "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/refusals"


class RefusalAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Handshakes that csms refused for one reason."""

    reason: Annotated[
        str,
        msgspec.Meta(
            description="Name of the reason. docs/refusals.md says what each name means.",
            examples=["wrong_password"],
        ),
    ]
    times: Annotated[int, msgspec.Meta(ge=1, description="How often csms refused for this reason.")]
    last_at: Annotated[Time, msgspec.Meta(description="When csms last refused for this reason.")]
    address: Annotated[
        str, msgspec.Meta(description="Network address of the last refused request.", examples=["192.0.2.7"])
    ]
    detail: Annotated[
        str,
        msgspec.Meta(
            description="What csms knows of the last refused request, such as the subject of its client "
            "certificate. The text may be empty."
        ),
    ]


class RefusalPage(msgspec.Struct, frozen=True):
    """Refused handshakes, the latest first."""

    items: Annotated[tuple[RefusalAnswer, ...], msgspec.Meta(description="One item for each reason.")]
    next: AllInOne = None


class RefusalQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Annotated[
        int, msgspec.Meta(ge=1, le=1_000, description="Greatest number of items in the answer.")
    ] = 100


@blueprint.get(_OF_CHARGE_POINT)
@document_response(RefusalPage)
async def list_refusals(tenant: str, charge_point: str) -> Response:
    """List the refused handshakes of a registered charge point, by reason."""
    await lookup.charge_point(current_store(), tenant, charge_point)
    found = await refusals.read(current_store(), tenant, charge_point)
    return bodies.answer(RefusalPage(tuple(map(_answer, found))))


@blueprint.delete(_OF_CHARGE_POINT)
@document_response(None, 204)
async def delete_refusals(tenant: str, charge_point: str) -> Response:
    """Delete the refused handshakes of a charge point, so that counting starts again."""
    await lookup.charge_point(current_store(), tenant, charge_point)
    await refusals.forget(current_store(), tenant, charge_point)
    return bodies.no_content()


@blueprint.get("/v1/refusals")
@document_querystring(RefusalQuery)
@document_response(RefusalPage)
async def list_unknown_refusals() -> Response:
    """List the latest refused handshakes that concern no registered charge point.

    Each item stands for the requests of one address within ten seconds. Only an API key for all tenants may
    read this list.
    """
    if g.api_key.tenants is not None:
        raise not_found("page")
    asked = bodies.query(RefusalQuery)
    found = await refusals.list_unknown(current_store(), asked.limit)
    return bodies.answer(RefusalPage(tuple(map(_answer, found))))


def _answer(found: Refused) -> RefusalAnswer:
    return RefusalAnswer(
        reason=found.reason,
        times=found.times,
        last_at=times.text(found.last_ms),
        address=found.address,
        detail=found.detail,
    )
