"""Security events: what charge points told of attacks, tampering and their own health."""

from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_response

from admin.http import Next, Paging, bodies, convert_page, lookup, must_exist, new_blueprint
from admin.services import current_store
from state.features import security_events

blueprint = new_blueprint("security_events", "Security")


class SecurityEventsQuery(Paging, frozen=True, forbid_unknown_fields=True):
    critical: Annotated[
        bool | None, msgspec.Meta(description="true: only critical ones; false: only the others.")
    ] = None


class SecurityEventAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A SecurityEventNotification, kept once however often it came."""

    id: str
    type: Annotated[str, msgspec.Meta(examples=["TamperDetectionActivated"])]
    critical: Annotated[
        bool, msgspec.Meta(description="By the whitepaper's list; types that it does not know are not.")
    ]
    timestamp: Annotated[str, msgspec.Meta(description="As the charge point sent it.")]
    tech_info: str | None
    received_at: str


class SecurityEventPage(msgspec.Struct, frozen=True):
    """Security events, newest first by when they came."""

    items: tuple[SecurityEventAnswer, ...]
    next: Next
    evicted: Annotated[int, msgspec.Meta(description="How many older ones are not kept; the latest 500 are.")]


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/security-events")
@document_querystring(SecurityEventsQuery)
@document_response(SecurityEventPage)
async def list_security_events(tenant: str, charge_point: str) -> Response:
    """List a charge point's security events."""
    asked, store = bodies.query(SecurityEventsQuery), current_store()
    await lookup.charge_point(store, tenant, charge_point)
    found = await security_events.list_(
        store,
        tenant,
        charge_point,
        critical=asked.critical,
        cursor=asked.cursor,
        limit=asked.limit,
    )
    return bodies.answer(
        convert_page(found.page, SecurityEventPage, SecurityEventAnswer, evicted=found.evicted)
    )


@blueprint.delete(
    "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/security-events/<name:security_event>"
)
@document_response(None, 204)
async def delete_security_event(tenant: str, charge_point: str, security_event: str) -> Response:
    """Delete a security event that was dealt with.

    If the charge point sends it once more, because it never got our answer, it is listed again.
    """
    await lookup.charge_point(current_store(), tenant, charge_point)
    must_exist(
        await security_events.forget(current_store(), tenant, charge_point, security_event), "security event"
    )
    return bodies.no_content()
