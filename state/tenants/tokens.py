"""Tokens: the secrets in the URL paths with which a tenant's charge points connect.

A tenant may have several valid tokens at once, so that an operator can rotate them. A secret is
`<id><random>`. Under the id, the store keeps the keyed hash of the secret, the time of its creation and a
label.
"""

from collections.abc import Iterable
from itertools import batched

import msgspec

from state import keys
from state.errors import StateError
from state.paging import Page, list_members
from state.store import Store
from state.tenants import credentials
from state.tenants.credentials import NewSecret
from state.tenants.tenants import FIELDS, Tenant, read_tenant

_DIGEST_BYTES = 32
_AT_ONCE = 1000


class UnknownTenant(StateError):  # noqa: N818  As its neighbours in errors.py.
    """The token cannot be created, because its tenant does not exist."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    label: str
    created_ms: int


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    tenant: Tenant
    token_id: str


async def create(store: Store, pepper: bytes, tenant: str, label: str = "") -> NewSecret:
    """Create a token. Raises UnknownTenant if there is no such tenant."""
    token_id = credentials.new_id()
    secret = token_id + credentials.new_random()
    [word] = await store.step(
        "tenants/token_create", _keys(tenant), (token_id, credentials.digest(pepper, secret), label)
    )
    if word == b"unknown":
        raise UnknownTenant(f"there is no tenant {tenant!r}; create the tenant before its tokens")
    return NewSecret(id=token_id, secret=secret)


async def verify(store: Store, pepper: bytes, tenant: str, secret: str) -> Verified | None:
    """Return the token's tenant and id, or None if the token is not valid. The check takes one round trip.

    The check takes as long for an unknown tenant as for a wrong token.
    """
    token_id = secret[: credentials.ID_LENGTH]
    stored, *values = await store.execute("HMGET", keys.tokens(tenant), _field(token_id), *FIELDS)
    right = credentials.matches(pepper, secret, stored and stored[:_DIGEST_BYTES])
    found = read_tenant(tenant, values)
    return Verified(tenant=found, token_id=token_id) if right and found is not None else None


async def revoke(store: Store, tenant: str, token_id: str) -> bool:
    """Delete a token. Returns False if there is no such token.

    The caller must end the sessions that use the token (`inbox.broadcast`).
    """
    [word] = await store.step("tenants/token_revoke", _keys(tenant), (token_id,))
    return bool(word == b"revoked")


async def list_(store: Store, tenant: str, *, cursor: str | None = None, limit: int = 100) -> Page[Token]:
    """List tokens by id. Raises BadCursor."""
    page = await list_members(store, [keys.token_ids(tenant)], limit=limit, cursor=cursor)
    ids = [member.decode() for member in page.items]
    values = await store.execute("HMGET", keys.tokens(tenant), *map(_field, ids)) if ids else []
    tokens = (_token(token_id, value) for token_id, value in zip(ids, values, strict=True) if value)
    return Page(tuple(tokens), page.next)


async def find_existing(store: Store, wanted: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those of the given pairs (tenant, token id) whose tokens still exist."""
    found: set[tuple[str, str]] = set()
    for some in batched(wanted, _AT_ONCE, strict=False):
        replies = await store.pipeline(
            [("HEXISTS", keys.tokens(tenant), _field(one)) for tenant, one in some]
        )
        found.update(pair for pair, there in zip(some, replies, strict=True) if there)
    return found


def _keys(tenant: str) -> tuple[str, str]:
    return keys.tokens(tenant), keys.token_ids(tenant)


def _field(token_id: str) -> str:
    return f"token:{token_id}"


def _token(token_id: str, value: bytes) -> Token:
    created_ms, _, label = value[_DIGEST_BYTES:].partition(b" ")
    return Token(id=token_id, label=label.decode(), created_ms=int(created_ms))
