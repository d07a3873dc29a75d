"""The three frames of OCPP-J section 4.2: CALL, CALLRESULT and CALLERROR.

The three types form a tagged union of JSON arrays. The payload stays raw JSON until the action says which
decoder to use.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

type MessageId = str | int
"""A message id is text in the specification.

Some charge points send a number instead, and get the same number back.
"""

MESSAGE_ID_LIMIT: Final = 36
"""In characters."""
MISSING: Final = msgspec.Raw(b"")
NOTHING: Final = msgspec.Raw(b"{}")


class Call(msgspec.Struct, array_like=True, tag=2, gc=False, frozen=True):
    """A CALL that was received. If the frame has no payload, `payload` is empty."""

    id: MessageId
    action: str
    payload: msgspec.Raw = MISSING


class CallResult(msgspec.Struct, array_like=True, tag=3, gc=False, frozen=True):
    id: MessageId
    payload: msgspec.Raw = MISSING


class CallError(msgspec.Struct, array_like=True, tag=4, gc=False, frozen=True):
    """A CALLERROR that was received.

    Charge points omit parts of a CALLERROR, so each part except the id has a default.
    """

    id: MessageId
    code: str = ""
    description: str | None = ""
    details: msgspec.Raw = NOTHING


class _Call(msgspec.Struct, array_like=True, tag=2, gc=False, frozen=True):
    id: str
    action: str
    payload: Any


class _CallResult(msgspec.Struct, array_like=True, tag=3, gc=False, frozen=True):
    id: MessageId
    payload: Any


class _CallError(msgspec.Struct, array_like=True, tag=4, gc=False, frozen=True):
    id: MessageId
    code: str
    description: str
    details: Any


_encode = msgspec.json.Encoder().encode

DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
"""Errors that a decoder raises if the bytes are not JSON or do not fit the type of the decoder."""

decode: Callable[[bytes | str], Call | CallResult | CallError] = msgspec.json.Decoder(
    Call | CallResult | CallError
).decode
"""Decode a frame of bytes or text. Raises one of DECODE_ERRORS."""


def call(id_: str, action: str, payload: Any) -> bytes:
    return _encode(_Call(id_, action, payload))


def result(id_: MessageId, payload: Any) -> bytes:
    return _encode(_CallResult(id_, payload))


def error(id_: MessageId, code: str, description: str, details: Any) -> bytes:
    return _encode(_CallError(id_, code, description, details))
