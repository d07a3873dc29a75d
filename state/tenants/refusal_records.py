"""Refused handshakes, one record for each claimed charge point, address and reason.

A record belongs to the tenant that the handshake named, or to nobody if that tenant does not exist or the
handshake named none, as in a failed TLS handshake. Each tenant has up to LISTED records, and so has nobody.
`state.crowds` says which records make room for others.

What a handshake claims is not proved. The records of a tenant show only what the peer sent, and compare it
only with what belongs to the same tenant.
"""

from collections.abc import Sequence
from hashlib import blake2b
from itertools import batched, chain
from typing import Literal, NamedTuple

import msgspec

from state import keys
from state.crowds import Crowded, find_dropped
from state.paging import Page, cut_page
from state.redis.connection import Arg
from state.store import Store

LISTED = 5_000
SPARE = 250
"""Number of further records that go when there are too many, so that this work is not done each time."""
KEPT_MS = 30 * 24 * 3600 * 1000
_AT_ONCE = 100
_HASH_BYTES = 8
_HASHED = 2 * _HASH_BYTES
_FIRST, _TIMES, _LAST = "first:", "times:", "last:"

type Kind = Literal["registered", "stranger", "ours"]
"""Whether the claimed charge point is registered. `ours` are refusals of which the peer is not the cause."""
_LETTERS: dict[Kind, str] = {"registered": "r", "stranger": "s", "ours": "o"}


class Refusals(NamedTuple):
    """Refused handshakes of one claimed charge point, address and reason that a gateway gathered.

    `tenant` and `charge_point` are what the peer claimed, or None if it claimed nothing that can be shown.
    """

    tenant: str | None
    charge_point: str | None
    address: str
    reason: str
    times: int
    first_ms: int
    last_ms: int
    detail: str


class RefusalRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Refused handshakes of one claimed charge point, address and reason. `detail` is that of the last."""

    tenant: str | None
    charge_point: str | None
    address: str
    reason: str
    times: int
    first_ms: int
    last_ms: int
    detail: str


class Filter(NamedTuple):
    """Conditions on records. None means any."""

    charge_point: str | None = None
    reason: str | None = None
    address: str | None = None
    since_ms: int | None = None


async def record(store: Store, gathered: Sequence[tuple[Refusals, Kind]]) -> None:
    """Add refusals to the records of their tenants. Raises StoreUnavailable if some may be missing."""
    nobodys = [one for one in gathered if one[0].tenant is None]
    owners: set[str | None] = set()
    for some in batched([one for one in gathered if one[0].tenant is not None], _AT_ONCE, strict=False):
        calls = [_keep(refused.tenant, refused, kind) for refused, kind in some]
        for one, [word] in zip(some, await store.steps("tenants/refusal_keep", calls), strict=True):
            if word == b"unknown":
                nobodys.append(one)
            else:
                owners.add(one[0].tenant)
    for some in batched(nobodys, _AT_ONCE, strict=False):
        await store.steps("tenants/refusal_keep", [_keep(None, refused, kind) for refused, kind in some])
        owners.add(None)
    for owner in owners:
        await _make_room(store, owner)


async def list_(
    store: Store, tenant: str | None, wanted: Filter, *, cursor: str | None = None, limit: int = 100
) -> Page[RefusalRecord]:
    """List the records of a tenant, or of nobody, the latest first. Raises BadCursor.

    A record that changes between two pages moves to the beginning of the list.
    """
    index = await _read_index(store, tenant, wanted.since_ms or 0)
    matching = [one for one in index if _matches(one[0], wanted)]
    page = cut_page(matching, lambda one: (one[1], one[0]), cursor=cursor, limit=limit)
    names = [name for name, _ in page.items]
    fields = [f"{part}{name}" for name in names for part in (_FIRST, _TIMES, _LAST)]
    [values] = await store.pipeline([("HMGET", keys.refusal_records(tenant), *fields)]) if fields else [[]]
    found = (_read(first, times, last) for first, times, last in batched(values, 3, strict=True) if last)
    return Page(tuple(found), page.next)


async def forget(store: Store, tenant: str, charge_point: str) -> None:
    """Delete the records of one claimed charge point."""
    index = await _read_index(store, tenant, 0)
    await _drop(store, tenant, [one for one, _ in index if _matches(one, Filter(charge_point))])


async def _read_index(store: Store, owner: str | None, since_ms: int) -> list[tuple[str, int]]:
    """Return the name and the last time of each record."""
    command = ("ZRANGE", keys.refusal_order(owner), since_ms, "+inf", "BYSCORE", "WITHSCORES")
    [reply] = await store.pipeline([command])
    return [(name.decode(), int(last_ms)) for name, last_ms in reply]


async def _make_room(store: Store, owner: str | None) -> None:
    [number] = await store.pipeline([("ZCARD", keys.refusal_order(owner))])
    if number <= LISTED:
        return
    index = await _read_index(store, owner, 0)
    crowded = [
        Crowded(name, name[0], name[1 : 1 + _HASHED], name[1 + _HASHED : 1 + 2 * _HASHED], last_ms)
        for name, last_ms in index
    ]
    await _drop(store, owner, find_dropped(crowded, len(index) - LISTED + SPARE))


async def _drop(store: Store, owner: str | None, names: Sequence[str]) -> None:
    both = (keys.refusal_records(owner), keys.refusal_order(owner))
    for some in batched(names, _AT_ONCE, strict=False):
        fields = chain.from_iterable((f"{_FIRST}{one}", f"{_TIMES}{one}", f"{_LAST}{one}") for one in some)
        await store.steps("tenants/refusal_drop", [(both, (len(some), *some, *fields))])


def _keep(owner: str | None, one: Refusals, kind: Kind) -> tuple[Sequence[str], Sequence[Arg]]:
    order = keys.refusal_order(owner)
    tenant = order if owner is None else keys.tokens(owner)
    # Nobody's records have many tenants, and each of them its own records.
    tenant_part = "" if owner is not None or one.tenant is None else f"@{_hash(one.tenant)}"
    name = f"{_LETTERS[kind]}{_hash(one.address)}{_hash(one.charge_point or '')}{one.reason}{tenant_part}"
    last = msgspec.json.encode(msgspec.convert(one._asdict(), RefusalRecord))
    args = (int(owner is not None), name, one.first_ms, one.last_ms, one.times, last, KEPT_MS)
    return (tenant, keys.refusal_records(owner), order), args


def _matches(name: str, wanted: Filter) -> bool:
    return (
        (wanted.address is None or name[1 : 1 + _HASHED] == _hash(wanted.address))
        and (wanted.charge_point is None or name[1 + _HASHED : 1 + 2 * _HASHED] == _hash(wanted.charge_point))
        and (wanted.reason is None or name[1 + 2 * _HASHED :].partition("@")[0] == wanted.reason)
    )


def _read(first_ms: bytes, times: bytes, last: bytes) -> RefusalRecord:
    read = msgspec.json.decode(last, type=RefusalRecord)
    return msgspec.structs.replace(read, first_ms=int(first_ms), times=int(times))


def _hash(text: str) -> str:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=_HASH_BYTES).hexdigest()
