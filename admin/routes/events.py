"""The feed of events as server-sent events, to be resumed where it broke."""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Annotated, Any

import msgspec
import trio
from quart import Blueprint, Response, request
from quart_schema import tag_blueprint

from admin.http import sse, times
from admin.http.openapi import components, describes
from admin.http.problems import Fault, invalid
from admin.routes import event_kinds
from admin.services import services
from state.errors import StateError
from state.events import events
from state.events.cursor import Cursor, Position
from state.events.events import Event
from state.events.feed import Delivery, Feed, Gap, Lagging, Subscription

HEARTBEAT_S = sse.HEARTBEAT_S
ID_EVERY_S = 1.0

blueprint = Blueprint("events", __name__)
tag_blueprint(blueprint, ["Events"])


class EventAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The `data` of one server-sent event."""

    id: Annotated[
        str, msgspec.Meta(description="Unique: drop what you have seen, delivery is at least once.")
    ]
    kind: Annotated[str, msgspec.Meta(description=event_kinds.DESCRIPTION, examples=["transaction.started"])]
    tenant: str
    charge_point: str
    at: Annotated[str, msgspec.Meta(examples=["2026-01-01T12:00:00.000Z"])]
    data: Annotated[
        Any,
        msgspec.Meta(
            description="What tells which one it was; read the rest under its own path.",
            extra_json_schema={"type": "object"},
        ),
    ]


@blueprint.get("/v1/tenants/<name:tenant>/events")
@describes(
    parameters=[sse.LAST_EVENT_ID],
    schemas=components(EventAnswer)[1],
    responses={
        200: {
            "description": "A stream of server-sent events. `event:` is the kind, `data:` an EventAnswer. "
            "`id:` comes at most once a second and stands for everything before it. `event: gap` says that "
            "events are missing because they are no longer kept. `event: end` comes before we close the "
            "stream, for instance because the client reads too slowly.",
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
    """Follow what happens.

    Without Last-Event-ID the stream begins now. A comment line is sent every ten seconds if nothing happens.
    Order holds for each charge point; delivery is at least once.
    """
    cursor = _resume()
    if request.method == "HEAD":
        return sse.response(b"")
    held = services()
    if held.feed.subscribers >= held.event_clients:
        raise sse.too_many()
    if cursor is None:
        cursor = await events.now_cursor(held.store, tenant)
    stream = _Stream(held.feed, tenant, cursor, sse.key_stands(tenant), held.event_clients)
    return sse.response(stream.run())


class _Stream:
    def __init__(
        self, feed: Feed, tenant: str, cursor: Cursor, key_stands: Callable[[], Awaitable[bool]], most: int
    ) -> None:
        self._feed, self._tenant, self._start, self._most = feed, tenant, cursor, most
        self._complete_ms, self._positions = _parts(cursor)
        self._key_stands = key_stands
        self._id_owed = False
        self._id_at = -math.inf

    async def run(self) -> AsyncGenerator[bytes]:
        """Never raises for what the store or the client does: the stream ends, and the client comes back."""
        try:
            async with self._feed.subscribe(self._tenant, self._start) as subscription:
                if self._feed.subscribers > self._most:  # They came all at once, past the look before.
                    yield sse.end(sse.TOO_MANY)
                    return
                yield sse.RETRY + self._id() + b"\n"  # Whoever breaks off before the first event misses none.
                self._id_at = -math.inf
                async with aclosing(self._blocks(subscription)) as blocks:
                    async for block in blocks:
                        yield block
        except Lagging:
            yield sse.end(b"this client reads too slowly")
        except StateError:
            yield sse.end(sse.STORE_AWAY)

    async def _blocks(self, subscription: Subscription) -> AsyncGenerator[bytes]:
        checked = trio.current_time()
        while True:
            delivery = None
            with trio.move_on_after(ID_EVERY_S if self._id_owed else HEARTBEAT_S):
                delivery = await anext(subscription)
            if trio.current_time() - checked >= HEARTBEAT_S:
                if not await self._key_stands():
                    yield sse.end(sse.KEY_GONE)
                    return
                checked = trio.current_time()
            if delivery is not None:
                yield self._write(delivery)
            elif self._id_owed:
                yield self._id() + b"\n"  # An id with nothing under it: noted by the client, and no event.
            else:
                yield sse.STILL_HERE

    def _write(self, delivery: Delivery) -> bytes:
        if isinstance(delivery.event, Gap):
            block = sse.block(b"gap", b'{"reason":"events before this one are no longer kept"}')
        else:
            block = sse.block(delivery.event.kind.encode(), _data(delivery.event))
        self._advance(delivery)
        if self._id_owed and trio.current_time() - self._id_at >= ID_EVERY_S:
            return self._id() + block
        return block

    def _advance(self, delivery: Delivery) -> None:
        """Move the cursor behind this event, in the midst of what was read at once too."""
        if delivery.cursor is not None:
            self._complete_ms, self._positions = _parts(Cursor.parse(delivery.cursor))
        elif isinstance(delivery.event, Event):
            partition, position = events.place(delivery.event)
            self._positions[partition] = position
        else:
            return  # An id with the gap would hide it from whoever breaks off right behind.
        self._id_owed = True

    def _id(self) -> bytes:
        self._id_owed = False
        self._id_at = trio.current_time()
        return b"id: " + Cursor(self._complete_ms, self._positions).encode().encode() + b"\n"


def _parts(cursor: Cursor) -> tuple[int, dict[int, Position]]:
    return cursor.complete_ms, dict(cursor.positions)


def _data(event: Event) -> bytes:
    answer = EventAnswer(
        id=event.id,
        kind=event.kind,
        tenant=event.tenant,
        charge_point=event.charge_point,
        at=times.text(event.at_ms),
        data=event.data,
    )
    return msgspec.json.encode(answer)


def _resume() -> Cursor | None:
    text = sse.last_event_id()
    if not text:
        return None
    try:
        return Cursor.parse(text)
    except ValueError as error:
        raise invalid(Fault(detail=f"{error}.", parameter="Last-Event-ID")) from None
