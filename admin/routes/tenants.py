"""Tenants: whose charge points these are."""

from typing import Annotated

import msgspec
from quart import Response, g
from quart_schema import document_querystring, document_request, document_response

from admin.http import (
    Next,
    Paging,
    Problem,
    bodies,
    convert,
    convert_all,
    describes,
    must_exist,
    new_blueprint,
)
from admin.http.auth import allows
from admin.http.names import check_connectable
from admin.services import current_store
from gateway.ocpp16.messages.core import RegistrationStatus
from state.tenants import tenants

blueprint = new_blueprint("tenants", "Tenants")


Registration = Annotated[
    RegistrationStatus,
    msgspec.Meta(
        description="The `registration` of charge points that register themselves. Pending or Rejected holds "
        "newcomers back until each is released; those that are registered already keep their own."
    ),
]


class TenantSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator decides about a tenant. What is left out gets its default."""

    name: Annotated[
        str, msgspec.Meta(max_length=255, description="For people.", examples=["Acme Charging Ltd"])
    ] = ""
    auto_register: Annotated[
        bool,
        msgspec.Meta(
            description="Whether a charge point with a valid token and an unknown id is registered by itself."
        ),
    ] = False
    registration: Registration = "Accepted"


class TenantAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant."""

    id: Annotated[str, msgspec.Meta(examples=["acme"])]
    name: str
    auto_register: bool
    registration: Registration
    created_at: Annotated[str, msgspec.Meta(examples=["2026-01-01T12:00:00.000Z"])]


class TenantPage(msgspec.Struct, frozen=True):
    """Tenants that the API key may see, by id."""

    items: tuple[TenantAnswer, ...]
    next: Next


@blueprint.put("/v1/tenants/<name:tenant>")
@document_request(TenantSettings)
@document_response(TenantAnswer, 200)
@document_response(TenantAnswer, 201)
async def put_tenant(tenant: str) -> Response:
    """Create a tenant, or replace its settings."""
    settings = await bodies.body(TenantSettings)
    check_connectable(tenant, "tenant")
    created = await tenants.put(current_store(), tenant, **msgspec.structs.asdict(settings))
    stored = must_exist(await tenants.get(current_store(), tenant), "tenant")
    return bodies.answer(convert(stored, TenantAnswer), 201 if created else 200)


@blueprint.get("/v1/tenants/<name:tenant>")
@document_response(TenantAnswer)
async def get_tenant(tenant: str) -> Response:  # noqa: ARG001  the check before the route has read it
    """Read a tenant."""
    return bodies.answer(convert(g.tenant, TenantAnswer))


@blueprint.delete("/v1/tenants/<name:tenant>")
@document_response(None, 204)
@describes(problems={409: "The tenant still has charge points; delete those first."})
async def delete_tenant(tenant: str) -> Response:
    """Delete a tenant with its tokens, id tags and DataTransfer vendors.

    It must have no charge points any more.
    """
    outcome = await tenants.delete(current_store(), tenant)
    if outcome == "in_use":
        raise Problem(409, "in-use", "The tenant still has charge points; delete those first.")
    must_exist(outcome == "deleted", "tenant")
    return bodies.no_content()


@blueprint.get("/v1/tenants")
@document_querystring(Paging)
@document_response(TenantPage)
async def list_tenants() -> Response:
    """List tenants.

    A key that is limited to tenants sees those; a page may then be short and still have a next one.
    """
    asked = bodies.query(Paging)
    page = await tenants.list_(current_store(), cursor=asked.cursor, limit=asked.limit)
    seen = [tenant for tenant in page.items if allows(g.api_key, tenant.id)]
    return bodies.answer(TenantPage(convert_all(seen, TenantAnswer), page.next))
