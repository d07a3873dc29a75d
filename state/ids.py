"""Ids that csms makes: digests of content, and numbers that stay unique even if the store is wiped."""

from base64 import urlsafe_b64encode
from hashlib import blake2b

_EPOCH_S = 1_735_689_600
"""Unix time of 2025-01-01."""


def digest(content: bytes) -> str:
    """Return 16 characters that identify this content and are safe in keys and URLs."""
    return urlsafe_b64encode(blake2b(content, digest_size=12).digest()).decode()


def least_number(server_time_ms: int) -> int:
    """Return the least number that may be used as an id now: the seconds since 2025-01-01.

    If csms makes at most one id per second, no id is used again, even after a wipe of the store.
    """
    return server_time_ms // 1000 - _EPOCH_S
