"""Problem documents (RFC 9457), the one form in which the API answers every error."""

import http
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
import structlog
from quart import Quart, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from admin.services import current_store
from state.errors import StateError, StoreFull, StoreUnavailable

RETRY_AFTER_S = 2

_log = structlog.get_logger("csms.admin")


class InputError(msgspec.Struct, frozen=True, omit_defaults=True):
    """One error of a request, and its place in the request."""

    detail: Annotated[str, msgspec.Meta(description="What is wrong, and what would be right.")]
    pointer: Annotated[
        str | None,
        msgspec.Meta(description="JSON pointer (RFC 6901) into the request body.", examples=["/connectorId"]),
    ] = None
    parameter: Annotated[
        str | None,
        msgspec.Meta(
            description="Name of the query parameter, the path part or the header.", examples=["limit"]
        ),
    ] = None


class ProblemDocument(msgspec.Struct, frozen=True):
    """A problem document (RFC 9457). Some kinds have further members, which the routes describe."""

    type: Annotated[
        str,
        msgspec.Meta(
            description="Name of the kind of problem. The name never changes, so programs can rely on it.",
            examples=["urn:csms:problem:not-found"],
        ),
    ]
    title: Annotated[
        str, msgspec.Meta(description="Standard phrase of the HTTP status.", examples=["Not Found"])
    ]
    status: Annotated[int, msgspec.Meta(description="The HTTP status.", examples=[404])]
    detail: Annotated[
        str,
        msgspec.Meta(
            description="A sentence for people: what was wrong, and what would be right.",
            examples=["There is no such charge point."],
        ),
    ]
    instance: Annotated[str, msgspec.Meta(description="Path of the request, as the client sent it.")]
    request_id: Annotated[
        str,
        msgspec.Meta(description="Id of the request. The header X-Request-Id and the logs have the same id."),
    ]
    errors: Annotated[
        tuple[InputError, ...],
        msgspec.Meta(
            description="All errors of an invalid request, at most 50. If the request has more errors, "
            "`detail` says so."
        ),
    ] = ()


class Problem(Exception):  # noqa: N818  RFC 9457 calls it a problem
    """An error that a route and all functions below it may raise, and that becomes a problem document.

    The document also has all `members`.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        errors: Sequence[InputError] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail
        self.errors, self.headers, self.members = tuple(errors), dict(headers or {}), dict(members or {})


def not_found(what: str) -> Problem:
    return Problem(404, "not-found", f"There is no such {what}.")


def must_exist[Found](found: Found | None, what: str) -> Found:
    """Raise Problem (404) if `found` is None, or False because there was nothing to delete."""
    if found is None or found is False:
        raise not_found(what)
    return found


def invalid(detail: str, *, pointer: str | None = None, parameter: str | None = None) -> Problem:
    """Make the problem for a request with one error, and name the place of the error."""
    return Problem(422, "invalid-request", detail, errors=[InputError(detail, pointer, parameter)])


def store_away(refuses: str | None = None, **members: Any) -> Problem:
    """Make the problem for a store that is away, or that refuses writes with the code `refuses`."""
    return Problem(
        503,
        "store-unavailable",
        "The store does not answer, so a change may or may not have been made. Try again after Retry-After."
        if refuses is None
        else f"The store refuses writes ({refuses}), so the change was not made, or not completely. Try again"
        " after Retry-After.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
        members=members,
    )


@contextmanager
def add_to_problem(**members: Any) -> Iterator[None]:
    """If the block raises a Problem, add `members` to it, for example what was done before the Problem."""
    try:
        yield
    except Problem as problem:
        problem.members |= members
        raise
    except StoreUnavailable:
        raise store_away(**members) from None


def pointer(steps: Sequence[str]) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def response(problem: Problem) -> Response:
    document = msgspec.to_builtins(
        ProblemDocument(
            type=f"urn:csms:problem:{problem.kind}",
            title=_title(problem.status),
            status=problem.status,
            detail=problem.detail,
            instance=request.path,
            request_id=g.get("request_id", ""),
            errors=problem.errors,
        )
    )
    if not problem.errors:
        del document["errors"]
    body = msgspec.json.encode({**document, **problem.members})
    return Response(body, problem.status, problem.headers, content_type="application/problem+json")


def install(app: Quart) -> None:
    app.register_error_handler(Problem, response)
    app.register_error_handler(HTTPException, _respond_to_http)
    app.register_error_handler(StateError, _respond_to_state)
    app.register_error_handler(Exception, _respond_to_bug)


def options(error: MethodNotAllowed) -> Response:
    """Answer OPTIONS, which no route takes by itself. `error` knows the methods of the path."""
    made = Response(b"", 204, {"Allow": _allowed(error)})
    del made.headers["Content-Type"]
    return made


def _allowed(error: MethodNotAllowed) -> str:
    return ", ".join(sorted({*(error.valid_methods or ()), "OPTIONS"}))


def _title(status: int) -> str:
    return http.HTTPStatus(status).phrase if status in http.HTTPStatus else "Error"


_KINDS = {413: "body-too-large"}  # The standard phrase of 413 differs between Python releases.
_DETAILS = {
    404: "The API has no such path; /docs lists all of them.",
    405: "The path does not take this method; the header Allow lists those that it takes.",
    408: "The body of the request did not arrive in time; send it again.",
    413: "The body of the request is too large; /docs says how large it may be.",
}


def _respond_to_http(error: HTTPException) -> Response:
    status = error.code or 500
    kind = _KINDS.get(status) or _title(status).lower().replace(" ", "-")
    headers = {name: value for name, value in error.get_headers() if name.lower() == "retry-after"}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = _allowed(error)
    return response(Problem(status, kind, _DETAILS.get(status) or error.description or kind, headers=headers))


def _respond_to_state(error: StateError) -> Response:
    if isinstance(error, StoreFull):
        detail = f"Refused, because {error}. Delete or archive something, or give the store more room."
        return response(Problem(507, "store-full", detail, headers={"Retry-After": str(RETRY_AFTER_S)}))
    if isinstance(error, StoreUnavailable):
        return response(store_away(current_store().refuses))
    return _respond_to_bug(error)


def _respond_to_bug(error: Exception) -> Response:
    _log.error("request.failed", exc_info=error, request_id=g.get("request_id", ""), path=request.path)
    return response(
        Problem(
            500,
            "internal-error",
            "The request failed because of a bug in csms; the logs have the details under request_id.",
        )
    )
