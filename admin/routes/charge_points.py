"""Routes of charge points: register, read, list, accept and disconnect them."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.batches.filter import Online, Prefix, TroubleOrAny, WithBootStatus
from admin.commands import CommandAnswer, preconditions, send
from admin.http import (
    ROWS_MAX,
    Next,
    Paging,
    Problem,
    bodies,
    conditions,
    convert,
    describes,
    lookup,
    must_exist,
    new_blueprint,
)
from admin.http.names import check_connectable
from admin.routes import charge_point_answer
from admin.routes.charge_point_answer import ChargePointAnswer, ChargePointItem, Registration
from admin.routes.members import ChargePointName
from admin.services import current_store, services
from gateway.ocpp16.messages.remote_trigger import TriggerMessage
from state import charge_points, keys, troubles
from state.charge_points import ChargePointRecord, Filters, Settings, connectors
from state.nodes import inbox, leases, nodes
from state.nodes.inbox import Disconnect, DisconnectReason, SettingsChanged
from state.nodes.leases import Holding
from state.store import Store
from state.troubles import Trouble

blueprint = new_blueprint("charge_points", "Charge points")


class ChargePointQuery(Paging, frozen=True, forbid_unknown_fields=True):
    online: Online = None
    boot_status: WithBootStatus = None
    prefix: Prefix = None
    trouble: Annotated[
        TroubleOrAny | None,
        msgspec.Meta(
            description="List only charge points with this trouble, or with `any` trouble, and show all "
            "their troubles. A trouble that began in the last minutes may not be listed yet; the member "
            "`as_of` of the overview says how old the index is. A trouble that has ended is never listed."
        ),
    ] = None


Interval = Annotated[int, msgspec.Meta(ge=1, le=86_400)]


class ChargePointSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of a charge point.

    Each PUT replaces all settings, so a member that is left out gets its default value.
    """

    description: Annotated[
        str, msgspec.Meta(max_length=255, description="Note for operators.", examples=["Bay 7"])
    ] = ""
    strict: Annotated[
        bool,
        msgspec.Meta(
            description="Whether to refuse messages that are not exactly OCPP 1.6, instead of repairing them."
        ),
    ] = False
    registration: Registration = "Accepted"
    registration_interval_s: Annotated[
        Interval,
        msgspec.Meta(
            description="Seconds after which the charge point shall send BootNotification again, if the "
            "answer was Pending or Rejected."
        ),
    ] = 60
    heartbeat_interval_s: Annotated[
        Interval | None,
        msgspec.Meta(
            description="Seconds between heartbeats. The charge point gets this value when its "
            "BootNotification is answered Accepted. null means that the configuration of the gateways "
            "decides."
        ),
    ] = None


class ChargePointPage(msgspec.Struct, frozen=True):
    """A page of charge points, sorted by id."""

    items: Annotated[tuple[ChargePointItem, ...], msgspec.Meta(description="The charge points of this page.")]
    next: Next


class AcceptQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    trigger: Annotated[
        bool,
        msgspec.Meta(
            description="Whether to send TriggerMessage(BootNotification) as well, and to wait for the "
            "answer of the charge point."
        ),
    ] = False
    timeout: Annotated[
        float,
        msgspec.Meta(
            ge=1, le=600, description="Seconds within which the charge point must answer the TriggerMessage."
        ),
    ] = 30.0


class AcceptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The charge point that was accepted, and the TriggerMessage if one was sent."""

    charge_point: Annotated[ChargePointAnswer, msgspec.Meta(description="The charge point as it is now.")]
    command: Annotated[
        CommandAnswer | None,
        msgspec.Meta(description="The TriggerMessage. null means that `trigger` was false."),
    ]


class DisconnectAnswer(msgspec.Struct, frozen=True):
    """The gateway process has been asked to close the connection, and will close it in a moment."""

    charge_point: ChargePointName
    node: Annotated[str, msgspec.Meta(description="The gateway process that holds the connection.")]


@blueprint.put("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>")
@document_request(ChargePointSettings)
@document_response(ChargePointAnswer, 200)
@document_response(ChargePointAnswer, 201)
@describes(**conditions.describe_put({507: "The store is nearly full, so it accepts no new charge point."}))
async def put_charge_point(tenant: str, charge_point: str) -> Response:
    """Register a charge point, or replace its settings.

    The settings apply at once, also to a charge point that is connected. A changed `registration` applies to
    the next BootNotification of the charge point. csms sends nothing to the charge point. With If-Match, csms
    replaces only the settings that If-Match names, and registers no charge point.
    """
    settings = await bodies.body(ChargePointSettings)
    check_connectable(charge_point, "charge point")
    store = current_store()
    if conditions.is_conditional():
        if not await _change(store, tenant, charge_point, lambda _: settings):
            conditions.check(None)
        return await _respond(store, tenant, charge_point)
    if store.headroom.has_reached("scarce") and await charge_points.get(store, tenant, charge_point) is None:
        store.headroom.require_room("scarce", "a new charge point")
    created = await charge_points.put(
        store, tenant, charge_point, Settings(**msgspec.structs.asdict(settings))
    )
    if not created:
        await _announce_settings(store, tenant, charge_point)
    return await _respond(store, tenant, charge_point, 201 if created else 200)


@blueprint.patch("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>")
@document_response(ChargePointAnswer)
@describes(**conditions.describe_patch(ChargePointSettings))
async def patch_charge_point(tenant: str, charge_point: str) -> Response:
    """Change some settings of a charge point, with a merge patch (RFC 7396).

    If-Match must name the present settings, so that no change by another operator is lost. The settings apply
    as those of a PUT do.
    """
    conditions.require_condition()
    patch, store = await conditions.read_patch(), current_store()
    must_exist(
        await _change(store, tenant, charge_point, partial(conditions.patched, patch=patch)), "charge point"
    )
    return await _respond(store, tenant, charge_point)


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>")
@document_response(ChargePointAnswer)
@describes(etag=True)
async def get_charge_point(tenant: str, charge_point: str) -> Response:
    """Read a charge point: settings, last boot, connectors, connection and what troubles it."""
    return await _respond(current_store(), tenant, charge_point)


@blueprint.post("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/accept")
@document_querystring(AcceptQuery)
@document_response(AcceptAnswer, 200)
@document_response(AcceptAnswer, 202)
@describes(
    problems={
        409: "A request with `trigger` gets this answer in two cases. In the first case, csms has already "
        "answered the last BootNotification with Accepted. csms then must not ask for another one (errata "
        "3.40), and has changed nothing. In the second case, the charge point is offline. csms has sent "
        "nothing, and will accept the charge point when it boots.",
        429: "Too many commands wait for this charge point. The charge point will be accepted when it boots.",
        502: "The charge point answered the TriggerMessage with a CALLERROR. The charge point will be "
        "accepted when it boots.",
        504: "The charge point did not answer the TriggerMessage before the deadline. The charge point will "
        "be accepted when it boots.",
    }
)
async def accept_charge_point(tenant: str, charge_point: str) -> Response:
    """Accept a charge point that is Pending or Rejected.

    csms answers the next BootNotification of the charge point with Accepted. The charge point sends it after
    the interval that csms gave in the previous answer. With `trigger`, csms sends a TriggerMessage to ask for
    a BootNotification now; without `trigger`, csms sends nothing.
    """
    asked, store = bodies.query(AcceptQuery), current_store()
    boot = TriggerMessage(requested_message="BootNotification")
    found = await charge_points.get(store, tenant, charge_point)
    if found is not None and asked.trigger:
        preconditions.check("TriggerMessage", boot, found)
    must_exist(await charge_points.accept(store, tenant, charge_point), "charge point")
    await _announce_settings(store, tenant, charge_point)
    command, status = None, 200
    if asked.trigger:
        sent = await send.send(services(), tenant, charge_point, boot, timeout_s=asked.timeout)
        command, status = sent.answer, 200 if send.is_finished(sent) else 202
    now = await _answer(store, tenant, charge_point)
    return bodies.answer(AcceptAnswer(charge_point=now, command=command), status)


@blueprint.post("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/disconnect")
@document_response(DisconnectAnswer, 202)
@describes(problems={409: "The charge point is offline."})
async def disconnect_charge_point(tenant: str, charge_point: str) -> Response:
    """Close the connection of a charge point.

    csms does not prevent the charge point from connecting again at once.
    """
    store = current_store()
    await lookup.charge_point(store, tenant, charge_point)
    holding = await leases.get_holding(store, tenant, charge_point)
    node = None if holding is None or not holding.online else holding.node
    wish = Disconnect(keys.join(tenant, charge_point), DisconnectReason.OPERATOR)
    if node is not None and await inbox.send(store, node, wish):
        return bodies.answer(DisconnectAnswer(charge_point, node), 202)
    if node is not None and await nodes.is_known(store, node):
        raise Problem(
            503,
            "gateway-away",
            "The gateway of the charge point does not answer, so nothing was done. Try again after "
            "Retry-After. By then the gateway is back, or the charge point is offline.",
            headers={"Retry-After": "5"},
        )
    raise Problem(409, "offline", "The charge point is offline.")


@blueprint.get("/v1/tenants/<name:tenant>/charge-points")
@document_querystring(ChargePointQuery)
@document_response(ChargePointPage)
async def list_charge_points(tenant: str) -> Response:
    """List charge points.

    With a filter, a page may have fewer items than `limit` although another page follows.
    """
    asked = bodies.query(ChargePointQuery)
    filters: Filters = {
        "cursor": asked.cursor,
        "limit": min(asked.limit, ROWS_MAX),
        "online": asked.online,
        "boot_status": asked.boot_status,
        "prefix": asked.prefix or "",
    }
    listed: list[tuple[ChargePointRecord, Holding | None, Sequence[Trouble] | None]]
    if asked.trouble is None:
        page = await charge_points.list_(current_store(), tenant, **filters)
        listed, after = [(*one, None) for one in page.items], page.next
    else:
        kind = None if asked.trouble == "any" else asked.trouble
        troubled = await troubles.list_(current_store(), tenant, kind, **filters)
        listed, after = list(troubled.items), troubled.next
    hosts = await _hosts_of(holding for _, holding, _ in listed)
    items = tuple(charge_point_answer.item_of(one, holding, hosts, of) for one, holding, of in listed)
    return bodies.answer(ChargePointPage(items, after))


async def _announce_settings(store: Store, tenant: str, charge_point: str) -> None:
    """Announce changed settings to the open session.

    If the message is lost, the settings apply from the next BootNotification or the next session.
    """
    holding = await leases.get_holding(store, tenant, charge_point)
    if holding is not None and holding.node is not None:
        await inbox.send(store, holding.node, SettingsChanged(keys.join(tenant, charge_point)))


async def _change(
    store: Store,
    tenant: str,
    charge_point: str,
    change: Callable[[ChargePointSettings], ChargePointSettings],
) -> bool:
    """Change the settings if the condition of the request holds.

    Returns False for an unknown charge point. Raises Problem (412).
    """

    def decide(found: ChargePointRecord) -> Settings:
        present = convert(found, ChargePointSettings)
        conditions.check(present)
        return Settings(**msgspec.structs.asdict(change(present)))

    if not await charge_points.change(store, tenant, charge_point, decide):
        return False
    await _announce_settings(store, tenant, charge_point)
    return True


async def _respond(store: Store, tenant: str, charge_point: str, status: int = 200) -> Response:
    answer = await _answer(store, tenant, charge_point)
    return bodies.answer(answer, status, **conditions.etag(convert(answer, ChargePointSettings)))


async def _answer(store: Store, tenant: str, charge_point: str) -> ChargePointAnswer:
    found = await lookup.charge_point(store, tenant, charge_point)
    holding = await leases.get_holding(store, tenant, charge_point)
    of_connectors = await connectors.list_(store, tenant, charge_point)
    of = await troubles.read_troubles(store, [keys.ChargePointKeys(tenant, charge_point)])
    hosts = await _hosts_of([holding])
    return charge_point_answer.answer_of(found, holding, hosts, of_connectors, of.get(charge_point, ()))


async def _hosts_of(holdings: Iterable[Holding | None]) -> dict[str, str]:
    return await services().nodes.hosts_of(one.attachment.node for one in holdings if one is not None)
