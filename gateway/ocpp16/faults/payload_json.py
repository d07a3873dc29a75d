"""JSON of payloads as the slow reader sees it: each number with a fraction keeps its spelling."""

import re
from decimal import Decimal
from typing import Any

import msgspec

encode = msgspec.json.Encoder(decimal_format="number").encode


def _read_decimal(number: str) -> Decimal | str:
    """Return the number with its spelling, or its text if its exponent is beyond every bound."""
    try:
        return Decimal(number)
    except ArithmeticError:
        return number


_decode_json = msgspec.json.Decoder(float_hook=_read_decimal).decode
# The decoder refuses integers of more than 4,300 digits, but reads them with a fraction.
_TEXT_OR_LONG_INTEGER = re.compile(rb'"(?:[^"\\]|\\.)*+"|(?<![\d.])\d{4300,}+(?![.eE])', re.DOTALL)


def decode(payload: bytes) -> Any:
    try:
        return _decode_json(payload)
    except msgspec.ValidationError:
        return _decode_json(_TEXT_OR_LONG_INTEGER.sub(_add_fraction, payload))


def _add_fraction(found: re.Match[bytes]) -> bytes:
    return found[0] if found[0][:1] == b'"' else found[0] + b".0"
