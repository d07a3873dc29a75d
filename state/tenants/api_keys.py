"""API keys of people and programs, `csms_<id>_<random>`.

All API keys are in one hash, because only few exist.
"""

import re

import msgspec

from state import keys
from state.replies import read_fields
from state.store import Store
from state.tenants import credentials
from state.tenants.credentials import NewSecret

_SECRET = re.compile(r"csms_([A-Za-z0-9]{8})_[A-Za-z0-9]{32}")


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key without its secret.

    If `tenants` is None, the key is valid for all tenants, and for requests that concern no tenant.
    """

    id: str
    name: str
    tenants: list[str] | None
    created_ms: int


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    tenants: list[str] | None
    created_ms: int
    digest: bytes


_decode = msgspec.json.Decoder(_Stored).decode


async def create(store: Store, pepper: bytes, name: str, tenants: list[str] | None) -> NewSecret:
    key_id = credentials.new_id()
    secret = f"csms_{key_id}_{credentials.new_random()}"
    stored = _Stored(
        name=name,
        tenants=tenants,
        created_ms=store.server_time_ms(),
        digest=credentials.digest(pepper, secret),
    )
    await store.execute("HSET", keys.API_KEYS, key_id, msgspec.json.encode(stored))
    return NewSecret(id=key_id, secret=secret)


def read_id(secret: str) -> str | None:
    """Return the id of the key that a text claims to be, or None if it does not have the form of a key."""
    match = _SECRET.fullmatch(secret)
    return None if match is None else match[1]


async def verify(store: Store, pepper: bytes, secret: str) -> ApiKey | None:
    """Return the API key with this secret, or None. The check takes one round trip.

    A text that does not have the form of a key is not looked up. The form is not a secret.
    """
    match = _SECRET.fullmatch(secret)
    if match is None:
        return None
    key_id = match[1]
    reply = await store.execute("HGET", keys.API_KEYS, key_id)
    stored = None if reply is None else _decode(reply)
    right = credentials.matches(pepper, secret, None if stored is None else stored.digest)
    return _api_key(key_id, stored) if right and stored is not None else None


async def revoke(store: Store, key_id: str) -> bool:
    """Delete a key. The next request with this key is refused. Returns False if there is no such key."""
    return bool(await store.execute("HDEL", keys.API_KEYS, key_id))


async def list_(store: Store) -> list[ApiKey]:
    """List all keys, the oldest first."""
    found = read_fields(await store.execute("HGETALL", keys.API_KEYS))
    api_keys = [_api_key(key_id, _decode(text)) for key_id, text in found.items()]
    return sorted(api_keys, key=lambda key: (key.created_ms, key.id))


def _api_key(key_id: str, stored: _Stored) -> ApiKey:
    return ApiKey(id=key_id, name=stored.name, tenants=stored.tenants, created_ms=stored.created_ms)
