"""Ids that nobody gave: digests of what they stand for, and numbers that never return after a wipe."""

from base64 import urlsafe_b64encode
from hashlib import blake2b

_EPOCH_S = 1_735_689_600
"""2025-01-01."""


def digest(content: bytes) -> str:
    """Return 16 characters, safe in keys and URLs, that tell this content from any other."""
    return urlsafe_b64encode(blake2b(content, digest_size=12).digest()).decode()


def least_number(server_time_ms: int) -> int:
    """Return seconds since 2025-01-01: with at most one id a second, a wiped store gives none again."""
    return server_time_ms // 1000 - _EPOCH_S
