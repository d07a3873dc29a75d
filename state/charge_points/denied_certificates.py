"""Client certificates that no charge point may use any longer."""

import msgspec

from state import keys
from state.store import Store


class Denied(msgspec.Struct, frozen=True):
    denied_ms: int
    why: str


async def deny(store: Store, issuer: str, serial_number: str, why: str) -> None:
    """Deny a certificate for good.

    `issuer` is a text by RFC 4514, and `serial_number` is hexadecimal without leading zeros.
    """
    entry = msgspec.json.encode(Denied(store.server_time_ms(), why))
    await store.execute("HSETNX", keys.DENIED_CERTIFICATES, f"{issuer}|{serial_number}", entry)
