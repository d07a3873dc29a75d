"""Client certificates that no charge point may use any longer."""

from typing import Literal

import msgspec

from state import keys
from state.store import Store

type DenyOutcome = Literal["denied", "already_denied", "full"]


class _Stored(msgspec.Struct, frozen=True):
    denied_ms: int
    why: str


def by_serial_number(issuer: str, serial_number: str) -> str:
    """Name a certificate by its issuer (RFC 4514) and its serial number in hexadecimal."""
    return f"{issuer}|{serial_number.replace(':', '').lower().lstrip('0') or '0'}"


async def deny(store: Store, name: str, why: str, now_ms: int) -> DenyOutcome:
    """Deny a certificate. Gateways refuse it and close its sessions."""
    stored = msgspec.json.encode(_Stored(now_ms, why))
    new = await store.execute("HSETNX", keys.DENIED_CERTIFICATES, name, stored)
    return "denied" if new else "already_denied"
