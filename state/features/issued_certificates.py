"""The client certificates that csms issued for a tenant, sorted by the time at which they expire.

An index of the tenant has an entry for each certificate. What became of a certificate is in the hash
`security` of its charge point, so an entry may be out of date. A listing skips such an entry, and a daily
sweep removes it. All functions raise StoreUnavailable.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from state import keys as key_names
from state.charge_points import security
from state.charge_points.security import IssuedCertificate
from state.keys import ChargePointKeys
from state.paging import Page, list_members
from state.store import Store

DAY_MS = 86_400_000
KEPT_MS = 30 * DAY_MS
"""How long the index has a certificate after its expiry."""
BUCKETS: Mapping[str, int] = {"expired": 0, "1_day": 1, "7_days": 7, "30_days": 30}
"""The days within which a certificate expires, by the name of the bucket. All others are in `later`."""
_LATER = "later"
_PAGE = 500


class Expiring(msgspec.Struct, frozen=True, kw_only=True):
    charge_point: str
    certificate: IssuedCertificate


class _Denied(msgspec.Struct, frozen=True):
    denied_ms: int


class Turn(NamedTuple):
    """This process may examine a tenant's certificates. The turn before was at `last_ms`, or 0."""

    last_ms: int
    now_ms: int


async def add(store: Store, keys: ChargePointKeys, serial_number: str, not_after_ms: int) -> None:
    member = _member(keys.id, serial_number, not_after_ms)
    await store.execute("ZADD", key_names.issued_certificates(keys.tenant), 0, member)


async def remove(store: Store, keys: ChargePointKeys, serial_number: str, not_after_ms: int) -> None:
    member = _member(keys.id, serial_number, not_after_ms)
    await store.execute("ZREM", key_names.issued_certificates(keys.tenant), member)


async def list_(
    store: Store, tenant: str, *, before_ms: int, cursor: str | None = None, limit: int = 100
) -> Page[Expiring]:
    """List the certificates that may be used and expire before a time, the next to expire first.

    A page may have fewer than `limit` items although another page follows. Raises BadCursor.
    """
    page = await list_members(store, [key_names.issued_certificates(tenant)], limit=limit, cursor=cursor)
    within = [member for member in page.items if _read(member)[0] < before_ms]
    found = await _read_certificates(store, tenant, within)
    more = page.next if len(within) == len(page.items) else None
    return Page(tuple(one for one in found if one is not None), more)


async def count(store: Store, tenants: Sequence[str], now_ms: int) -> dict[str, int]:
    """Count the certificates of these tenants in each of BUCKETS and in `later`."""
    ends = [_moment(now_ms + days * DAY_MS) for days in BUCKETS.values()]
    lows, highs = ["-", *(f"[{end}" for end in ends)], [*(f"({end}" for end in ends), "+"]
    names = (*BUCKETS, _LATER)
    counts = await store.pipeline(
        [
            ("ZLEXCOUNT", key_names.issued_certificates(tenant), low, high)
            for low, high in zip(lows, highs, strict=True)
            for tenant in tenants
        ]
    )
    size = len(tenants)
    return {name: sum(counts[at * size : (at + 1) * size]) for at, name in enumerate(names)}


async def claim_turn(store: Store, tenant: str, pause_ms: int = DAY_MS) -> Turn | None:
    """Take the turn to examine the certificates of a tenant. None means that it is too early."""
    reply = await store.step(
        "features/certificates_sweep_claim", (key_names.CERTIFICATES_SWEPT,), (tenant, pause_ms)
    )
    return Turn(int(reply[1]), int(reply[2])) if reply[0] == b"claimed" else None


async def examine(store: Store, tenant: str, turn: Turn) -> dict[int, list[Expiring]]:
    """Remove entries that are out of date, and find the certificates that are about to expire.

    The result has the certificates that came closer to their expiry than 30, 7, 1 or 0 days since the last
    turn, by these days. Each certificate is listed once, under the least number of days.
    """
    index, found = key_names.issued_certificates(tenant), dict[int, list[Expiring]]()
    cursor: str | None = None
    while True:
        page = await list_members(store, [index], limit=_PAGE, cursor=cursor)
        read = await _read_certificates(store, tenant, page.items)
        gone = []
        for member, expiring in zip(page.items, read, strict=True):
            not_after_ms = _read(member)[0]
            if expiring is None or not_after_ms < turn.now_ms - KEPT_MS:
                gone.append(member)
                continue
            crossed = [
                days
                for days in BUCKETS.values()
                if turn.last_ms < not_after_ms - days * DAY_MS <= turn.now_ms
            ]
            if crossed:
                found.setdefault(min(crossed), []).append(expiring)
        if gone:
            await store.execute("ZREM", index, *gone)
        cursor = page.next
        if cursor is None:
            return found


async def list_revoked(store: Store, issuer: str) -> dict[int, int]:
    """Return the time of the revocation of each denied certificate of this issuer, by serial number."""
    reply = await store.execute("HGETALL", key_names.DENIED_CERTIFICATES)
    found = {}
    for name, entry in reply.items():
        of, _, serial_number = name.decode().rpartition("|")
        if of == issuer:
            found[int(serial_number, 16)] = msgspec.json.decode(entry, type=_Denied).denied_ms
    return found


async def _read_certificates(store: Store, tenant: str, members: Iterable[bytes]) -> list[Expiring | None]:
    """Read what became of each certificate. None means that the charge point may not use it any more."""
    entries = [_read(member) for member in members]
    replies = await store.pipeline(
        [("HGETALL", ChargePointKeys(tenant, charge_point).security) for _, charge_point, _ in entries]
    )
    found: list[Expiring | None] = []
    for (_, charge_point, serial_number), reply in zip(entries, replies, strict=True):
        known = security.decode(reply).find_certificate(serial_number)
        right = known is not None and known.is_right
        found.append(Expiring(charge_point=charge_point, certificate=known) if known and right else None)
    return found


def _moment(ms: int) -> str:
    return f"{max(0, ms):015d}"


def _member(charge_point: str, serial_number: str, not_after_ms: int) -> str:
    return f"{_moment(not_after_ms)} {key_names.encode(charge_point)} {serial_number}"


def _read(member: bytes) -> tuple[int, str, str]:
    moment, charge_point, serial_number = member.decode().split(" ")
    return int(moment), key_names.decode(charge_point), serial_number
