"""A structlog processor that masks credentials in logs, by key name and by the form of a text."""

import re
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from gateway.service.secrets import MASK, PATTERN, ends_with_secret, names_secret

# A log line is for people, so a long text of a hostile peer is cut.
_TEXT_MAX = 4_096
_TRACEBACK_MAX = 32_768
_ITEMS_MAX = 100
_DEPTH_MAX = 6

_OF_SETTINGS: tuple[tuple[re.Pattern[str], str], ...] = (
    # An OCPP configuration entry as JSON, escaped JSON or a repr, with its two fields in either order.
    (
        re.compile(
            r"""(AuthorizationKey[^{}]{0,200}?value[\\"']*\s*[:=]\s*)(\\*["']).{0,2048}?(?<!\\)\2(?=\s*[,})\]]|\s*$)""",
            re.IGNORECASE | re.DOTALL,
        ),
        rf"\1\2{MASK}\2",
    ),
    (
        re.compile(
            r"""(value[\\"']*\s*[:=]\s*)(\\*["'])(?:[^{}]{0,200}?)(?<!\\)\2(?=\s*,[^{}]{0,80}?key[\\"']*\s*[:=]\s*\\*["']AuthorizationKey)""",
            re.IGNORECASE | re.DOTALL,
        ),
        rf"\1\2{MASK}\2",
    ),
)


def _mask_parameter(found: re.Match[str]) -> str:
    """Mask the value of a query parameter if its name names a secret."""
    return f"{found[1]}{found[2]}={MASK}" if names_secret(found[2]) else found[0]


_OF_TEXTS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    # A secret HTTP header: a line, an item of a mapping, or a pair of bytes in a list.
    (
        re.compile(
            r"""((?:authorization|cookie)\\*["']?\s*[:=,]\s*b?\\*["']?)[^"'\\\r\n,})\]]+""", re.IGNORECASE
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"""\b(Basic|Bearer)\s+(?!auth)[A-Za-z0-9+/=_.~-]{6,}"""), rf"\1 {MASK}"),
    # The token in a charge point's URL, even if the slashes of the URL are percent-encoded.
    (
        re.compile(
            # Possessive (++), because otherwise thousands of slashes could be divided in millions of ways.
            r"""(OCPP16(?:(?:/|%2F)++(?:[^/\s%"']++|%(?!2F))++(?:/|%2F)++|(?:/|%2F){2,}+))[^/\s?"'%\\]+""",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    # user:password@ in any URL; a password may hold an unencoded @ or /.
    (re.compile(r"""(://)[^/\s"'<>@:]*+:[^\s"'<>]{0,256}@"""), rf"\1{MASK}@"),
    (re.compile(r"""(://)[^/\s"'<>]*@"""), rf"\1{MASK}@"),
    # Match any parameter name of a URL, then judge it. A pattern that lists all secret words would take half
    # a second for a text with many `?`.
    (re.compile(r"""([?&])([^?=&\s"']{1,64}+)=([^&\s"']+)"""), _mask_parameter),
    (
        re.compile(
            rf"""((?:{PATTERN})\\*["']?\s*[:=]\s*b?\\*["'])[^"'\\]+""",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"(csms_[A-Za-z0-9-]{1,64}_)[A-Za-z0-9_-]+"), rf"\1{MASK}"),
)


# A match consumes all the text that it has read, so that no text is read twice.
_LOCATION = re.compile(
    r"""://(?P<userinfo>[^/\s"'<>\\]*@)?(?P<rest>(?:(?!://)[^\s"'<>?#\\])*)(?P<query>\?[^\s"'<>#\\]+)?"""
)


def mask_location(text: str) -> str:
    """Return URLs without `user:password@` and without their query, which may contain a signature."""
    return _LOCATION.sub(_mask_match, text)


def _mask_match(found: re.Match[str]) -> str:
    userinfo = f"{MASK}@" if found["userinfo"] else ""
    query = f"?{MASK}" if found["query"] else ""
    return f"://{userinfo}{found['rest']}{query}"


# Every pattern above needs another character than these, or "csms_". Most values of a log line are such a
# name, address or time, and this one match saves ten searches.
_is_harmless = re.compile(r"(?!.*csms_)[A-Za-z0-9._-]*|[0-9A-Fa-fTZ:.-]*").fullmatch


def mask_text(text: str, limit: int = _TEXT_MAX) -> str:
    """Return the text without credentials, cut after `limit` characters."""
    if len(text) <= limit and _is_harmless(text):
        return text
    cut = len(text) - limit
    if cut > 0:
        text = text[:limit]
    for pattern, replacement in _OF_SETTINGS:
        text = pattern.sub(replacement, text)
    text = mask_credentials(text)
    return f"{text}... ({cut} characters more)" if cut > 0 else text


def mask_credentials(text: str) -> str:
    """Mask headers, URLs and tokens in a text of any length. Configuration entries stay as they are."""
    for pattern, replacement in _OF_TEXTS:
        text = pattern.sub(replacement, text)
    return text


def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask a whole log event. This structlog processor comes right before the renderer.

    Everything that is not plain data becomes text here, so that no renderer calls a repr with a secret.
    """
    for name, value in event.items():
        if isinstance(value, str) and name in ("exception", "stack"):
            event[name] = mask_text(value, _TRACEBACK_MAX)
        else:
            event[name] = _mask_value(name, value, 0)
    return event


def _mask_value(name: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if ends_with_secret(name) or name.lower().endswith("authorization"):
        return MASK
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, Mapping) and depth < _DEPTH_MAX:
        items = list(value.items())[:_ITEMS_MAX]
        secret_entry = any(str(part).lower() == "authorizationkey" for _, part in items)
        return {
            mask_text(str(key)): MASK
            if secret_entry and key == "value"
            else _mask_value(str(key), part, depth + 1)
            for key, part in items
        }
    if isinstance(value, (list, tuple, set, frozenset)) and depth < _DEPTH_MAX:
        # A pair such as (b"authorization", b"Basic ...") is a header.
        parts = list(value)[:_ITEMS_MAX]
        first = _text(parts[0]) if len(parts) == 2 else ""
        return [_mask_value(first if i else "", part, depth + 1) for i, part in enumerate(parts)]
    return mask_text(_text(value))


def _text(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        return bytes(value[: _TEXT_MAX + 1]).decode("utf-8", "backslashreplace")
    try:
        return value if isinstance(value, str) else repr(value)
    except Exception as error:  # noqa: BLE001  logging must not fail for somebody's broken repr
        return f"<unprintable {type(value).__name__}: {type(error).__name__}>"
