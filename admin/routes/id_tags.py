"""Routes of id tags: which drivers may charge at the charge points of a tenant."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.http import (
    Next,
    Paging,
    bodies,
    conditions,
    convert,
    describes,
    invalid,
    must_exist,
    new_blueprint,
    not_found,
    times,
)
from admin.http.times import Time
from admin.services import current_store
from state.tenants import id_tags
from state.tenants.id_tags import IdTag

TAG_LENGTH = 20  # OCPP 1.6: IdToken is a CiString20Type.

blueprint = new_blueprint("id_tags", "Id tags")

TagStatus = Literal["Accepted", "Blocked", "Expired", "Invalid"]
Maximum = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


_STATUS = (
    "Answer to Authorize and StartTransaction. Accepted means that the driver may charge. Blocked means that "
    "the driver must not charge. Expired means that the tag is no longer valid. Invalid means that the tag "
    "is treated as unknown."
)


class IdTagSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer that charge points get about an id tag.

    Each PUT replaces all settings, so a member that is left out gets its default value.
    """

    status: Annotated[TagStatus, msgspec.Meta(description=_STATUS)] = "Accepted"
    expiry_date: Annotated[
        Annotated[datetime, msgspec.Meta(tz=True)] | None,
        msgspec.Meta(
            description="From this time on, csms answers Expired instead of Accepted. Write the time as RFC "
            "3339 with a time zone. null means that the tag never expires.",
            examples=["2030-01-01T00:00:00Z"],
        ),
    ] = None
    parent_id_tag: Annotated[
        Annotated[str, msgspec.Meta(min_length=1, max_length=TAG_LENGTH)] | None,
        msgspec.Meta(
            description="Parent id tag, which names a group: id tags with the same parent may stop each "
            "other's transactions. null means that the tag has no parent.",
            examples=["FLEET-7"],
        ),
    ] = None
    max_active_transactions: Annotated[
        Maximum | None,
        msgspec.Meta(
            description="How many transactions of the tag may run at once. csms answers ConcurrentTx to a "
            "StartTransaction that would exceed this number. null means that there is no limit.",
            examples=[1],
        ),
    ] = None


class IdTagAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An id tag of a tenant, as RFID cards and apps present it."""

    tag: Annotated[
        str, msgspec.Meta(description="The id tag, as the last PUT spelt it.", examples=["04A2B3C4D5"])
    ]
    status: Annotated[TagStatus, msgspec.Meta(description=_STATUS)]
    expiry_date: Annotated[
        Time | None,
        msgspec.Meta(
            description="From this time on, csms answers Expired instead of Accepted. null means that the "
            "tag never expires."
        ),
    ]
    parent_id_tag: Annotated[
        str | None,
        msgspec.Meta(
            description="Parent id tag, which names a group: id tags with the same parent may stop each "
            "other's transactions. null means that the tag has no parent."
        ),
    ]
    max_active_transactions: Annotated[
        int | None,
        msgspec.Meta(
            description="How many transactions of the tag may run at once. null means that there is no limit."
        ),
    ]


class IdTagPage(msgspec.Struct, frozen=True):
    """A page of id tags, sorted without regard to case."""

    items: Annotated[tuple[IdTagAnswer, ...], msgspec.Meta(description="The id tags of this page.")]
    next: Next


@blueprint.put("/v1/tenants/<name:tenant>/id-tags/<name:tag>")
@document_request(IdTagSettings)
@document_response(IdTagAnswer, 200)
@document_response(IdTagAnswer, 201)
@describes(**conditions.describe_put())
async def put_id_tag(tenant: str, tag: str) -> Response:
    """Create or replace an id tag.

    The settings apply from the next Authorize or StartTransaction. csms sends nothing to charge points. A
    charge point that has the tag in its cache or its local list may continue to use the old settings. With
    If-Match, csms replaces only the settings that If-Match names, and creates no id tag.
    """
    settings = await bodies.body(IdTagSettings)
    if not 1 <= len(tag) <= TAG_LENGTH:
        raise invalid(
            f"The id tag has {len(tag)} characters; OCPP 1.6 allows 1 to {TAG_LENGTH}.", parameter="tag"
        )
    stored = _read(settings, tag)
    if conditions.is_conditional():
        if not await id_tags.change(current_store(), tenant, tag, lambda found: _checked(found, stored)):
            conditions.check(None)
        return _respond(stored)
    created = await id_tags.put(current_store(), tenant, stored)
    return _respond(stored, 201 if created else 200)


@blueprint.patch("/v1/tenants/<name:tenant>/id-tags/<name:tag>")
@document_response(IdTagAnswer)
@describes(**conditions.describe_patch(IdTagSettings))
async def patch_id_tag(tenant: str, tag: str) -> Response:
    """Change some settings of an id tag, with a merge patch (RFC 7396).

    If-Match must name the present settings, so that no change by another operator is lost. The settings apply
    as those of a PUT do. The spelling of the id tag stays as it is.
    """
    conditions.require_condition()
    patch = await conditions.read_patch()

    def decide(found: IdTag) -> IdTag:
        return _checked(found, _read(conditions.patched(_settings(found), patch), found.tag))

    must_exist(await id_tags.change(current_store(), tenant, tag, decide), "id tag")
    return _respond(must_exist(await id_tags.get(current_store(), tenant, tag), "id tag"))


@blueprint.get("/v1/tenants/<name:tenant>/id-tags/<name:tag>")
@document_response(IdTagAnswer)
@describes(etag=True)
async def get_id_tag(tenant: str, tag: str) -> Response:
    """Read an id tag."""
    return _respond(must_exist(await id_tags.get(current_store(), tenant, tag), "id tag"))


@blueprint.delete("/v1/tenants/<name:tenant>/id-tags/<name:tag>")
@document_response(None, 204)
@describes(**conditions.describe_delete())
async def delete_id_tag(tenant: str, tag: str) -> Response:
    """Delete an id tag.

    Running transactions of the id tag continue, and the tag can still stop them. csms sends nothing to charge
    points. With If-Match, csms deletes the id tag only if it has the settings that If-Match names.
    """
    if not await id_tags.delete(
        current_store(), tenant, tag, lambda found: conditions.check(_settings(found))
    ):
        conditions.check(None)
        raise not_found("id tag")
    return bodies.no_content()


@blueprint.get("/v1/tenants/<name:tenant>/id-tags")
@document_querystring(Paging)
@document_response(IdTagPage)
async def list_id_tags(tenant: str) -> Response:
    """List id tags."""
    asked = bodies.query(Paging)
    page = await id_tags.list_(current_store(), tenant, cursor=asked.cursor, limit=asked.limit)
    return bodies.answer(IdTagPage(tuple(map(_answer, page.items)), page.next))


def _read(settings: IdTagSettings, tag: str) -> IdTag:
    expiry = settings.expiry_date
    text = None if expiry is None else times.utc_text(expiry, "expiry_date")
    return convert(settings, IdTag, tag=tag, expiry_date=text)


def _settings(tag: IdTag) -> IdTagSettings:
    """Return the settings of a stored tag, whose time is a text."""
    return convert(tag, IdTagSettings)


def _checked(found: IdTag, wanted: IdTag) -> IdTag:
    """Return the wanted tag if the condition of the request holds. Raises Problem (412)."""
    conditions.check(_settings(found))
    return wanted


def _respond(tag: IdTag, status: int = 200) -> Response:
    return bodies.answer(_answer(tag), status, **conditions.etag(_settings(tag)))


def _answer(tag: IdTag) -> IdTagAnswer:
    return convert(tag, IdTagAnswer, expiry_date=times.maybe_normalise(tag.expiry_date))
