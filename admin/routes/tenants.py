"""Routes of tenants: the owners of charge points."""

from typing import Annotated, Literal

import msgspec
from quart import Response, g
from quart_schema import document_querystring, document_request, document_response

from admin.http import (
    Next,
    Paging,
    Problem,
    bodies,
    conditions,
    convert,
    convert_all,
    describes,
    must_exist,
    new_blueprint,
)
from admin.http.auth import allows
from admin.http.names import check_connectable
from admin.http.times import Time
from admin.services import current_store
from gateway.ocpp16.messages.core import RegistrationStatus
from state.tenants import tenants
from state.tenants.tenants import Tenant
from state.transactions import purging

blueprint = new_blueprint("tenants", "Tenants")


Registration = Annotated[
    RegistrationStatus,
    msgspec.Meta(
        description="Value of `registration` for charge points that are registered by their first "
        "connection. With Pending or Rejected, a new charge point cannot work until an operator accepts it. "
        "Charge points that are already registered keep their own value."
    ),
]


CertificateSigning = Annotated[
    Literal["manual", "automatic"],
    msgspec.Meta(
        description="Whether an operator must approve each certificate that a charge point asks for "
        "(`manual`), or csms signs every request that names its charge point (`automatic`)."
    ),
]
CertificateOrganisations = Annotated[
    tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=64)], ...],
    msgspec.Meta(
        max_length=32,
        description="Organisations (O), one of which a client certificate must name (A00.FR.404). If the "
        "list is empty, the organisation is not checked. Certificates that csms issues get the first one.",
        examples=[["Acme Charging Ltd"]],
    ),
]


EndSuperseded = Annotated[
    bool,
    msgspec.Meta(
        description="Whether csms ends a transaction by itself, after 10 minutes, if its connector began "
        "another one. A StopTransaction that still comes counts instead of the end."
    ),
]
EndAfterDays = Annotated[
    Annotated[int, msgspec.Meta(ge=1, le=3650)] | None,
    msgspec.Meta(
        description="After how many days csms ends a transaction by itself, counted from the receipt of its "
        "start. A transaction whose charge point is online and reports that it charges is not ended. null "
        "means that csms ends no transaction because of its age.",
        examples=[7],
    ),
]


class TenantSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of a tenant.

    Each PUT replaces all settings, so a member that is left out gets its default value.
    """

    name: Annotated[
        str, msgspec.Meta(max_length=255, description="Display name.", examples=["Acme Charging Ltd"])
    ] = ""
    auto_register: Annotated[
        bool,
        msgspec.Meta(
            description="Whether a charge point with a valid token and an unknown id is registered by its "
            "first connection. false means that csms refuses such a charge point."
        ),
    ] = False
    registration: Registration = "Accepted"
    security_profile: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=3)] | None,
        msgspec.Meta(
            description="Lowest security profile with which charge points of this tenant may connect: 0 by "
            "the token in the URL alone, 1 by a password, 2 by a password over TLS, 3 by a client "
            "certificate. From 1 on, the token alone opens nothing, and no charge point is registered by its "
            "first connection. null keeps the profile of the tenant; a new tenant then gets 0."
        ),
    ] = None
    certificate_signing: CertificateSigning = "manual"
    certificate_organisations: CertificateOrganisations = ()
    end_superseded: EndSuperseded = False
    end_after_days: EndAfterDays = None


class TenantAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant: the owner of charge points, tokens and id tags."""

    id: Annotated[
        str,
        msgspec.Meta(
            description="Name of the tenant in the paths of this API and in the websocket path of charge "
            "points.",
            examples=["acme"],
        ),
    ]
    name: Annotated[
        str, msgspec.Meta(description="Display name. The text is empty if the tenant has no display name.")
    ]
    auto_register: Annotated[
        bool,
        msgspec.Meta(
            description="Whether a charge point with a valid token and an unknown id is registered by its "
            "first connection. false means that csms refuses such a charge point."
        ),
    ]
    registration: Registration
    security_profile: Annotated[
        int,
        msgspec.Meta(
            description="Lowest security profile with which charge points of this tenant may connect."
        ),
    ]
    certificate_signing: CertificateSigning
    certificate_organisations: CertificateOrganisations
    end_superseded: EndSuperseded
    end_after_days: EndAfterDays
    created_at: Annotated[Time, msgspec.Meta(description="When the tenant was created.")]


class DeleteQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    purge: Annotated[
        bool,
        msgspec.Meta(
            description="Whether to destroy the transactions of deleted charge points of the tenant too, "
            "with their meter values. csms keeps no copy in the store. What is in the archive stays there."
        ),
    ] = False


class TenantPage(msgspec.Struct, frozen=True):
    """A page of the tenants that the API key may see, sorted by id."""

    items: Annotated[tuple[TenantAnswer, ...], msgspec.Meta(description="The tenants of this page.")]
    next: Next


@blueprint.put("/v1/tenants/<name:tenant>")
@document_request(TenantSettings)
@document_response(TenantAnswer, 200)
@document_response(TenantAnswer, 201)
@describes(**conditions.describe_put())
async def put_tenant(tenant: str) -> Response:
    """Create a tenant, or replace its settings.

    With If-Match, csms replaces only the settings that If-Match names, and creates no tenant.
    """
    settings, store = await bodies.body(TenantSettings), current_store()
    check_connectable(tenant, "tenant")
    if conditions.is_conditional():
        if not await tenants.change(store, tenant, lambda found: _changed(found, settings)):
            conditions.check(None)
        return _respond(must_exist(await tenants.get(store, tenant), "tenant"))
    created = await tenants.put(store, tenant, **msgspec.structs.asdict(settings))
    return _respond(must_exist(await tenants.get(store, tenant), "tenant"), 201 if created else 200)


@blueprint.patch("/v1/tenants/<name:tenant>")
@document_response(TenantAnswer)
@describes(**conditions.describe_patch(TenantSettings))
async def patch_tenant(tenant: str) -> Response:
    """Change some settings of a tenant, with a merge patch (RFC 7396).

    If-Match must name the present settings, so that no change by another operator is lost.
    """
    conditions.require_condition()
    patch, store = await conditions.read_patch(), current_store()

    def decide(found: Tenant) -> Tenant:
        return _changed(found, conditions.patched(convert(found, TenantSettings), patch))

    must_exist(await tenants.change(store, tenant, decide), "tenant")
    return _respond(must_exist(await tenants.get(store, tenant), "tenant"))


@blueprint.get("/v1/tenants/<name:tenant>")
@document_response(TenantAnswer)
@describes(etag=True)
async def get_tenant(tenant: str) -> Response:  # noqa: ARG001  the check of the API key has read it
    """Read a tenant."""
    return _respond(g.tenant)


@blueprint.delete("/v1/tenants/<name:tenant>")
@document_querystring(DeleteQuery)
@document_response(None, 204)
@describes(
    **conditions.describe_delete(
        {
            409: "Nothing of the tenant itself was deleted. `in-use`: the tenant still has charge points; "
            "delete them first. `has-transactions`: transactions of deleted charge points are still in the "
            "store, and `purge` is not true. `open-transactions`: one of these transactions is open, and "
            "`transaction` is its public id."
        }
    )
)
async def delete_tenant(tenant: str) -> Response:
    """Delete a tenant with its tokens, id tags and DataTransfer vendors.

    A tenant that still has charge points cannot be deleted, nor one with transactions, which the deletion of
    charge points keeps. `purge=true` destroys these transactions in the store with their meter values. Bill
    them first, because csms keeps no copy. If a purge was interrupted, repeat it: it destroys the rest. A
    purge also works while the store is full.

    With If-Match, csms begins only if the tenant has the settings that If-Match names. Settings that change
    while csms deletes the tenant do not stop it.
    """
    asked, store = bodies.query(DeleteQuery), current_store()
    conditions.check(convert(g.tenant, TenantSettings))
    if asked.purge and not await tenants.has_charge_points(store, tenant):
        running = await purging.purge(store, tenant)
        if running is not None:
            raise Problem(
                409,
                "open-transactions",
                f"The transaction {running} is open. End it with POST .../transactions/{running}/end, and "
                "then delete the tenant.",
                members={"transaction": running},
            )
    outcome = await tenants.delete(store, tenant)
    if outcome == "has_charge_points":
        raise Problem(409, "in-use", "The tenant still has charge points; delete them first.")
    if outcome == "has_transactions":
        raise Problem(
            409,
            "has-transactions",
            "The store still has transactions of the tenant, whose charge points were deleted. Bill them, "
            "and then delete the tenant with `purge=true`, which destroys them.",
        )
    must_exist(outcome == "deleted", "tenant")
    return bodies.no_content()


@blueprint.get("/v1/tenants")
@document_querystring(Paging)
@document_response(TenantPage)
async def list_tenants() -> Response:
    """List tenants.

    An API key that is limited to some tenants sees only those tenants. With such a key, a page may have fewer
    items than `limit` although another page follows.
    """
    asked = bodies.query(Paging)
    page = await tenants.list_(current_store(), cursor=asked.cursor, limit=asked.limit)
    seen = [tenant for tenant in page.items if allows(g.api_key, tenant.id)]
    return bodies.answer(TenantPage(convert_all(seen, TenantAnswer), page.next))


def _changed(found: Tenant, settings: TenantSettings) -> Tenant:
    """Return the tenant with other settings if the condition of the request holds. Raises Problem (412)."""
    conditions.check(convert(found, TenantSettings))
    wanted = msgspec.structs.asdict(settings)
    if settings.security_profile is None:
        wanted["security_profile"] = found.security_profile
    return msgspec.structs.replace(found, **wanted)


def _respond(tenant: Tenant, status: int = 200) -> Response:
    answer, settings = convert(tenant, TenantAnswer), convert(tenant, TenantSettings)
    return bodies.answer(answer, status, **conditions.etag(settings))
