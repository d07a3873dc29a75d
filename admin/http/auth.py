"""Check the API key of each request in the store, so that a revoked key fails at the next request."""

import time

from quart import g, request

from admin.http.problems import Problem, must_exist, not_found
from admin.services import Services
from state.tenants import api_keys, tenants
from state.tenants.api_keys import ApiKey

SECRET_BYTES = 200
_PUBLIC = frozenset({"openapi", "docs.docs", "docs.root"})


async def authorise(services: Services) -> None:
    """Check the key before every route.

    Raises Problem: 401 for a missing or invalid key, 429 after too many invalid keys from this address, 404
    for a tenant that does not exist or that the key may not see.
    """
    if request.endpoint in _PUBLIC:
        return
    g.api_key = await _verify_counted(services, secret(), g.address)
    tenant = (request.view_args or {}).get("tenant")
    if tenant is None:
        return
    if not allows(g.api_key, tenant):
        raise not_found("tenant")
    if request.endpoint != "tenants.put_tenant":
        g.tenant = must_exist(await tenants.get(services.store, tenant), "tenant")


def secret() -> str:
    """Return the bearer token of this request. Raises Problem (401)."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthorised(
            "The request has no API key. Send `Authorization: Bearer csms_...`; "
            "`csms api-key create` makes a key."
        )
    return token.strip()


async def _verify_counted(services: Services, given: str, address: str) -> ApiKey:
    """Verify a key, and count the failures of this address.

    An address that failed too often with the id of this key is refused, even if the key is right now.
    Otherwise an attacker could try secrets without end. A right key with another id is served, because many
    clients may share an address.
    """
    attempts, key_id = services.attempts, api_keys.read_id(given[:SECRET_BYTES]) or ""
    now = time.monotonic()
    wait = attempts.wait_of_name(address, key_id, now) if key_id else 0
    if wait:
        raise _too_many(wait)
    try:
        return await verify(services, given)
    except Problem:
        wait = attempts.wait_of_address(address, now)
        attempts.record_failure(address, key_id, now)
        if wait:
            raise _too_many(wait) from None
        raise


async def verify(services: Services, given: str) -> ApiKey:
    """Read the record of the API key. Raises Problem (401)."""
    key = None
    if len(given) <= SECRET_BYTES and given.isascii():
        key = await api_keys.verify(services.store, services.pepper, given)
    if key is None:
        raise _unauthorised("The API key is unknown or was revoked; `csms api-key create` makes a new one.")
    return key


def allows(key: ApiKey, tenant: str) -> bool:
    return key.tenants is None or tenant in key.tenants


def _too_many(wait: int) -> Problem:
    return Problem(
        429,
        "too-many-failures",
        f"Too many requests from this address had a wrong API key. Try again in {wait} s.",
        headers={"Retry-After": str(wait)},
    )


def _unauthorised(detail: str) -> Problem:
    return Problem(401, "unauthorised", detail, headers={"WWW-Authenticate": 'Bearer realm="csms"'})
