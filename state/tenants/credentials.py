"""Secrets that we create and show once.

The store has an id by which a secret is found, and the keyed hash with which the secret is compared. The
secrets are random (190 bits), so a fast hash is enough. With a slow hash, the reconnection of a fleet would
load csms as much as an attack.
"""

import hmac
import secrets
import string

import msgspec

ID_LENGTH = 8
_RANDOM_LENGTH = 32
_ALPHABET = string.ascii_letters + string.digits
"""These characters are safe in a path and in a header, and a double click selects all of them."""
_NOBODYS = bytes(32)


class NewSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A new secret. The text of the secret is not stored anywhere."""

    id: str
    secret: str

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"<NewSecret {self.id}>"


def new_id() -> str:
    return _random(ID_LENGTH)


def new_random() -> str:
    return _random(_RANDOM_LENGTH)


def digest(pepper: bytes, secret: str) -> bytes:
    """Return the HMAC-SHA256 of a secret, 32 bytes."""
    return hmac.digest(pepper, secret.encode(), "sha256")


def matches(pepper: bytes, secret: str, stored: bytes | None) -> bool:
    """Compare a secret with a stored digest in constant time.

    The comparison takes the same time if no digest is stored.
    """
    return hmac.compare_digest(digest(pepper, secret), stored or _NOBODYS) and stored is not None


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
