"""Routes of tokens: secrets in the websocket paths of charge points, shown once and stored as hashes."""

from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.http import Next, Paging, bodies, convert, must_exist, new_blueprint, not_found, times
from admin.http.names import CONNECTABLE, check_connectable
from admin.http.times import Time
from admin.services import current_store, services
from state.nodes import inbox
from state.tenants import tokens
from state.tenants.tokens import UnknownTenant

blueprint = new_blueprint("tokens", "Tenants")


class TokenSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token to create."""

    label: Annotated[
        str, msgspec.Meta(max_length=255, description="Note for operators.", examples=["depot north"])
    ] = ""
    charge_point: Annotated[
        Annotated[str, msgspec.Meta(min_length=1, max_length=255, extra_json_schema={"pattern": CONNECTABLE})]
        | None,
        msgspec.Meta(
            description="Id of the only charge point that may use the token. null means that every charge "
            "point of the tenant may use it."
        ),
    ] = None


class TokenChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change of a token."""

    retired: Annotated[
        bool,
        msgspec.Meta(
            description="true retires the token: it opens nothing by itself any more, but charge points with "
            "a password or a client certificate may go on using it in their URL. false undoes this."
        ),
    ]


class TokenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A token, without its secret."""

    id: Annotated[
        str, msgspec.Meta(description="Id of the token; use it to revoke the token. The id is not secret.")
    ]
    label: Annotated[
        str, msgspec.Meta(description="Note for operators. The text is empty if the token has no note.")
    ]
    created_at: Annotated[Time, msgspec.Meta(description="When the token was created.")]
    charge_point: Annotated[
        str | None,
        msgspec.Meta(
            description="Id of the only charge point that may use the token. null means that every charge "
            "point of the tenant may use it."
        ),
    ]
    retired_at: Annotated[
        Time | None,
        msgspec.Meta(description="When the token was retired. null means that the token is not retired."),
    ]
    last_used_at: Annotated[
        Time | None,
        msgspec.Meta(
            description="When a charge point last connected or disconnected with the token. The time may be "
            "a minute late. An open connection counts as a use every 15 minutes. null means that no charge "
            "point has used the token since this release of csms was installed."
        ),
    ]


class NewTokenAnswer(TokenAnswer, frozen=True, kw_only=True):
    """A new token with its secret, which is never shown again."""

    secret: Annotated[
        str,
        msgspec.Meta(
            description="The secret of the token. Charge points connect to "
            "`/OCPP16/{tenant}/{secret}/{charge point id}`."
        ),
    ]


class TokenPage(msgspec.Struct, frozen=True):
    """A page of the tokens of a tenant."""

    items: Annotated[
        tuple[TokenAnswer, ...], msgspec.Meta(description="The tokens of this page, without their secrets.")
    ]
    next: Next


@blueprint.post("/v1/tenants/<name:tenant>/tokens")
@document_request(TokenSettings)
@document_response(NewTokenAnswer, 201)
async def create_token(tenant: str) -> Response:
    """Create a token.

    A tenant may have any number of tokens, so you can move its charge points to a new token one by one.
    """
    settings = await bodies.body(TokenSettings)
    held, charge_point = services(), settings.charge_point
    if charge_point is not None:
        check_connectable(charge_point, "charge point")
    try:
        made = await tokens.create(held.store, held.pepper, tenant, settings.label, charge_point=charge_point)
    except UnknownTenant:  # The tenant was deleted after the check of the API key.
        raise not_found("tenant") from None
    created_at = times.text(held.store.server_time_ms())
    answer = NewTokenAnswer(
        id=made.id,
        label=settings.label,
        created_at=created_at,
        charge_point=charge_point,
        retired_at=None,
        last_used_at=None,
        secret=made.secret,
    )
    return bodies.answer(answer, 201)


@blueprint.patch("/v1/tenants/<name:tenant>/tokens/<name:token_id>")
@document_request(TokenChange)
@document_response(None, 204)
async def change_token(tenant: str, token_id: str) -> Response:
    """Retire a token, or make a retired token valid again.

    Retire a token that has leaked. A charge point that proves itself with a password or a client certificate
    may still have the token in its URL, so it need not be visited. csms disconnects the charge points that
    proved themselves by the token alone.
    """
    asked, store = await bodies.body(TokenChange), current_store()
    must_exist(await tokens.set_retired(store, tenant, token_id, retired=asked.retired), "token")
    if asked.retired:
        await inbox.broadcast(store, inbox.TokenRetired(tenant, token_id))
    return bodies.no_content()


@blueprint.delete("/v1/tenants/<name:tenant>/tokens/<name:token_id>")
@document_response(None, 204)
async def revoke_token(tenant: str, token_id: str) -> Response:
    """Revoke a token.

    csms disconnects the charge points that are connected with the token. No charge point can connect with the
    token again, not even with a password or a client certificate. To keep such charge points connected,
    retire the token instead.
    """
    store = current_store()
    must_exist(await tokens.revoke(store, tenant, token_id), "token")
    await inbox.broadcast(store, inbox.TokenRevoked(tenant, token_id))
    return bodies.no_content()


@blueprint.get("/v1/tenants/<name:tenant>/tokens")
@document_querystring(Paging)
@document_response(TokenPage)
async def list_tokens(tenant: str) -> Response:
    """List the tokens of a tenant.

    The secrets of the tokens are not stored, so the list does not show them.
    """
    asked = bodies.query(Paging)
    page = await tokens.list_(current_store(), tenant, cursor=asked.cursor, limit=asked.limit)
    items = tuple(
        convert(token, TokenAnswer, last_used_at=times.maybe_text(token.used_ms)) for token in page.items
    )
    return bodies.answer(TokenPage(items, page.next))
