"""Masks credentials in recorded frames. It finds them by the structure of the JSON, not only by patterns.

The rest of a frame stays unchanged byte for byte, because traces are evidence. A frame that is not JSON is
read as far as it resembles JSON.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from gateway.service.masking import mask_credentials, mask_location
from gateway.service.secrets import MASK, bare_name, has_secret_word, names_secret

_TOKEN = re.compile(
    r""""(?:[^"\\]|\\.)*(?:"|\\?\Z)|'(?:[^'\\]|\\.)*(?:'|\\?\Z)|[{}\[\]:,]|[^\s{}\[\]:,"']+""", re.DOTALL
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_CONTROL = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
# A frame without any of these has nothing to hide, because each secret word contains one of them.
HINTS = (
    *("key", "auth", "pass", "pwd", "secret", "credential", "cookie", "token", "pepper", "bearer", "basic "),
    *("://", "%2f", "ocpp16", "csms_", "\\"),
)
# Members whose value is the name of a setting. The other members then hold the value of this setting. An
# example is {"key": "AuthorizationKey", "value": ...}.
_NAMING = frozenset({"key", "messageid", "name", "variable", "parameter"})
_HARMLESS = frozenset({"readonly", "vendorid", "status"})
_NO_VALUE = frozenset("]},:")
_NESTED_MAX = 3
_REMEMBERED_MAX = 32
_REMEMBERED_LENGTH_MIN = 6
"""Least length of a secret that is remembered. A shorter secret would also hide harmless text."""
_REMEMBERED_LENGTH_MAX = 512
_decode = msgspec.json.Decoder(float_hook=str).decode  # `float_hook` lets numbers of any size pass.
_LITERAL_MAX = 256
"""Only this many characters of a text are checked as a name, so that a hostile frame stays cheap."""


class _Member(NamedTuple):
    """A member of an object and the place of its value in the text. `name` is bare (`secrets.bare_name`)."""

    name: str
    start: int
    end: int


@dataclass(slots=True)
class _Open:
    """An object or array whose end has not been read yet."""

    is_object: bool
    members: list[_Member] = field(default_factory=list)
    literal: str = ""
    name: str = ""
    expects_value: bool = False
    start: int | None = None

    def end_member(self, end: int) -> None:
        if self.start is not None:
            self.members.append(_Member(self.name, self.start, end))
        self.start, self.expects_value = None, False


class FrameMasker:
    """Masks the frames of one trace or command.

    A secret that the masker has seen once is also hidden in all later texts. With `locations`, links also
    lose their query, because a query may contain a signature.
    """

    def __init__(self, *, locations: bool = True) -> None:
        self._locations = locations
        self._seen: list[str] = []

    def mask(self, frame: bytes) -> str:
        """Return the frame as text, without credentials."""
        text = _as_text(frame)
        return self._mask_whole(frame, text) if self._may_hold_secrets(text) else text

    def mask_json(self, written: msgspec.Raw) -> msgspec.Raw:
        """Return a JSON value without credentials. Return null if the masked text is not JSON."""
        frame = bytes(written)
        text = _as_text(frame)
        if not self._may_hold_secrets(text):
            return written
        masked = self._mask_whole(frame, text).encode()
        return msgspec.Raw(masked if _is_json(masked) else b"null")

    def _mask_whole(self, frame: bytes, text: str) -> str:
        known = self._seen
        masked = self._mask(text, _NESTED_MAX)
        # An earlier part of the text may contain a secret that was recognised later.
        if self._seen is not known:
            masked = self._mask(masked, _NESTED_MAX)
        return masked if _is_json(frame) else self._hide_seen(self._hide_credentials(masked))

    def _may_hold_secrets(self, text: str) -> bool:
        lower = text.lower()
        return any(hint in lower for hint in HINTS) or any(secret in text for secret in self._seen)

    def _hide_credentials(self, text: str) -> str:
        text = mask_credentials(text)
        return mask_location(text) if self._locations else text

    def _mask(self, text: str, depth: int) -> str:
        tokens = list(_TOKEN.finditer(text))
        changes: list[tuple[int, int, str]] = []
        for start, end in _find_secrets(text, tokens):
            if end - start <= _REMEMBERED_LENGTH_MAX:
                self._remember(_unquote(text[start:end]))
            changes.append((start, end, _quote(text[start])))
        changes.extend(
            (token.start(), token.end(), masked)
            for token in tokens
            if (literal := token[0])[0] in "\"'" and (masked := self._mask_literal(literal, depth))
        )
        parts: list[str] = []
        at = 0
        for start, end, new in sorted(changes, key=lambda change: (change[0], -change[1])):
            if start >= at:  # Skip a change inside a part that is hidden already.
                parts += text[at:start], new
                at = end
        return "".join((*parts, text[at:]))

    def _mask_literal(self, literal: str, depth: int) -> str:
        """Mask a string that contains URLs, headers or JSON. Return "" if nothing must be hidden."""
        content = _unquote(literal)
        if len(content) < _REMEMBERED_LENGTH_MIN or not self._may_hold_secrets(content):
            return ""
        masked = content
        if "{" in content:  # Nested JSON comes first, so that its secrets are remembered.
            # Text that is nested too deeply is not read, so it is not shown.
            masked = self._mask(content, depth - 1) if depth else MASK
        masked = self._hide_seen(self._hide_credentials(masked))
        if masked == content:
            return ""
        return json.dumps(masked) if literal[0] == '"' else _quote("'", masked)

    def _remember(self, secret: str) -> None:
        if len(secret) >= _REMEMBERED_LENGTH_MIN and secret not in self._seen:
            self._seen = [*self._seen[-_REMEMBERED_MAX + 1 :], secret]

    def _hide_seen(self, text: str) -> str:
        # Replace the longest secret first, because one secret may be a part of another.
        for secret in sorted(self._seen, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text


def _find_secrets(text: str, tokens: list[re.Match[str]]) -> Iterator[tuple[int, int]]:
    """Yield the places of values that must be hidden. An unclosed object extends to the end of the text."""
    stack: list[_Open] = []
    end = 0
    for token in tokens:
        sign, top = token[0], stack[-1] if stack else None
        if top is not None and top.expects_value and sign not in _NO_VALUE:
            top.start, top.expects_value = token.start(), False
        match sign:
            case "{" | "[":
                stack.append(_Open(is_object=sign == "{"))
            case "}" | "]" if top is not None:
                yield from _find_in_object(text, stack.pop(), end)
            case "," if top is not None:
                top.end_member(end)
            case ":" if top is not None and top.is_object and top.start is None:
                top.name, top.expects_value = bare_name(_unquote(top.literal)), True
            case _ if top is not None and top.start is None:
                top.literal = sign[:_LITERAL_MAX]
        end = token.end()
    for unclosed in reversed(stack):
        yield from _find_in_object(text, unclosed, end)
        if all(member.name not in _NAMING for member in unclosed.members):
            # The name of the setting may have come after the end of a text that was cut.
            yield from ((member.start, member.end) for member in unclosed.members if member.name == "value")


def _find_in_object(text: str, found: _Open, end: int) -> Iterator[tuple[int, int]]:
    found.end_member(end)
    named_secret = any(
        member.name in _NAMING and names_secret(_unquote(_beginning(text, member)))
        for member in found.members
    )
    for member in found.members:
        if has_secret_word(member.name) or (named_secret and member.name not in _NAMING | _HARMLESS):
            yield member.start, member.end


def _beginning(text: str, member: _Member) -> str:
    return text[member.start : min(member.end, member.start + _LITERAL_MAX)]


def _unquote(literal: str) -> str:
    """Return a literal without its quotes and escapes, even if these are malformed."""
    if literal[:1] in {'"', "'"}:
        literal = literal[1:-1] if len(literal) > 1 and literal[-1] == literal[0] else literal[1:]
    if "\\" not in literal:
        return literal
    content = _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _CONTROL.get(m[2], m[2]), literal)
    return _PAIR.sub(lambda m: m[0].encode("utf-16", "surrogatepass").decode("utf-16"), content)


def _quote(like: str, content: str = MASK) -> str:
    quote = "'" if like == "'" else '"'
    return f"{quote}{content}{quote}"


def _as_text(frame: bytes) -> str:
    return frame.decode("utf-8", "backslashreplace")


def _is_json(frame: bytes) -> bool:
    try:
        _decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True
