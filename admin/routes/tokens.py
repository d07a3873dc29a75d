"""Tokens: what a tenant's charge points carry in their path, shown once and stored as a hash."""

from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.http import Next, Paging, bodies, convert_page, must_exist, new_blueprint, not_found, times
from admin.services import current_store, services
from state.nodes import inbox
from state.tenants import tokens
from state.tenants.tokens import UnknownTenant

blueprint = new_blueprint("tokens", "Tenants")


class TokenSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a new token is for."""

    label: Annotated[
        str, msgspec.Meta(max_length=255, description="For people.", examples=["depot north"])
    ] = ""


class TokenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A token, without its secret."""

    id: str
    label: str
    created_at: Annotated[str, msgspec.Meta(examples=["2026-01-01T12:00:00.000Z"])]


class NewTokenAnswer(TokenAnswer, frozen=True, kw_only=True):
    """A new token. This is the only time that its secret is shown."""

    secret: Annotated[
        str, msgspec.Meta(description="Charge points connect to /OCPP16/{tenant}/{secret}/{charge point id}.")
    ]


class TokenPage(msgspec.Struct, frozen=True):
    """Tokens of a tenant."""

    items: tuple[TokenAnswer, ...]
    next: Next


@blueprint.post("/v1/tenants/<name:tenant>/tokens")
@document_request(TokenSettings)
@document_response(NewTokenAnswer, 201)
async def create_token(tenant: str) -> Response:
    """Make a token.

    Any number may be valid at once, so that tokens can be exchanged one charge point after the other.
    """
    settings = await bodies.body(TokenSettings)
    held = services()
    try:
        made = await tokens.create(held.store, held.pepper, tenant, settings.label)
    except UnknownTenant:  # Deleted since the check before the route.
        raise not_found("tenant") from None
    created_at = times.text(held.store.server_time_ms())
    return bodies.answer(
        NewTokenAnswer(id=made.id, label=settings.label, created_at=created_at, secret=made.secret), 201
    )


@blueprint.delete("/v1/tenants/<name:tenant>/tokens/<name:token_id>")
@document_response(None, 204)
async def revoke_token(tenant: str, token_id: str) -> Response:
    """Revoke a token.

    Charge points that are connected with it are disconnected, and cannot connect with it again.
    """
    store = current_store()
    must_exist(await tokens.revoke(store, tenant, token_id), "token")
    await inbox.broadcast(store, inbox.TokenRevoked(tenant, token_id))
    return bodies.no_content()


@blueprint.get("/v1/tenants/<name:tenant>/tokens")
@document_querystring(Paging)
@document_response(TokenPage)
async def list_tokens(tenant: str) -> Response:
    """List tokens; their secrets are not stored."""
    asked = bodies.query(Paging)
    page = await tokens.list_(current_store(), tenant, cursor=asked.cursor, limit=asked.limit)
    return bodies.answer(convert_page(page, TokenPage, TokenAnswer))
