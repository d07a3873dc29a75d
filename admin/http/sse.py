"""Server-sent events: the parts that all streams of this API share."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from quart import Response, request

from admin.http import auth
from admin.http.problems import Problem, invalid
from admin.services import Services
from state.errors import StateError
from state.tenants import api_keys, tenants

HEARTBEAT_S = 10.0
RETRY = b"retry: 2000\n"
STILL_HERE = b": still here\n\n"
TOO_MANY = b"too many clients listen here"
STORE_AWAY = b"the store does not answer"
KEY_GONE = b"the API key or the tenant is gone"
ALL_SENT = b"all events until now were sent"
# JSON from a charge point may contain line breaks, which would end the event too early.
_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")

LAST_EVENT_ID: dict[str, Any] = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "The last `id:` that the client received. The stream continues after the event with this "
    "id. Browsers send this header by themselves.",
    "schema": {"type": "string", "maxLength": 8000},
}


def block(kind: bytes, data: bytes) -> bytes:
    """Write one event. `data` is JSON."""
    return b"event: " + kind + b"\ndata: " + data.translate(_ONE_LINE) + b"\n\n"


def end(reason: bytes) -> bytes:
    """Write the last event, which says why the stream ends."""
    return block(b"end", b'{"reason":"' + reason + b'"}')


def end_of_all(reason: bytes) -> bytes:
    """Write the last event of a stream that is complete, so that the client need not connect again."""
    return block(b"end", b'{"reason":"' + reason + b'","complete":true}')


def resume[Place](parse: Callable[[str], Place]) -> Place | None:
    """Return the place after which the stream resumes, or None for a new stream. Raises Problem (422)."""
    text = request.headers.get("Last-Event-ID", "").strip()
    try:
        return parse(text) if text else None
    except ValueError as error:
        raise invalid(f"{error}.", parameter="Last-Event-ID") from None


def too_many_clients() -> Problem:
    return Problem(
        503,
        "too-many-clients",
        "Too many clients listen to this stream; try again after Retry-After.",
        headers={"Retry-After": "10"},
    )


def response(blocks: AsyncGenerator[bytes] | bytes) -> Response:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    made = Response(blocks, 200, headers, content_type="text/event-stream")
    made.timeout = None  # The timeout of Quart would end the stream.
    return made


def watch_key(services: Services, tenant: str) -> Callable[[], Awaitable[bool]]:
    """Return a check that the API key may still see the tenant.

    A stream may last for days, so it repeats the check.
    """
    secret = auth.secret()

    async def stands() -> bool:
        try:
            key = await api_keys.verify(services.store, services.pepper, secret)
            return (
                key is not None
                and auth.allows(key, tenant)
                and await tenants.get(services.store, tenant) is not None
            )
        except StateError:
            # Without the store the key cannot be checked. The stream continues, because the key may still be
            # valid, and because no events come while the store is away.
            return True

    return stands
