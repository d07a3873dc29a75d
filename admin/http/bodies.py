"""Read JSON bodies and query strings strictly, with the place of each error, and write JSON answers."""

import math
import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import msgspec
from quart import Response, request
from quart_schema.validation import QUART_SCHEMA_QUERYSTRING_ATTRIBUTE

from admin.http.explain import explain, explain_unknown, locate
from admin.http.input_errors import find_errors, find_errors_in_json, summarise
from admin.http.problems import InputError, Problem, invalid
from admin.http.texts import read_texts

Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]

encode = msgspec.json.Encoder().encode

_EXACT = 2**53
"""Below this size, a float is exactly the number that its text says."""
_TEXT_OR_NUMBER = re.compile(
    # No byte is looked at twice: a text without an end is a text too, and digits are not given back.
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
    rb"|-?[0-9]++(?P<more>(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)",
    re.DOTALL,
)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def with_whole_numbers(raw: bytes) -> bytes:
    """Return the JSON `raw` with `1.0` written as `1`, because a JSON Schema calls both an integer.

    Nothing else changes. Names that are given twice stay, so that the decoder still refuses them.
    """
    return _TEXT_OR_NUMBER.sub(_shorten, raw)


def _shorten(found: re.Match[bytes]) -> bytes:
    text = found[0]
    if not found["more"]:
        return text
    number = float(text)
    is_exact = math.isfinite(number) and number.is_integer() and abs(number) < _EXACT
    return b"%d" % number if is_exact else text


async def body[T](model: type[T]) -> T:
    """Read the body as `model`.

    Raises Problem: 400 for a body that is not JSON, 415 for another media type, 422 for wrong content.
    """
    return read(await raw_body(), model)


def read[T](raw: bytes, model: type[T]) -> T:
    """Read JSON as `model`. Raises Problem (400, 422)."""
    try:
        return msgspec.json.decode(raw, type=model)
    except msgspec.ValidationError:
        pass
    except _UNREADABLE as error:
        raise _not_json(error) from None
    raw = with_whole_numbers(raw)
    try:
        return msgspec.json.decode(raw, type=model)
    except msgspec.ValidationError as error:
        raise _invalid(error, model, raw) from None
    except _UNREADABLE as error:
        raise _not_json(error) from None


async def raw_body(media_type: str | None = None) -> bytes:
    """Read the body as it was sent. An absent body counts as `{}`. Raises Problem (415).

    With `media_type`, the body must have this type.
    """
    raw = await request.get_data(cache=False, as_text=False, parse_form_data=False)
    if not raw:
        return b"{}"
    if media_type is not None and request.mimetype != media_type:
        raise Problem(
            415,
            "unsupported-media-type",
            f"The Content-Type of the body is not {media_type}; send `Content-Type: {media_type}`.",
            headers={"Accept-Patch": media_type} if request.method == "PATCH" else {},
        )
    if request.mimetype != "application/json" and not request.mimetype.endswith("+json"):
        raise Problem(
            415,
            "unsupported-media-type",
            "The Content-Type of the body does not say JSON; send `Content-Type: application/json`.",
        )
    return raw


def json_object(raw: bytes) -> bytes:
    """Return `raw` on one line without spaces. Raises Problem (400, 422) unless it is one JSON object."""
    try:
        msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        return msgspec.json.format(raw, indent=-1)
    except msgspec.ValidationError as error:
        raise _invalid(error, dict, raw) from None
    except _UNREADABLE as error:
        raise _not_json(error) from None


def query[T](model: type[T]) -> T:
    """Read the query string as `model`, which has all parameters of the route. Raises Problem (422)."""
    values: dict[str, Any] = {}
    for name, given in request.args.lists():
        if len(given) > 1:
            raise invalid(f"{name}: given {len(given)} times; give the parameter once.", parameter=name)
        values[name] = given[0]
    try:
        return msgspec.convert(read_texts(values, model), model)
    except msgspec.ValidationError as error:
        raise refuse(find_errors(values, model, in_query=True), explain(error, in_query=True)) from None


def refuse_unknown_parameters(view: Callable[..., Any]) -> None:
    """Refuse every query if the view has no parameters. Raises Problem (422).

    If the view has parameters, `query` refuses all others.
    """
    if request.args and not hasattr(view, QUART_SCHEMA_QUERYSTRING_ATTRIBUTE):
        found = [
            locate((name,), explain_unknown(name, (), in_query=True), in_query=True) for name in request.args
        ]
        raise refuse(found, found[0])


def answer(content: Any, status: int = 200, **headers: str) -> Response:
    return Response(encode(content), status, headers, content_type="application/json")


def no_content() -> Response:
    response = Response(b"", 204)
    del response.headers["Content-Type"]
    return response


def refuse(found: Iterable[InputError], otherwise: InputError) -> Problem:
    """Make the problem for a request with all these errors, or with `otherwise` if there are none."""
    detail, errors = summarise(found, otherwise)
    return Problem(422, "invalid-request", detail, errors=errors)


def _invalid(error: msgspec.ValidationError, model: Any, raw: bytes) -> Problem:
    return refuse(find_errors_in_json(raw, model), explain(error))


def _not_json(error: Exception) -> Problem:
    return Problem(400, "not-json", f"The body is not valid JSON: {error}. Send one JSON value in UTF-8.")
