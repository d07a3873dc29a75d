"""Routes of security events: what charge points report about attacks, tampering and their own health."""

from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_response

from admin.http import Next, Paging, bodies, convert, lookup, must_exist, new_blueprint, times
from admin.http.times import Time
from admin.routes.members import AsSent, ReceivedAt
from admin.services import current_store
from state.features import security_events
from state.features.security_events import SecurityEvent

blueprint = new_blueprint("security_events", "Security")


class SecurityEventsQuery(Paging, frozen=True, forbid_unknown_fields=True):
    critical: Annotated[
        bool | None,
        msgspec.Meta(
            description="true lists only critical events, and false lists only events that are not critical."
        ),
    ] = None


class SecurityEventAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A SecurityEventNotification.

    If the charge point sends the same event more than once, csms keeps it only once.
    """

    id: Annotated[str, msgspec.Meta(description="Id of the event in this API; use it to delete the event.")]
    type: Annotated[
        str,
        msgspec.Meta(
            description="Type of the event, either from the list in the OCPP security whitepaper or defined "
            "by the vendor.",
            examples=["TamperDetectionActivated"],
        ),
    ]
    critical: Annotated[
        bool,
        msgspec.Meta(
            description="Whether the OCPP security whitepaper lists the type as critical. Types that the "
            "whitepaper does not list are not critical."
        ),
    ]
    timestamp: Annotated[
        Time,
        msgspec.Meta(
            description="When the event happened, by the clock of the charge point. If the time cannot be "
            "read, the time in `received_at` is used."
        ),
    ]
    tech_info: Annotated[
        str | None,
        msgspec.Meta(
            description="Technical details from the charge point. null means that the charge point sent no "
            "details."
        ),
    ]
    received_at: ReceivedAt
    as_sent: AsSent


class SecurityEventPage(msgspec.Struct, frozen=True):
    """A page of security events."""

    items: Annotated[
        tuple[SecurityEventAnswer, ...],
        msgspec.Meta(description="The events of this page, in the reverse order of arrival."),
    ]
    next: Next
    evicted: Annotated[
        int,
        msgspec.Meta(description="How many older events are no longer kept. The latest 500 events are kept."),
    ]


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/security-events")
@document_querystring(SecurityEventsQuery)
@document_response(SecurityEventPage)
async def list_security_events(tenant: str, charge_point: str) -> Response:
    """List the security events of a charge point, the newest first.

    csms sends nothing to the charge point.
    """
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
        SecurityEventPage(tuple(map(_answer, found.page.items)), found.page.next, found.evicted)
    )


@blueprint.delete(
    "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/security-events/<name:security_event>"
)
@document_response(None, 204)
async def delete_security_event(tenant: str, charge_point: str, security_event: str) -> Response:
    """Delete a security event from the list, for instance after you have investigated the event.

    If the charge point never received the answer of csms, it sends the event again, and the event is listed
    again.
    """
    await lookup.charge_point(current_store(), tenant, charge_point)
    must_exist(
        await security_events.forget(current_store(), tenant, charge_point, security_event), "security event"
    )
    return bodies.no_content()


def _answer(event: SecurityEvent) -> SecurityEventAnswer:
    timestamp = times.sent_or(event.timestamp, event.received_ms)
    as_sent = None if event.as_sent is None else msgspec.Raw(event.as_sent)
    return convert(event, SecurityEventAnswer, timestamp=timestamp, as_sent=as_sent)
