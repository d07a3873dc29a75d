"""What a refused request claims to be, as operators may see it.

The token in the path is never shown. Some charge points are set up with the parts of the path in another
order, so a text that looks like a token of csms is not shown at any other place either.
"""

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

SHOWN_CHARACTERS = 255
HIDDEN = "***"
_TOKEN = re.compile(r"[A-Za-z0-9]{20,}")
_LONG = 40
"""Number of characters of a token of csms."""
_ALL_KINDS = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))


class Claim(NamedTuple):
    """The tenant and the charge point in a path. None means that the path names none, or not clearly."""

    tenant: str | None = None
    charge_point: str | None = None


def read(target: str) -> Claim:
    """Return what the target of a request claims. Never raises.

    Only a path that begins as it should is read, because at any other place a name may be the token.
    """
    path = target.partition("?")[0]
    if not path.startswith("/"):
        try:
            path = urlsplit(path).path
        except ValueError:
            return Claim()
    parts = [part for part in path.split("/") if part]
    if parts[:1] != ["OCPP16"] or len(parts) not in {3, 4, 5}:
        return Claim()
    return Claim(_show_encoded(parts[1]), _show_encoded(parts[3]) if len(parts) > 3 else None)


def show(name: str) -> str:
    """Return a name that a peer sent: escaped, cut, and without what looks like a token."""
    escaped = "".join(one if one.isprintable() else _escape(one) for one in name)
    return _TOKEN.sub(_hide, escaped)[:SHOWN_CHARACTERS]


def _show_encoded(part: str) -> str:
    return show(unquote_to_bytes(part)[: 4 * SHOWN_CHARACTERS].decode(errors="backslashreplace"))


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _hide(found: re.Match[str]) -> str:
    text = found[0]
    looks_random = len(text) >= _LONG or all(kind.search(text) for kind in _ALL_KINDS)
    return HIDDEN if looks_random else text
