"""Tokens: the secrets in the URL paths with which a tenant's charge points connect.

A tenant may have several valid tokens at once, so that an operator can rotate them. A secret is
`<id><random>`. Under the id, the store keeps the keyed hash of the secret, the time of its creation and a
label.

A retired token still names its tenant, so that charge points that prove themselves with a password or a
certificate can go on using it. A retired token opens nothing by itself. A token may be bound to one charge
point, and is then wrong in the path of any other charge point.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import batched, groupby
from operator import itemgetter
from typing import Any

import msgspec

from state import keys
from state.errors import StateError
from state.paging import Page, list_members
from state.redis.connection import Arg
from state.store import Store
from state.tenants import credentials
from state.tenants.credentials import NewSecret
from state.tenants.tenants import FIELDS, Tenant, read_tenant

_DIGEST_BYTES = 32
_AT_ONCE = 200
"""Greatest number of tokens in one command."""
_COMMANDS = 5
"""Greatest number of such commands in one round trip."""
_NOBODYS_FIELDS: tuple[bytes | None, ...] = (
    *(b"", b"0", b"1", b"Accepted", b"0", b"manual", b"[]"),
    *(b"0", b""),
)
"""Values of FIELDS that are read in place of those of an unknown tenant."""


class UnknownTenant(StateError):  # noqa: N818  As its neighbours in errors.py.
    """The token cannot be created, because its tenant does not exist."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token without its secret. Only `list_` knows `used_ms`, the time at which it was last used.

    `charge_point` is the id of the only charge point that may use the token, or None. `retired_ms` is the
    time at which an operator retired the token, or None.
    """

    id: str
    label: str
    created_ms: int
    charge_point: str | None = None
    retired_ms: int | None = None
    used_ms: int | None = None


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a path with a tenant and a token shows.

    `tenant` is None if the tenant does not exist. `token` is None if the token is not one of the tenant's.
    """

    tenant: Tenant | None
    token: Token | None


async def create(
    store: Store, pepper: bytes, tenant: str, label: str = "", *, charge_point: str | None = None
) -> NewSecret:
    """Create a token, for `charge_point` alone if it is given.

    Raises UnknownTenant if there is no such tenant.
    """
    token_id = credentials.new_id()
    secret = token_id + credentials.new_random()
    [word] = await store.step(
        "tenants/token_create",
        _keys(tenant),
        (token_id, credentials.digest(pepper, secret), label, charge_point or ""),
    )
    if word == b"unknown":
        raise UnknownTenant(f"there is no tenant {tenant!r}; create the tenant before its tokens")
    return NewSecret(id=token_id, secret=secret)


async def look_up(store: Store, pepper: bytes, tenant: str, secret: str) -> Shown:
    """Return the tenant and the token that a path names."""
    return read_shown(pepper, tenant, secret, await store.execute(*command(tenant, secret)))


def command(tenant: str, secret: str) -> tuple[Arg, ...]:
    """Return the command that reads what `read_shown` needs."""
    return "HMGET", keys.tokens(tenant), *_fields(secret[: credentials.ID_LENGTH]), *FIELDS


def read_shown(pepper: bytes, tenant: str, secret: str, reply: Sequence[Any]) -> Shown:
    """Read the reply to `command`. This takes as long for an unknown tenant as for a wrong token."""
    token_id = secret[: credentials.ID_LENGTH]
    stored, bound, retired, *values = reply
    right = credentials.matches(pepper, secret, stored and stored[:_DIGEST_BYTES])
    found = read_tenant(tenant, tuple(values))
    if found is None:
        read_tenant(tenant, _NOBODYS_FIELDS)
    shown = right and found is not None
    return Shown(tenant=found, token=_token(token_id, stored, bound, retired) if shown else None)


async def set_retired(store: Store, tenant: str, token_id: str, *, retired: bool) -> bool:
    """Retire a token, or make a retired token valid again. Returns False if there is no such token.

    After retiring, the caller must end the sessions that proved themselves by the token alone
    (`inbox.broadcast`).
    """
    [word] = await store.step("tenants/token_retire", (keys.tokens(tenant),), (token_id, int(retired)))
    return bool(word == b"stored")


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
    fields = [field for token_id in ids for field in (*_fields(token_id), f"token-used:{token_id}")]
    values = await store.execute("HMGET", keys.tokens(tenant), *fields) if ids else []
    tokens = (
        _token(token_id, *of_token)
        for token_id, of_token in zip(ids, batched(values, 4, strict=True), strict=True)
        if of_token[0]
    )
    return Page(tuple(tokens), page.next)


async def record_uses(store: Store, uses: Mapping[tuple[str, str], int]) -> None:
    """Record when each token, by tenant and id, was last used. Does nothing for tokens that do not exist.

    The steps run on the connection that reads lists for operators, so no fact waits for them.
    """
    calls: list[tuple[Sequence[str], Sequence[Arg]]] = []
    for tenant, of_tenant in groupby(sorted(uses.items()), key=lambda one: one[0][0]):
        for some in batched(of_tenant, _AT_ONCE, strict=False):
            args = [part for (_, token_id), used_ms in some for part in (token_id, used_ms)]
            calls.append(((keys.tokens(tenant),), args))
    for few in batched(calls, _COMMANDS, strict=False):
        await store.steps("tenants/token_used", few)


async def find_existing(store: Store, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], bool]:
    """Return those of the given pairs (tenant, token id) whose tokens exist, and whether each is retired.

    One command asks for many tokens of a tenant, because each charge point may have a token of its own.
    """
    asked = [
        some
        for _, of_tenant in groupby(sorted(wanted), key=itemgetter(0))
        for some in batched(of_tenant, _AT_ONCE, strict=False)
    ]
    found: dict[tuple[str, str], bool] = {}
    for commands in batched(asked, _COMMANDS, strict=False):
        reads = [
            ("HMGET", keys.tokens(some[0][0]), *(field for _, token in some for field in _states(token)))
            for some in commands
        ]
        for some, reply in zip(commands, await store.pipeline(reads), strict=True):
            for pair, (there, retired_ms) in zip(some, batched(reply, 2, strict=True), strict=True):
                if there:
                    found[pair] = retired_ms is not None
    return found


def _keys(tenant: str) -> tuple[str, str]:
    return keys.tokens(tenant), keys.token_ids(tenant)


def _field(token_id: str) -> str:
    return f"token:{token_id}"


def _states(token_id: str) -> tuple[str, str]:
    """Return the names of two fields: the token, and when it was retired."""
    return _field(token_id), f"token-retired:{token_id}"


def _fields(token_id: str) -> tuple[str, str, str]:
    """Return the names of a token's fields: the token, its charge point, and when it was retired."""
    return _field(token_id), f"token-of:{token_id}", f"token-retired:{token_id}"


def _token(
    token_id: str,
    value: bytes,
    charge_point: bytes | None,
    retired_ms: bytes | None,
    used_ms: bytes | None = None,
) -> Token:
    created_ms, _, label = value[_DIGEST_BYTES:].partition(b" ")
    return Token(
        id=token_id,
        label=label.decode(),
        created_ms=int(created_ms),
        charge_point=charge_point.decode() if charge_point else None,
        retired_ms=int(retired_ms) if retired_ms else None,
        used_ms=int(used_ms) if used_ms else None,
    )
