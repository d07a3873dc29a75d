"""Passwords of charge points (AuthorizationKey) for HTTP Basic authentication.

The whitepaper writes an AuthorizationKey as 32 to 40 hexadecimal digits, which stand for 16 to 20 bytes, and
the bytes are the password (OCPP-J 6.2, A00.FR.205). Charge points differ: some send the bytes, some send the
hexadecimal text itself, and some were given a plain text. One key therefore matches as bytes and as
hexadecimal text.

The store has only a keyed hash (HMAC-SHA256) of a key. The hash also covers the name of the charge point, so
equal keys of two charge points have different hashes.
"""

import hmac
import re
import secrets
from collections.abc import Sequence
from itertools import pairwise

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){16,20}")
_HEX_BYTES = re.compile(rb"(?:[0-9A-Fa-f]{2}){16,20}")
_TEXT = re.compile(r"[\x21-\x7e][\x20-\x7e]{14,38}[\x21-\x7e]")
KEY_PATTERN = f"^(?:{_HEX.pattern}|{_TEXT.pattern})$"
"""Pattern of the texts of which `read_key` refuses only those that can be guessed."""
_PRINTABLE = re.compile(rb"[\x20-\x7e]+")
_DISTINCT_MIN = 8
_UNFORESEEN_MIN = 8
_ROWS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_FOLLOWING = frozenset(
    pair for row in _ROWS for one, other in pairwise(row) for pair in (one + other, other + one, one * 2)
)
"""Pairs of characters that follow each other in the alphabet, among the digits or on a keyboard."""
_WORDS = re.compile(
    "password|passwort|passwd|passphrase|administrator|admin|welcome|letmein|changeme|default|secret|login|user"
    "|test|demo|ocpp|csms|charger|charge|charging|point|station|authorization|auth|key|token|acme"
)
_NOBODYS = bytes(32)


class BadKey(ValueError):  # noqa: N818  The text is for the operator.
    """A text cannot be used as an AuthorizationKey. The message says why, and does not contain the text."""


def new_key() -> str:
    """Return a random key of 160 bits as 40 hexadecimal digits."""
    return secrets.token_hex(20)


def read_key(text: str) -> bytes:
    """Return the bytes of an AuthorizationKey that an operator chose.

    32 to 40 hexadecimal digits stand for 16 to 20 bytes. Any other text of 16 to 40 printable ASCII
    characters that neither begins nor ends with a space stands for itself. Raises BadKey, also for a key that
    can be guessed.
    """
    if _HEX.fullmatch(text):
        key = bytes.fromhex(text)
    elif _TEXT.fullmatch(text):
        key = text.encode()
    else:
        raise BadKey(
            "The key must be 32 to 40 hexadecimal digits (an even number), or 16 to 40 printable ASCII "
            "characters that neither begin nor end with a space."
        )
    if _is_guessable(key):
        raise BadKey(
            "The key can be guessed, because it repeats few characters, follows a pattern or consists of "
            "common words. Use random characters, or leave the key out to get a random one."
        )
    return key


def digest(pepper: bytes, member: str, key: bytes) -> bytes:
    """Return the keyed hash of a charge point's key, 32 bytes. `member` is that of its ChargePointKeys."""
    return hmac.digest(pepper, b"password\0" + member.encode() + b"\0" + key, "sha256")


def find_match(pepper: bytes, member: str, presented: bytes, stored: Sequence[bytes]) -> bytes | None:
    """Return the stored hash that the presented password matches, or None.

    The number of hashes that are made does not depend on what is stored or presented. Hashes are compared in
    constant time.
    """
    as_bytes = bytes.fromhex(presented.decode()) if _HEX_BYTES.fullmatch(presented) else presented
    made = digest(pepper, member, presented), digest(pepper, member, as_bytes)
    found = None
    for kept in (*stored, _NOBODYS):
        # Both comparisons are made in any case, so that the time does not say which one was equal.
        equal = hmac.compare_digest(made[0], kept) | hmac.compare_digest(made[1], kept)
        if equal and kept is not _NOBODYS:
            found = kept
    return found


def _is_guessable(key: bytes) -> bool:
    half = len(key) // 2
    steps = {(after - before) % 256 for before, after in pairwise(key)} - {0}
    if len(set(key)) < _DISTINCT_MIN or len(steps) < _DISTINCT_MIN or key[:half] == key[half : 2 * half]:
        return True
    return _PRINTABLE.fullmatch(key) is not None and _count_unforeseen(key.decode()) < _UNFORESEEN_MIN


def _count_unforeseen(text: str) -> int:
    """Count the characters of a text that neither belong to a common word nor follow from their neighbour."""
    rest = _WORDS.sub("", text.lower())
    return len(rest) - sum(one + other in _FOLLOWING for one, other in pairwise(rest))
