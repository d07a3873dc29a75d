"""Id tags: whom a tenant's charge points let charge."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.http import (
    Next,
    Paging,
    bodies,
    convert,
    convert_page,
    invalid,
    must_exist,
    new_blueprint,
    times,
)
from admin.services import current_store
from state.tenants import id_tags
from state.tenants.id_tags import IdTag

TAG_LENGTH = 20  # OCPP 1.6: IdToken is a CiString20Type.

blueprint = new_blueprint("id_tags", "Id tags")

TagStatus = Literal["Accepted", "Blocked", "Expired", "Invalid"]
Maximum = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class IdTagSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a charge point is told about a tag. What is left out gets its default, whatever it was before."""

    status: Annotated[TagStatus, msgspec.Meta(description="What Authorize answers.")] = "Accepted"
    expiry_date: Annotated[
        Annotated[datetime, msgspec.Meta(tz=True)] | None,
        msgspec.Meta(
            description="From then on the tag is Expired. RFC 3339 with a zone.",
            examples=["2030-01-01T00:00:00Z"],
        ),
    ] = None
    parent_id_tag: Annotated[
        Annotated[str, msgspec.Meta(min_length=1, max_length=TAG_LENGTH)] | None,
        msgspec.Meta(
            description="Tags of one parent may stop each other's transactions.", examples=["FLEET-7"]
        ),
    ] = None
    max_active_transactions: Annotated[
        Maximum | None,
        msgspec.Meta(description="How many transactions may run at once; null: no limit.", examples=[1]),
    ] = None


class IdTagAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An id tag."""

    tag: Annotated[str, msgspec.Meta(description="As it was last spelt in a PUT.", examples=["04A2B3C4D5"])]
    status: TagStatus
    expiry_date: str | None
    parent_id_tag: str | None
    max_active_transactions: int | None


class IdTagPage(msgspec.Struct, frozen=True):
    """Id tags, by name with letters folded."""

    items: tuple[IdTagAnswer, ...]
    next: Next


@blueprint.put("/v1/tenants/<name:tenant>/id-tags/<name:tag>")
@document_request(IdTagSettings)
@document_response(IdTagAnswer, 200)
@document_response(IdTagAnswer, 201)
async def put_id_tag(tenant: str, tag: str) -> Response:
    """Create or replace an id tag.

    It counts from the next Authorize or StartTransaction on; a charge point's own cache may lag behind.
    """
    settings = await bodies.body(IdTagSettings)
    if not 1 <= len(tag) <= TAG_LENGTH:
        raise invalid(f"OCPP 1.6 id tags have 1 to {TAG_LENGTH} characters.", parameter="tag")
    expiry = settings.expiry_date
    text = None if expiry is None else times.utc_text(expiry, "expiry_date")
    stored = convert(settings, IdTag, tag=tag, expiry_date=text)
    created = await id_tags.put(current_store(), tenant, stored)
    return bodies.answer(convert(stored, IdTagAnswer), 201 if created else 200)


@blueprint.get("/v1/tenants/<name:tenant>/id-tags/<name:tag>")
@document_response(IdTagAnswer)
async def get_id_tag(tenant: str, tag: str) -> Response:
    """Read an id tag."""
    found = await id_tags.get(current_store(), tenant, tag)
    return bodies.answer(convert(must_exist(found, "id tag"), IdTagAnswer))


@blueprint.delete("/v1/tenants/<name:tenant>/id-tags/<name:tag>")
@document_response(None, 204)
async def delete_id_tag(tenant: str, tag: str) -> Response:
    """Delete an id tag.

    Transactions that it started go on and can be stopped with it.
    """
    must_exist(await id_tags.delete(current_store(), tenant, tag), "id tag")
    return bodies.no_content()


@blueprint.get("/v1/tenants/<name:tenant>/id-tags")
@document_querystring(Paging)
@document_response(IdTagPage)
async def list_id_tags(tenant: str) -> Response:
    """List id tags."""
    asked = bodies.query(Paging)
    page = await id_tags.list_(current_store(), tenant, cursor=asked.cursor, limit=asked.limit)
    return bodies.answer(convert_page(page, IdTagPage, IdTagAnswer))
