"""Who a charge point says it is: `/OCPP16/{tenant}/{token}/{charge point id}`, decoded exactly once."""

from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

ID_BYTES = 255
_SHAPE = "The path must be /OCPP16/{tenant}/{token}/{charge point id}."


class BadPath(ValueError):  # noqa: N818  the name says it
    """The text says what is wrong and what would be right; it never repeats the token."""


class Identity(NamedTuple):
    tenant: str
    token: str
    charge_point: str


def parse(target: str) -> Identity:
    """Raises BadPath. An absolute-form target (`GET ws://host/path`) is read as its path."""
    path = target.partition("?")[0]
    if not path.startswith("/"):
        try:
            path = urlsplit(path).path
        except ValueError:  # "ws://[x/"
            raise BadPath(_SHAPE) from None
    parts = path.split("/")
    if len(parts) != 5 or parts[0] or parts[1] != "OCPP16":
        raise BadPath(_SHAPE)
    return Identity(_name(parts[2], "tenant"), _name(parts[3], "token"), _name(parts[4], "charge point id"))


def _name(encoded: str, what: str) -> str:
    try:
        name = unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        raise BadPath(f"The {what} is not valid UTF-8 after percent-decoding.") from None
    if not name:
        raise BadPath(f"The {what} is empty.")
    if len(name.encode()) > ID_BYTES:
        raise BadPath(f"The {what} is longer than {ID_BYTES} bytes.")
    if not name.isprintable():
        raise BadPath(f"The {what} has a control character or another one that cannot be printed.")
    if ":" in name or "/" in name:
        raise BadPath(f"The {what} must not contain ':' or '/'.")
    return name
