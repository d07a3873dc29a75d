"""The three frames of OCPP-J section 4.2: CALL, CALLRESULT and CALLERROR.

A tagged union of JSON arrays; the payload stays raw until the action's decoder is known.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

type MessageId = str | int
"""Text by the specification. A charge point that numbers its calls gets its number back."""

MESSAGE_ID_LIMIT: Final = 36
MISSING: Final = msgspec.Raw(b"")
NOTHING: Final = msgspec.Raw(b"{}")


class Call(msgspec.Struct, array_like=True, tag=2, gc=False, frozen=True):
    """A payload left out altogether is empty here."""

    id: MessageId
    action: str
    payload: msgspec.Raw = MISSING


class CallResult(msgspec.Struct, array_like=True, tag=3, gc=False, frozen=True):
    id: MessageId
    payload: msgspec.Raw = MISSING


class CallError(msgspec.Struct, array_like=True, tag=4, gc=False, frozen=True):
    """Charge points shorten it: all but the id has a default."""

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
"""What a decoder raises at bytes that are not JSON, or not of its type."""

decode: Callable[[bytes | str], Call | CallResult | CallError] = msgspec.json.Decoder(
    Call | CallResult | CallError
).decode
"""Frame of bytes or text; raises one of DECODE_ERRORS."""


def call(id_: str, action: str, payload: Any) -> bytes:
    return _encode(_Call(id_, action, payload))


def result(id_: MessageId, payload: Any) -> bytes:
    return _encode(_CallResult(id_, payload))


def error(id_: MessageId, code: str, description: str, details: Any) -> bytes:
    return _encode(_CallError(id_, code, description, details))
