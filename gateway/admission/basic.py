"""HTTP Basic authentication of charge points (RFC 7617, OCPP-J 6.2).

The user name is the charge point's id. The password is bytes, not text, and may contain anything.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import NamedTuple

CREDENTIALS_BYTES_MAX = 1_024
"""Longest value of the header that is read."""
_SCHEME = b"basic"


class Credentials(NamedTuple):
    """The user name and password of a request. `joined` is `user:password`, decoded from base64."""

    joined: bytes

    def password_of(self, identity: str) -> bytes | None:
        """Return the password if the user name is `identity`, or None. An identity may contain a colon."""
        user = identity.encode() + b":"
        return self.joined[len(user) :] if self.joined.startswith(user) else None

    def __repr__(self) -> str:
        """Leave the secret out."""
        return "<Credentials>"


class Malformed(NamedTuple):
    """The header cannot be read. `why` says what is wrong."""

    why: str


type Authorization = Credentials | Malformed | None


def read(headers: Sequence[bytes]) -> Authorization:
    """Read the values of the Authorization headers of a request. Return None if there are no values."""
    if not headers:
        return None
    if len(headers) > 1 or len(headers[0]) > CREDENTIALS_BYTES_MAX:
        return Malformed(
            f"the request must have one Authorization header of at most {CREDENTIALS_BYTES_MAX} bytes"
        )
    scheme, _, encoded = headers[0].strip().partition(b" ")
    if scheme.lower() != _SCHEME:
        return Malformed("the Authorization header does not begin with Basic")
    encoded = encoded.strip().rstrip(b"=")
    try:
        # Some charge points leave out the padding, so csms sets it itself.
        joined = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return Malformed("the credentials in the Authorization header are not base64")
    if b":" not in joined:
        return Malformed("the credentials in the Authorization header have no colon")
    return Credentials(joined)
