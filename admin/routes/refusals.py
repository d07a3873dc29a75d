"""Routes of refused handshakes, each with its true reason, what it means and what would be right."""

from datetime import datetime
from typing import Annotated

import msgspec
from quart import Response, g
from quart_schema import document_querystring, document_response

from admin.http import AllInOne, Next, bodies, lookup, must_exist, new_blueprint, not_found, times
from admin.http.listing import Cursor, Limit
from admin.http.times import Time
from admin.services import current_store
from gateway.service.refusal_words import words_of
from state.charge_points import refusals
from state.charge_points.refusals import Refused
from state.tenants import refusal_records, tenants
from state.tenants.refusal_records import Filter, RefusalRecord

blueprint = new_blueprint("refusals", "Security")

_OF_CHARGE_POINT = "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/refusals"

Reason = Annotated[
    str,
    msgspec.Meta(
        description="Name of the reason. docs/refusals.md lists the names.", examples=["wrong_password"]
    ),
]
Address = Annotated[
    str, msgspec.Meta(description="Network address of the last refused request.", examples=["192.0.2.7"])
]
Detail = Annotated[
    str,
    msgspec.Meta(
        description="What csms knows of the last refused request, such as the subject of its client "
        "certificate, the server name that it asked for, or the words of OpenSSL. The text may be empty."
    ),
]
Meaning = Annotated[str, msgspec.Meta(description="What was wrong.")]
Remedy = Annotated[str, msgspec.Meta(description="What would be right.")]
Times = Annotated[int, msgspec.Meta(ge=1, description="How often csms refused.")]
FirstAt = Annotated[Time, msgspec.Meta(description="When csms refused for the first time.")]
LastAt = Annotated[Time, msgspec.Meta(description="When csms refused for the last time.")]


class ReasonAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Handshakes of a charge point that csms refused for one reason."""

    reason: Reason
    times: Times
    last_at: LastAt
    address: Address
    detail: Detail
    meaning: Meaning
    remedy: Remedy


class ReasonPage(msgspec.Struct, frozen=True):
    """Refused handshakes of a charge point, the latest first."""

    items: Annotated[tuple[ReasonAnswer, ...], msgspec.Meta(description="One item for each reason.")]
    next: AllInOne = None


class RefusalAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Handshakes of one claimed charge point from one address that csms refused for one reason."""

    tenant: Annotated[
        str | None,
        msgspec.Meta(description="Tenant that the request named. null means that it named none."),
    ]
    charge_point: Annotated[
        str | None,
        msgspec.Meta(
            description="Charge point that the request claimed to be, with unprintable characters escaped, "
            "and cut after 255 characters. `***` stands for a part that may be a token. null means that the "
            "request named no charge point.",
            examples=["CP-1"],
        ),
    ]
    address: Address
    reason: Reason
    times: Times
    first_at: FirstAt
    last_at: LastAt
    detail: Detail
    meaning: Meaning
    remedy: Remedy


class RefusalPage(msgspec.Struct, frozen=True):
    """Refused handshakes, the latest first."""

    items: Annotated[
        tuple[RefusalAnswer, ...],
        msgspec.Meta(description="One item for each claimed charge point, address and reason."),
    ]
    next: Next


class RefusalQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 100
    cursor: Cursor = None
    charge_point: Annotated[
        Annotated[str, msgspec.Meta(max_length=255)] | None,
        msgspec.Meta(description="Only requests that claimed to be this charge point."),
    ] = None
    reason: Annotated[
        Annotated[str, msgspec.Meta(max_length=255)] | None,
        msgspec.Meta(description="Only refusals for this reason."),
    ] = None
    address: Annotated[
        Annotated[str, msgspec.Meta(max_length=255)] | None,
        msgspec.Meta(description="Only requests from this network address."),
    ] = None
    since: Annotated[
        Annotated[datetime, msgspec.Meta(tz=True)] | None,
        msgspec.Meta(description="Only refusals of which the last was not before this time."),
    ] = None


@blueprint.get(_OF_CHARGE_POINT)
@document_response(ReasonPage)
async def list_refusals_of_charge_point(tenant: str, charge_point: str) -> Response:
    """List the refused handshakes of a registered charge point, by reason."""
    await lookup.charge_point(current_store(), tenant, charge_point)
    found = await refusals.read(current_store(), tenant, charge_point)
    return bodies.answer(ReasonPage(tuple(map(_answer_reason, found))))


@blueprint.delete(_OF_CHARGE_POINT)
@document_response(None, 204)
async def delete_refusals(tenant: str, charge_point: str) -> Response:
    """Delete the refused handshakes of a charge point, so that counting starts again."""
    await lookup.charge_point(current_store(), tenant, charge_point)
    await refusals.forget(current_store(), tenant, charge_point)
    return bodies.no_content()


@blueprint.get("/v1/tenants/<name:tenant>/refusals")
@document_querystring(RefusalQuery)
@document_response(RefusalPage)
async def list_refusals(tenant: str) -> Response:
    """List the refused handshakes that named a tenant, the latest first.

    What a request claimed is not proved: anyone can name any charge point. A refusal that happens while you
    read the list moves to its beginning.
    """
    asked = bodies.query(RefusalQuery)
    must_exist(await tenants.get(current_store(), tenant), "tenant")
    return await _list(tenant, asked)


@blueprint.get("/v1/refusals")
@document_querystring(RefusalQuery)
@document_response(RefusalPage)
async def list_unknown_refusals() -> Response:
    """List the refused handshakes that named no known tenant, such as failures of TLS, the latest first.

    Only an API key for all tenants may read this list.
    """
    if g.api_key.tenants is not None:
        raise not_found("page")
    return await _list(None, bodies.query(RefusalQuery))


async def _list(tenant: str | None, asked: RefusalQuery) -> Response:
    since_ms = None if asked.since is None else times.milliseconds(asked.since)
    wanted = Filter(asked.charge_point, asked.reason, asked.address, since_ms)
    found = await refusal_records.list_(
        current_store(), tenant, wanted, cursor=asked.cursor, limit=asked.limit
    )
    return bodies.answer(RefusalPage(tuple(map(_answer, found.items)), found.next))


def _answer(found: RefusalRecord) -> RefusalAnswer:
    words = words_of(found.reason)
    return RefusalAnswer(
        tenant=found.tenant,
        charge_point=found.charge_point,
        address=found.address,
        reason=found.reason,
        times=found.times,
        first_at=times.text(found.first_ms),
        last_at=times.text(found.last_ms),
        detail=found.detail,
        meaning=words.meaning,
        remedy=words.remedy,
    )


def _answer_reason(found: Refused) -> ReasonAnswer:
    words = words_of(found.reason)
    return ReasonAnswer(
        reason=found.reason,
        times=found.times,
        last_at=times.text(found.last_ms),
        address=found.address,
        detail=found.detail,
        meaning=words.meaning,
        remedy=words.remedy,
    )
