"""Who a charge point says it is: `/OCPP16/{tenant}/{token}/{charge point id}`, decoded exactly once."""

from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

from gateway.ocpp16.faults.table import FaultName

ID_BYTES = 255
_SHAPE = "The path must be /OCPP16/{tenant}/{token}/{charge point id}."


class BadPath(ValueError):  # noqa: N818  the name says it
    """The text says what is wrong and what would be right; it never repeats the token."""


class PathNames(NamedTuple):
    """`faults`: what was wrong with the path and harmless, by name."""

    tenant: str
    token: str
    charge_point: str
    faults: tuple[FaultName, ...] = ()


def parse(target: str) -> PathNames:
    """Raises BadPath. What charge points get wrong without becoming ambiguous is read, and named.

    A whole URL as the target, slashes too many, and the id twice, which some append to a path that has it.
    """
    path = target.partition("?")[0]
    faults: list[FaultName] = []
    if not path.startswith("/"):
        try:
            path = urlsplit(path).path
        except ValueError:  # "ws://[x/"
            raise BadPath(_SHAPE) from None
        faults.append("absolute_target")
    parts = path.split("/")
    if not parts[-1]:
        faults.append("trailing_slash")
        del parts[-1]
    named = [part for part in parts if part]
    if len(named) < len(parts) - 1:
        faults.append("double_slash")
    if len(named) == 3 and named[0] == "OCPP16":
        raise BadPath(f"The charge point id is missing. {_SHAPE}")
    if not path.startswith("/") or len(named) not in {4, 5} or named[0] != "OCPP16":
        raise BadPath(_SHAPE)
    tenant, token, charge_point, *again = named[1:]
    found = PathNames(
        _decode(tenant, "tenant"), _decode(token, "token"), _decode(charge_point, "charge point id")
    )
    if again:
        if _decode(again[0], "charge point id") != found.charge_point:
            raise BadPath(_SHAPE)
        faults.append("id_twice")
    return found._replace(faults=tuple(faults))


def _decode(encoded: str, what: str) -> str:
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
