"""Names in paths: cut at the raw slashes, decoded exactly once, refused when they could not be a name."""

from urllib.parse import unquote_to_bytes

from werkzeug.routing import BaseConverter, ValidationError

from admin.http.problems import Problem, invalid

NAME_BYTES = 255


class NameConverter(BaseConverter):
    """The router sees the path as it was sent (see `admin.http.quart_app`); a view gets the decoded name."""

    part_isolating = True

    def to_python(self, value: str) -> str:
        try:
            return decode(value)
        except Problem as problem:
            raise ValidationError from problem  # `check_path` has answered 400 before any view could run.


def decode(encoded: str) -> str:
    """Decode one part of a path. Raises Problem (400)."""
    try:
        name = unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        raise _bad_path("A part of the path is not valid UTF-8 after percent-decoding.") from None
    if len(name.encode()) > NAME_BYTES:
        raise _bad_path(f"A part of the path is longer than {NAME_BYTES} bytes.")
    if not name.isprintable():
        raise _bad_path("A part of the path has a control character or another one that cannot be printed.")
    return name


def check_path(path: str) -> None:
    """Refuse a path with a part that could not be a name. Raises Problem (400)."""
    for part in path.split("/"):
        decode(part)


def check_connectable(name: str, what: str) -> None:
    """Names of tenants and charge points stand in the websocket's path. Raises Problem (422)."""
    if ":" in name or "/" in name or name in {".", ".."}:
        raise invalid(
            f"The name of a {what} must not contain ':' or '/' nor be '.' or '..': "
            "no charge point could connect.",
            parameter=what.replace(" ", "_"),
        )


def _bad_path(detail: str) -> Problem:
    return Problem(400, "bad-path", detail)
