"""Ids that we make: digests of the content that they name, and numbers that are not reused after a wipe."""

from base64 import urlsafe_b64encode
from hashlib import blake2b

_EPOCH_S = 1_735_689_600
"""Unix time of 2025-01-01."""


def digest(content: bytes) -> str:
    """Return 16 characters that identify this content and are safe in keys and URLs."""
    return urlsafe_b64encode(blake2b(content, digest_size=12).digest()).decode()


def least_number(server_time_ms: int) -> int:
    """Return the seconds since 2025-01-01, the least id to use now.

    As long as at most one id a second is made, a store that was wiped never makes an id again.
    """
    return server_time_ms // 1000 - _EPOCH_S
