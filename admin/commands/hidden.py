"""No secret in what a command shows: found by the JSON's shape, as in traces, and wherever it comes again."""

from decimal import Decimal
from typing import Any

import msgspec

from gateway.service.masking import MASK, mask_credentials, mask_location
from gateway.service.secrets import HARMLESS, NAMING, names_secret

_decode = msgspec.json.Decoder(float_hook=Decimal).decode  # It keeps a number's spelling, and its size.
_encode = msgspec.json.Encoder(decimal_format="number").encode

_HINTS = (
    *(b"key", b"auth", b"pass", b"pwd", b"secret", b"credential", b"cookie", b"token", b"bearer", b"basic "),
    *(b"://", b"ocpp16", b"csms_", b"\\"),
)
"""What has none of these has nothing to hide."""
_NESTED_MOST = 3
_LENGTH = range(6, 513)
"""Of secrets that are looked for elsewhere; shorter ones would hide too much that only looks the same."""
_SEEN_MOST = 32
_NOTHING = msgspec.Raw(b"null")


class Hider:
    """Of one command: `locations` says that any link in it may open something, whatever it looks like."""

    def __init__(self, *, locations: bool) -> None:
        self._locations = locations
        self._seen: set[str] = set()

    def hide(self, written: msgspec.Raw) -> msgspec.Raw:
        """Return it as it is if there can be nothing to hide; null if it cannot be looked through."""
        lower = bytes(written).lower()
        if not (self._locations or self._seen or any(hint in lower for hint in _HINTS)):
            return written
        try:
            hidden = self._without_seen(self._hidden(_decode(written), _NESTED_MOST))
        except (msgspec.DecodeError, ArithmeticError, RecursionError):
            return _NOTHING
        # Written anew, as a name that stands twice was read once.
        return msgspec.Raw(_encode(hidden))

    def _hidden(self, value: Any, depth: int) -> Any:
        match value:
            case dict():
                named = any(
                    name.lower() in NAMING and isinstance(part, str) and names_secret(part)
                    for name, part in value.items()
                )
                return {
                    name: self._secret(part)
                    if names_secret(name) or (named and name.lower() not in NAMING | HARMLESS)
                    else self._hidden(part, depth)
                    for name, part in value.items()
                }
            case list():
                return [self._hidden(part, depth) for part in value]
            case str():
                return self._text(value, depth)
            case _:
                return value

    def _text(self, text: str, depth: int) -> str:
        text = mask_location(text) if self._locations else mask_credentials(text)
        if depth and text.lstrip()[:1] in {"{", "["}:
            try:
                read = _decode(text)
            except (msgspec.DecodeError, ArithmeticError, UnicodeError):
                return text
            hidden = self._hidden(read, depth - 1)
            return text if hidden == read else _encode(hidden).decode()
        return text

    def _secret(self, value: Any) -> str:
        if isinstance(value, str) and len(value) in _LENGTH and len(self._seen) < _SEEN_MOST:
            self._seen.add(value)
        return MASK

    def _without_seen(self, value: Any) -> Any:
        match value:
            case dict():
                return {name: self._without_seen(part) for name, part in value.items()}
            case list():
                return [self._without_seen(part) for part in value]
            case str():
                for secret in self._seen:
                    value = value.replace(secret, MASK)
        return value
