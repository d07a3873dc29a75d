"""Check the API key of each request in the store, so that a revoked key fails at the next request."""

from quart import g, request

from admin.http.problems import Problem, must_exist, not_found
from admin.services import Services
from state.tenants import api_keys, tenants
from state.tenants.api_keys import ApiKey

SECRET_BYTES = 200
_PUBLIC = frozenset({"openapi", "docs.docs", "docs.root"})


async def authorise(services: Services) -> None:
    """Check the key before every route.

    Raises Problem: 401 for a missing or invalid key, 404 for a tenant that does not exist or that the key may
    not see.
    """
    if request.endpoint in _PUBLIC:
        return
    g.api_key = await verify(services, secret())
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


def _unauthorised(detail: str) -> Problem:
    return Problem(401, "unauthorised", detail, headers={"WWW-Authenticate": 'Bearer realm="csms"'})
