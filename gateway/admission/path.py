"""The path of an upgrade request: `/OCPP16/{tenant}/{token}/{charge point id}`, decoded exactly once."""

from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

from gateway.ocpp16.faults.table import FaultName

ID_BYTES = 255
_SHAPE = "The path must be /OCPP16/{tenant}/{token}/{charge point id}."


class BadPath(ValueError):  # noqa: N818  the name says it
    """The path cannot be used.

    The text of BadPath says what is wrong and what would be right, and never contains the token.
    """


class PathNames(NamedTuple):
    """The names in a path. `faults` are the names of the harmless faults of the path."""

    tenant: str
    token: str
    charge_point: str
    faults: tuple[FaultName, ...] = ()

    def __repr__(self) -> str:
        """Leave the token out."""
        return f"<PathNames {self.tenant}/***/{self.charge_point}>"


def parse(target: str) -> PathNames:
    """Return the names in a request's target. Raises BadPath if the target cannot be read.

    Some faults of real charge points are accepted and listed in `faults`: a whole URL as the target, too many
    slashes, or the charge point id twice. Some charge points append their id to a path that already ends with
    it. A query is ignored.
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
        raise BadPath(
            f"The {what} is not valid UTF-8 after percent-decoding. Percent-encode the {what} as UTF-8."
        ) from None
    if not name:
        raise BadPath(f"The {what} is empty.")
    if len(name.encode()) > ID_BYTES:
        raise BadPath(f"The {what} is longer than {ID_BYTES} bytes. Use a shorter {what}.")
    if not name.isprintable():
        raise BadPath(f"The {what} contains a control character or another unprintable character.")
    if ":" in name or "/" in name:
        raise BadPath(f"The {what} must not contain ':' or '/'.")
    return name
