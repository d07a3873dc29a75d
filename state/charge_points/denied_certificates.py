"""Client certificates that an operator denied, for all tenants and charge points.

Each gateway keeps the names of all denied certificates in memory. A certificate has two names: its
fingerprint, and its serial number together with its issuer. The number of denied certificates is bounded.
Expired ones make room for others, because gateways refuse them anyway. All functions raise StoreUnavailable.
"""

from itertools import batched
from typing import Literal

import msgspec

from state import keys
from state.nodes import inbox
from state.store import Store

CERTIFICATES_MAX = 100_000
"""Greatest number of denied certificates. Gateways read no more of them."""
EXPIRED_MS = 86_400_000
"""An expired certificate stays denied this long, in case that the clock of a gateway is wrong."""
_READ_AT_ONCE = 1_000

type DenyOutcome = Literal["denied", "already_denied", "full"]


class Denied(msgspec.Struct, frozen=True, kw_only=True):
    """A denied certificate. `name` is the result of `by_fingerprint` or `by_serial_number`."""

    name: str
    denied_ms: int
    why: str


class _Stored(msgspec.Struct, frozen=True, omit_defaults=True):
    denied_ms: int
    why: str
    not_after_ms: int | None = None


def by_fingerprint(fingerprint: str) -> str:
    """Name a certificate by the SHA-256 of its DER form, in hexadecimal."""
    return fingerprint.replace(":", "").lower()


def by_serial_number(issuer: str, serial_number: str) -> str:
    """Name a certificate by its issuer (RFC 4514) and its serial number in hexadecimal."""
    return f"{issuer}|{serial_number.replace(':', '').lower().lstrip('0') or '0'}"


async def deny(
    store: Store, name: str, why: str, now_ms: int, *, not_after_ms: int | None = None
) -> DenyOutcome:
    """Deny a certificate, which expires at `not_after_ms`. Gateways refuse it and close its sessions."""
    known = await store.execute("HEXISTS", keys.DENIED_CERTIFICATES, name)
    if not known and not await _has_room(store, now_ms):
        return "full"
    stored = msgspec.json.encode(_Stored(now_ms, why, not_after_ms))
    new = await store.execute("HSETNX", keys.DENIED_CERTIFICATES, name, stored)
    await inbox.broadcast(store, inbox.DeniedCertificatesChanged())
    return "denied" if new else "already_denied"


async def _has_room(store: Store, now_ms: int) -> bool:
    """Return whether another certificate can be denied. If there is no room, remove those that expired."""
    if await store.execute("HLEN", keys.DENIED_CERTIFICATES) < CERTIFICATES_MAX:
        return True
    before_ms = now_ms - EXPIRED_MS
    gone = [
        name
        for name, text in (await _read(store)).items()
        if (until_ms := msgspec.json.decode(text, type=_Stored).not_after_ms) is not None
        and until_ms < before_ms
    ]
    for some in batched(gone, _READ_AT_ONCE, strict=False):
        await store.execute("HDEL", keys.DENIED_CERTIFICATES, *some)
    return bool(gone)


async def allow_again(store: Store, name: str) -> bool:
    """Return whether the certificate was denied."""
    if not await store.execute("HDEL", keys.DENIED_CERTIFICATES, name):
        return False
    await inbox.broadcast(store, inbox.DeniedCertificatesChanged())
    return True


async def list_(store: Store) -> list[Denied]:
    """List all denied certificates, the latest first."""
    found = [
        Denied(name=name, denied_ms=stored.denied_ms, why=stored.why)
        for name, text in (await _read(store)).items()
        for stored in (msgspec.json.decode(text, type=_Stored),)
    ]
    return sorted(found, key=lambda one: (-one.denied_ms, one.name))


async def read_all(store: Store) -> frozenset[str]:
    """Return the names of all denied certificates."""
    return frozenset(await _read(store))


async def _read(store: Store) -> dict[str, bytes]:
    """Read all fields in parts, so that no other command waits long."""
    found: dict[str, bytes] = {}
    cursor = b"0"
    while True:
        cursor, pairs = await store.execute("HSCAN", keys.DENIED_CERTIFICATES, cursor, "COUNT", _READ_AT_ONCE)
        for name, text in zip(pairs[::2], pairs[1::2], strict=True):
            found[name.decode()] = text
        if cursor == b"0" or len(found) >= CERTIFICATES_MAX:
            return found
