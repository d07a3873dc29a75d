"""Secrets that we make and give away once: an id to look them up by, and their keyed hash to compare with.

They are random (190 bits), so a fast hash is right: a slow one would make a fleet's reconnecting an attack.
"""

import hmac
import secrets
import string

import msgspec

ID_LENGTH = 8
_RANDOM_LENGTH = 32
_ALPHABET = string.ascii_letters + string.digits
"""Fits into a path, a header and a double click."""
_NOBODYS = bytes(32)


class NewSecret(msgspec.Struct, frozen=True, kw_only=True):
    """The only place where the secret ever stands."""

    id: str
    secret: str


def new_id() -> str:
    return _random(ID_LENGTH)


def new_random() -> str:
    return _random(_RANDOM_LENGTH)


def digest(pepper: bytes, secret: str) -> bytes:
    """HMAC-SHA256, 32 bytes."""
    return hmac.digest(pepper, secret.encode(), "sha256")


def matches(pepper: bytes, secret: str, stored: bytes | None) -> bool:
    """Compare in constant time; as much work if nothing is stored."""
    return hmac.compare_digest(digest(pepper, secret), stored or _NOBODYS) and stored is not None


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
