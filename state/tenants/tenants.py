"""Tenants. Each tenant has one hash.

The hash also has the tenant's tokens, so that a handshake reads both at once. An index lists all tenants.
"""

from typing import Literal

import msgspec

from state import keys
from state.paging import Page, list_members
from state.record import BootStatus
from state.replies import read_record
from state.store import Store
from state.tenants import id_tags

FIELDS = ("name", "auto_register", "created_ms", "registration")


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant.

    `auto_register` means that a charge point with a valid token and an unknown id is registered when it
    connects. `registration` is the policy for such a charge point, so an operator can keep new charge points
    out until they are accepted.
    """

    id: str
    name: str
    auto_register: bool
    created_ms: int
    registration: BootStatus = "Accepted"


async def put(
    store: Store, tenant: str, *, name: str, auto_register: bool, registration: BootStatus = "Accepted"
) -> bool:
    """Create a tenant or change it. Returns True if the tenant is new."""
    # The index is written first. Listings skip an indexed name that has no tenant, but they never find a
    # tenant whose name is not indexed.
    await store.execute("ZADD", keys.TENANTS, 0, tenant)
    fields = ("name", name, "auto_register", int(auto_register), "registration", registration)
    [word] = await store.step("tenants/put", (keys.tokens(tenant),), fields)
    return bool(word == b"created")


async def get(store: Store, tenant: str) -> Tenant | None:
    return read_tenant(tenant, await store.execute("HMGET", keys.tokens(tenant), *FIELDS))


async def list_(store: Store, *, cursor: str | None = None, limit: int = 100) -> Page[Tenant]:
    """List tenants by id. Raises BadCursor."""
    page = await list_members(store, [keys.TENANTS], limit=limit, cursor=cursor)
    names = [member.decode() for member in page.items]
    found = await store.pipeline([("HMGET", keys.tokens(name), *FIELDS) for name in names])
    tenants = (read_tenant(name, values) for name, values in zip(names, found, strict=True))
    return Page(tuple(tenant for tenant in tenants if tenant is not None), page.next)


async def delete(store: Store, tenant: str) -> Literal["deleted", "unknown", "in_use"]:
    """Delete a tenant with its id tags, tokens and DataTransfer vendors, unless it still has charge points.

    `in_use` means that the tenant still has charge points, so nothing was deleted. The id tags are deleted
    first, so that after an interruption the tenant still exists and can be deleted again.
    """
    indexes = [keys.charge_points(partition, tenant) for partition in range(keys.PARTITIONS)]
    if (await list_members(store, indexes, limit=1)).items:
        return "in_use"
    await id_tags.delete_all(store, tenant)
    known = await store.execute(
        "UNLINK", keys.tokens(tenant), keys.token_ids(tenant), keys.data_transfer_vendors(tenant)
    )
    await store.execute("ZREM", keys.TENANTS, tenant)
    return "deleted" if known else "unknown"


def read_tenant(tenant: str, values: list[bytes | None]) -> Tenant | None:
    """Make a tenant from the values of FIELDS. Returns None if the store has no values."""
    if values[0] is None:
        return None
    stored = {name.encode(): value for name, value in zip(FIELDS, values, strict=True) if value is not None}
    return read_record(Tenant, stored, id=tenant)
