"""Encryption of payloads that hold a secret, such as ChangeConfiguration of the AuthorizationKey.

Until the gateway has written a command to its socket, the record needs the secret. The record has it only
encrypted (AES-256-GCM) under a key that is derived from the pepper, so neither the store nor its files show
it. Once the command was written or has ended, the encrypted payload is deleted.
"""

import base64
import hmac
import secrets
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from state.commands.record import canonical

_NONCE_BYTES = 12


class SealBroken(ValueError):  # noqa: N818  A sentence for an operator.
    """A payload cannot be decrypted, because the pepper has changed or the record is damaged."""


class Sealed(NamedTuple):
    """An encrypted payload in base64, and a keyed digest by which an equal command is recognised."""

    ciphertext: str
    digest: str

    def __repr__(self) -> str:
        return "<Sealed>"


def seal(pepper: bytes, command_id: str, action: str, payload: bytes) -> Sealed:
    """Encrypt the payload of one command. Raises ValueError, like `record.digest`."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    ciphertext = AESGCM(_key(pepper)).encrypt(nonce, payload, command_id.encode())
    body = hmac.digest(_key(pepper), canonical(action, payload), "sha256").hex()
    return Sealed(base64.b64encode(nonce + ciphertext).decode(), body)


def unseal(pepper: bytes, command_id: str, ciphertext: bytes) -> bytes:
    """Return the payload. Raises SealBroken."""
    try:
        raw = base64.b64decode(ciphertext)
        return AESGCM(_key(pepper)).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], command_id.encode())
    except (InvalidTag, ValueError):
        raise SealBroken(
            "the secret in this command cannot be decrypted, because the pepper has changed; send it again"
        ) from None


def _key(pepper: bytes) -> bytes:
    return hmac.digest(pepper, b"payloads of commands", "sha256")
