"""Tenants. Each tenant has one hash.

The hash also has the tenant's tokens, so that a handshake reads both at once. An index lists all tenants.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal

import msgspec

from state import guarded, keys
from state.batches import batches
from state.paging import Page, list_members
from state.record import BootStatus
from state.redis.connection import Arg
from state.replies import read_record
from state.store import Store
from state.tenants import id_tags

FIELDS = (
    *("name", "auto_register", "created_ms", "registration"),
    *("security_profile", "certificate_signing", "certificate_organisations"),
    *("end_superseded", "end_after_days"),
)

type CertificateSigning = Literal["manual", "automatic"]
type SecurityProfile = Literal[0, 1, 2, 3]
"""How a charge point proves itself (security whitepaper A00).

0 is the token in the path alone, 1 is Basic authentication, 2 is Basic authentication over TLS, and 3 is a
client certificate.
"""


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant.

    `auto_register` means that a charge point with a valid token and an unknown id is registered when it
    connects. `registration` is the policy for such a charge point, so an operator can keep new charge points
    out until they are accepted.

    No charge point of the tenant may connect with a lower profile than `security_profile`. Only a charge
    point that is allowed profile 0 can be registered by its first connection. `certificate_signing` says
    whether an operator must approve each certificate request. If `certificate_organisations` is not empty, a
    client certificate must name one of these organisations (A00.FR.404).

    With `end_superseded`, csms itself ends transactions whose connector began another one. If
    `end_after_days` is not None, csms itself ends transactions that have been open for so many days.
    """

    id: str
    name: str
    auto_register: bool
    created_ms: int
    registration: BootStatus = "Accepted"
    security_profile: SecurityProfile = 0
    certificate_signing: CertificateSigning = "manual"
    certificate_organisations: tuple[str, ...] = ()
    end_superseded: bool = False
    end_after_days: int | None = None


async def put(
    store: Store,
    tenant: str,
    *,
    name: str,
    auto_register: bool,
    registration: BootStatus = "Accepted",
    security_profile: SecurityProfile | None = None,
    certificate_signing: CertificateSigning = "manual",
    certificate_organisations: Sequence[str] = (),
    end_superseded: bool = False,
    end_after_days: int | None = None,
) -> bool:
    """Create a tenant or change it. Returns True if the tenant is new.

    If `security_profile` is None, the tenant keeps its profile. For a new tenant, None means 0.
    """
    # The index is written first. Listings skip an indexed name that has no tenant, but they never find a
    # tenant whose name is not indexed.
    await store.execute("ZADD", keys.TENANTS, 0, tenant)
    wanted = Tenant(
        id=tenant,
        name=name,
        auto_register=auto_register,
        created_ms=0,
        registration=registration,
        security_profile=security_profile or 0,
        certificate_signing=certificate_signing,
        certificate_organisations=tuple(certificate_organisations),
        end_superseded=end_superseded,
        end_after_days=end_after_days,
    )
    fields = _settings_fields(wanted, with_profile=security_profile is not None)
    [word] = await store.step("tenants/put", (keys.tokens(tenant),), fields)
    return bool(word == b"created")


async def change(store: Store, tenant: str, decide: Callable[[Tenant], Tenant]) -> bool:
    """Replace the settings of a tenant by those that `decide` makes of the present ones.

    `decide` may be called more than once. Returns False if there is no such tenant.
    """
    key = keys.tokens(tenant)

    async def attempt() -> guarded.Outcome:
        stored = tuple(await store.execute("HMGET", key, *FIELDS))
        found = read_tenant(tenant, stored)
        if found is None:
            return "gone"
        before = dict(zip(FIELDS, stored, strict=True))
        wanted = _settings_fields(decide(found))
        read = [part for name in wanted[::2] for part in (name, before[str(name)] or b"")]
        return await guarded.change(store, key, "created_ms", read, wanted)

    return await guarded.until_unchanged(attempt)


async def get(store: Store, tenant: str) -> Tenant | None:
    return read_tenant(tenant, tuple(await store.execute("HMGET", keys.tokens(tenant), *FIELDS)))


async def list_(store: Store, *, cursor: str | None = None, limit: int = 100) -> Page[Tenant]:
    """List tenants by id. Raises BadCursor."""
    page = await list_members(store, [keys.TENANTS], limit=limit, cursor=cursor)
    names = [member.decode() for member in page.items]
    found = await store.pipeline([("HMGET", keys.tokens(name), *FIELDS) for name in names])
    tenants = (read_tenant(name, tuple(values)) for name, values in zip(names, found, strict=True))
    return Page(tuple(tenant for tenant in tenants if tenant is not None), page.next)


async def has_charge_points(store: Store, tenant: str) -> bool:
    indexes = [keys.charge_points(partition, tenant) for partition in range(keys.PARTITIONS)]
    return bool((await list_members(store, indexes, limit=1)).items)


async def delete(
    store: Store, tenant: str
) -> Literal["deleted", "unknown", "has_charge_points", "has_transactions"]:
    """Delete a tenant with its id tags, tokens, DataTransfer vendors, batches and order of completion.

    `has_charge_points` and `has_transactions` mean that the tenant still has some, so nothing was deleted.
    The id tags are deleted first, so that after an interruption the tenant still exists and can be deleted
    again.
    """
    if await has_charge_points(store, tenant):
        return "has_charge_points"
    indexes = [keys.transactions(partition, tenant) for partition in range(keys.PARTITIONS)]
    if (await list_members(store, indexes, limit=1)).items:
        return "has_transactions"
    await store.pipeline([("UNLINK", keys.completed(one, tenant)) for one in range(keys.PARTITIONS)])
    await batches.delete_all(store, tenant)
    await id_tags.delete_all(store, tenant)
    known = await store.execute(
        "UNLINK",
        *(keys.tokens(tenant), keys.token_ids(tenant), keys.data_transfer_vendors(tenant)),
        *(keys.issued_certificates(tenant), keys.refusal_records(tenant), keys.refusal_order(tenant)),
    )
    await store.execute("ZREM", keys.TENANTS, tenant)
    return "deleted" if known else "unknown"


def _settings_fields(tenant: Tenant, *, with_profile: bool = True) -> list[Arg]:
    """Return the names and values of the settings as arguments of HSET."""
    days = tenant.end_after_days
    return [
        *("name", tenant.name, "auto_register", int(tenant.auto_register)),
        *("registration", tenant.registration),
        *(("security_profile", tenant.security_profile) if with_profile else ()),
        *("certificate_signing", tenant.certificate_signing),
        *("certificate_organisations", msgspec.json.encode(tenant.certificate_organisations)),
        *("end_superseded", int(tenant.end_superseded)),
        *("end_after_days", "" if days is None else days),
    ]


def read_tenant(tenant: str, values: tuple[bytes | None, ...]) -> Tenant | None:
    """Make a tenant from the values of FIELDS. Returns None if the store has no values."""
    return None if values[0] is None else _read_known(tenant, values)


@lru_cache(1_024)
def _read_known(tenant: str, values: tuple[bytes | None, ...]) -> Tenant:
    """Make a tenant that exists. Each handshake needs its tenant, and the values seldom change."""
    stored = {name.encode(): value for name, value in zip(FIELDS, values, strict=True) if value is not None}
    organisations = msgspec.json.decode(stored.pop(b"certificate_organisations", b"[]"))
    if not stored.get(b"end_after_days"):
        stored.pop(b"end_after_days", None)
    return read_record(Tenant, stored, id=tenant, certificate_organisations=organisations)
