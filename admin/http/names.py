"""Names in paths. A path is split at raw slashes, each part is decoded once, and bad names are refused."""

import re
from urllib.parse import unquote_to_bytes

from werkzeug.routing import BaseConverter, ValidationError

from admin.http.problems import Problem, invalid

NAME_BYTES = 255
CONNECTABLE = r"^(?!\.{1,2}$)[^:/\x00-\x1f\x7f-\xa0]+$"
"""Pattern for the OpenAPI document of the names that `check_connectable` accepts. Not every character that
the pattern accepts can be printed."""
DIGEST = "[A-Za-z0-9_-]{16}"
NUMBER = re.compile(r"-?[0-9]{1,18}")


class NameConverter(BaseConverter):
    """Decode a name in a path for the view. The router gets the raw path (see `admin.http.quart_app`)."""

    part_isolating = True

    def to_python(self, value: str) -> str:
        try:
            return decode(value)
        except Problem as problem:
            # No route matches after this error, and `check_path` answers 400.
            raise ValidationError from problem


class NumberConverter(NameConverter):
    """A name that is a whole number. A route does not match a path with any other text in this place."""

    regex = NUMBER.pattern


class DigestConverter(NameConverter):
    """An id that `state.ids.digest` made. Another word in this place, such as `refresh`, is another route."""

    regex = DIGEST


def decode(encoded: str) -> str:
    """Decode one part of a path. Raises Problem (400)."""
    try:
        name = unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        raise _bad_path(
            "A part of the path is not valid UTF-8 after percent-decoding; percent-encode names as UTF-8."
        ) from None
    if len(name.encode()) > NAME_BYTES:
        raise _bad_path(f"A part of the path has more than {NAME_BYTES} bytes; use at most {NAME_BYTES}.")
    if not name.isprintable():
        raise _bad_path(
            "A part of the path has a character that cannot be printed; use printable characters only."
        )
    return name


def check_path(path: str) -> None:
    """Refuse a path if one of its parts cannot be a name. Raises Problem (400)."""
    for part in path.split("/"):
        decode(part)


def check_connectable(name: str, what: str) -> None:
    """Refuse a name that cannot be a part of the path of a websocket. Raises Problem (422)."""
    if ":" in name or "/" in name or name in {".", ".."}:
        raise invalid(
            f"The name of a {what} must not contain ':' or '/' and must not be '.' or '..', "
            "because charge points connect to a path that contains the name.",
            parameter=what.replace(" ", "_"),
        )
    if not name.isprintable() or len(name.encode()) > NAME_BYTES:
        raise invalid(
            f"The name of a {what} must have printable characters only, and at most {NAME_BYTES} bytes.",
            parameter=what.replace(" ", "_"),
        )


def _bad_path(detail: str) -> Problem:
    return Problem(400, "bad-path", detail)
