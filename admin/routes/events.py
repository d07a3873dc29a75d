"""Route of the event feed: server-sent events that a client can resume after a break."""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Annotated, Any, NamedTuple

import msgspec
import trio
from quart import Response, request
from quart_schema import document_querystring

from admin.http import bodies, convert, describes, invalid, new_blueprint, sse, times
from admin.http.files import take_place
from admin.http.openapi import components
from admin.http.times import Time
from admin.routes import event_kinds
from admin.services import Services, services
from state.errors import StateError
from state.events import events
from state.events.cursor import Cursor
from state.events.events import Event
from state.events.feed import Gap, Lagging, Subscription

ID_EVERY_S = 1.0
_PAGE = 512
"""Events that a stream without an end of its own reads at once."""
_TIMES = (b'"timestamp"', b'"expiry_date"', b'_ms"')
"""The names, or the ends of the names, of all members whose values are times. The texts are parts of JSON."""

blueprint = new_blueprint("events", "Events")


class EventAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An event, as `data:` of one server-sent event."""

    id: Annotated[
        str,
        msgspec.Meta(
            description="Id of the event, unique in its tenant. An event may be delivered more than once, so "
            "ignore an event whose id you have seen."
        ),
    ]
    kind: Annotated[str, msgspec.Meta(description=event_kinds.DESCRIPTION, examples=["transaction.started"])]
    tenant: Annotated[str, msgspec.Meta(description="Name of the tenant.", examples=["acme"])]
    charge_point: Annotated[
        str | None,
        msgspec.Meta(
            description="Identity of the charge point. null means that the event concerns no single charge "
            "point, such as that of a batch.",
            examples=["CP-1"],
        ),
    ]
    at: Annotated[Time, msgspec.Meta(description="When the event was recorded, by the clock of the store.")]
    data: Annotated[
        Any,
        msgspec.Meta(
            description="Members that say what has changed. For more details of the changed object, read the "
            "object by its own path.",
            extra_json_schema={"type": "object"},
        ),
    ]


class EventQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Annotated[
        Annotated[str, msgspec.Meta(max_length=2000)] | None,
        msgspec.Meta(
            description="Send only events of these kinds, separated by commas. `transaction` stands for all "
            "kinds that begin with `transaction.`.",
            examples=["transaction,meter_values"],
        ),
    ] = None
    charge_point: Annotated[
        str | None, msgspec.Meta(description="Send only events of this charge point.")
    ] = None
    follow: Annotated[
        bool,
        msgspec.Meta(
            description="With false, the stream ends when all events that happened before the request were "
            "sent. The `data:` of its `event: end` then has `complete` with the value true."
        ),
    ] = True


class Wanted(NamedTuple):
    """The kinds and the charge point of the events that a client wants. None stands for all."""

    kinds: frozenset[str] | None
    charge_point: str | None

    def has(self, event: Event) -> bool:
        return (self.kinds is None or event.kind in self.kinds) and self.charge_point in {
            None,
            event.charge_point,
        }


@blueprint.get("/v1/tenants/<name:tenant>/events")
@document_querystring(EventQuery)
@describes(
    parameters=[sse.LAST_EVENT_ID],
    schemas=components(EventAnswer)[1],
    responses={
        200: {
            "description": "A stream of server-sent events. `event:` has the kind of the event, and `data:` "
            "has an EventAnswer. An `id:` line is sent at most once a second. A client that resumes after an "
            "`id:` gets all events that were not sent before this line. `event: gap` means that events are "
            "missing because they are no longer kept. `event: end` is sent before the server closes the "
            "stream, for instance because the client reads too slowly; `data:` of that event has the "
            "`reason`.",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "examples": {
                        "start": {
                            "value": "id: 1a2b\nevent: transaction.started\n"
                            'data: {"id":"...","kind":"transaction.started","charge_point":"CP1"}\n\n'
                        }
                    },
                }
            },
        }
    },
)
async def stream_events(tenant: str) -> Response:
    """Follow the events of a tenant live.

    Without the header Last-Event-ID, the stream begins with the next event. With the header, the stream
    begins after the event with that id. With `kind` or `charge_point`, the stream has only these events, and
    an `id:` may stand alone, without an event. With `follow=false`, the stream ends by itself.

    Events are kept for 6 hours. The charge points of a tenant are spread over 256 partitions, and only the
    latest 10,000 events of each partition are kept. While no event happens, the server sends a comment line
    every ten seconds. The events of one charge point are sent in the order in which they happened. An event
    may be delivered more than once.
    """
    asked = bodies.query(EventQuery)
    wanted = Wanted(None if asked.kind is None else _read_kinds(asked.kind), asked.charge_point)
    cursor = sse.resume(Cursor.parse)
    if request.method == "HEAD":
        return sse.response(b"")
    services_ = services()
    if services_.feed.subscribers >= services_.event_clients:
        raise sse.too_many_clients()
    if cursor is None or not asked.follow:
        now = await events.now_cursor(services_.store, tenant)
        if not asked.follow:
            place = take_place(services_.downloads)
            stored = _stored(services_, tenant, cursor or now, now, wanted)
            return sse.response(place.counted(stored))
        cursor = now
    return sse.response(_stream(services_, tenant, cursor, wanted, sse.watch_key(services_, tenant)))


def _read_kinds(text: str) -> frozenset[str]:
    """Return the kinds that a list of kinds and their beginnings stands for. Raises Problem (422)."""
    found: set[str] = set()
    for name in text.split(","):
        kinds = {kind for kind in event_kinds.KINDS if kind == name or kind.startswith(f"{name}.")}
        if not kinds:
            raise invalid(
                f"kind: {name!r} is not a kind of event; docs/events.md lists them.", parameter="kind"
            )
        found |= kinds
    return frozenset(found)


async def _stream(
    services_: Services,
    tenant: str,
    cursor: Cursor,
    wanted: Wanted,
    key_stands: Callable[[], Awaitable[bool]],
) -> AsyncGenerator[bytes]:
    """Yield the stream.

    If the store fails or the client is too slow, the stream ends and the client can resume it.
    """
    try:
        async with services_.feed.subscribe(tenant, cursor) as subscription:
            # Several clients may have passed the earlier check of their number at the same time.
            if services_.feed.subscribers > services_.event_clients:
                yield sse.end(sse.TOO_MANY)
                return
            async with aclosing(_blocks(subscription, wanted, key_stands)) as blocks:
                async for block in blocks:
                    yield block
    except Lagging:
        yield sse.end(b"this client reads too slowly")
    except StateError:
        yield sse.end(sse.STORE_AWAY)


async def _stored(
    services_: Services, tenant: str, after: Cursor, until: Cursor, wanted: Wanted
) -> AsyncGenerator[bytes]:
    """Yield the events that are stored, and the end. If the store fails, the client can resume the stream."""
    yield sse.RETRY + _id(after) + b"\n"
    try:
        read = events.read_until(services_.store, tenant, after, until, _PAGE)
        async with aclosing(read) as batches:
            async for batch in batches:
                blocks = [_block(event) for event in batch.events if wanted.has(event)]
                if batch.gap:
                    blocks.insert(0, _block(Gap()))
                yield b"".join(blocks) + _id(batch.cursor) + b"\n"
    except StateError:
        yield sse.end(sse.STORE_AWAY)
        return
    yield sse.end_of_all(sse.ALL_SENT)


async def _blocks(
    subscription: Subscription, wanted: Wanted, key_stands: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[bytes]:
    # The first id is sent at once. A client that disconnects before the first event can resume from this id.
    yield sse.RETRY + _id(subscription.cursor) + b"\n"
    ids, checked = _Ids(subscription), trio.current_time()
    while True:
        event = None
        with trio.move_on_after(ID_EVERY_S if ids.owed else sse.HEARTBEAT_S):
            event = await anext(subscription)
        if trio.current_time() - checked >= sse.HEARTBEAT_S:
            if not await key_stands():
                yield sse.end(sse.KEY_GONE)
                return
            checked = trio.current_time()
        if isinstance(event, Event) and not wanted.has(event):
            if due := ids.write_if_due():
                yield due + b"\n"
        elif event is not None:
            yield ids.write_if_due() + _block(event)
        elif ids.owed:
            yield ids.write() + b"\n"  # An id without data changes only the id that the client has stored.
        else:
            yield sse.STILL_HERE


class _Ids:
    """Writes the `id:` lines after the first, at most one line each second.

    A client that resumes after a line gets all events that were not sent before this line.
    """

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._written, self._written_at = subscription.cursor, -math.inf

    @property
    def owed(self) -> bool:
        return self._subscription.cursor is not self._written

    def write_if_due(self) -> bytes:
        due = self.owed and trio.current_time() - self._written_at >= ID_EVERY_S
        return self.write() if due else b""

    def write(self) -> bytes:
        self._written, self._written_at = self._subscription.cursor, trio.current_time()
        return _id(self._written)


def _id(cursor: Cursor) -> bytes:
    return b"id: " + cursor.encode().encode() + b"\n"


def _block(event: Event | Gap) -> bytes:
    if isinstance(event, Gap):
        return sse.block(b"gap", b'{"reason":"events before this one are no longer kept"}')
    return sse.block(event.kind.encode(), msgspec.json.encode(_answer_of(event)))


def _answer_of(event: Event) -> EventAnswer:
    return convert(event, EventAnswer, charge_point=event.charge_point or None, data=_data(event))


def _data(event: Event) -> msgspec.Raw | dict[str, Any]:
    """Return the event's data with times as `times.text` writes them, and `x_ms` renamed to `x_at` or `x`.

    In the stored data, times are milliseconds or texts that charge points sent.
    """
    encoded = bytes(event.data)
    if not any(part in encoded for part in _TIMES):
        return event.data
    given = msgspec.json.decode(event.data)
    read: dict[str, Any] = {}
    for name, value in given.items():
        match name, value:
            case ("timestamp" | "expiry_date", str()):
                read[name] = times.sent_or(value, given.get("received_ms", event.at_ms))
            case ("at_ms", int()):
                read["at"] = times.text(value)
            case ("not_after_ms", int()):
                read["not_after"] = times.text(value)
            case ("since_ms", int()):
                read["since"] = times.text(value)
            case ("received_ms", int()):
                read["received_at"] = times.text(value)
            case _:
                read[name] = value
    return read
