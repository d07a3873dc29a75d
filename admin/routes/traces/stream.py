"""Route of a live trace: server-sent events until the trace ends. A client can resume after a break."""

from collections.abc import AsyncGenerator, Awaitable, Callable

import msgspec
import trio
from quart import Response, request

from admin.http import describes, new_blueprint, sse
from admin.http.openapi import components
from admin.routes.traces import answers
from admin.routes.traces.answers import FrameAnswer, frame_answer
from admin.routes.traces.traces import get
from admin.services import Viewers, services
from state.errors import StateError
from state.store import Store
from state.traces import traces
from state.traces.traces import Trace, TraceEntry

POLL_S = 0.25
SETTLED_MS = 2_000
"""Milliseconds that the gateway has after the end of a trace to write the last entries."""
_AT_ONCE = 200

blueprint = new_blueprint("trace_stream", "Traces")


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/trace/stream")
@describes(
    parameters=[sse.LAST_EVENT_ID],
    schemas=components(FrameAnswer)[1],
    responses={
        200: {
            "description": "A stream of server-sent events. `event: frame` and `event: mark` have a "
            "FrameAnswer as `data:`. `event: end` is sent before the server closes the stream. `data:` of "
            "`event: end` has the `reason`: the trace has ended, another trace has replaced this trace, or "
            "the store does not answer.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        204: {
            "description": "The trace has ended, and it has no entries after the entry that Last-Event-ID "
            "names."
        },
    },
)
async def stream_trace(tenant: str, charge_point: str) -> Response:
    """Follow a trace live.

    Without the header Last-Event-ID, the stream begins with the first entry of the trace. With the header,
    the stream begins after the entry with that id. The stream ends when the trace ends. While no entry is
    recorded, the server sends a comment line every ten seconds.
    """
    of, place = sse.resume(answers.decode_cursor) or ("", "")
    services_ = services()
    trace = await get(services_.store, tenant, charge_point)
    if request.method == "HEAD":
        return sse.response(b"")
    if services_.viewers.count >= services_.event_clients:
        raise sse.too_many_clients()
    if of != trace.id:
        place = ""  # The client has seen entries of another trace.
    elif _is_settled(services_.store, trace):
        _, behind = await traces.read(services_.store, tenant, charge_point, after=place, limit=1)
        if not behind:
            return Response(b"", 204)  # A browser does not reconnect after 204.
    reading = _Reading(services_.store, tenant, charge_point, trace.id, place)
    return sse.response(
        _blocks(reading, services_.viewers, services_.event_clients, sse.watch_key(services_, tenant))
    )


class _Reading:
    """Position of one viewer in a trace."""

    def __init__(self, store: Store, tenant: str, charge_point: str, trace: str, place: str) -> None:
        self._store, self._tenant, self._charge_point = store, tenant, charge_point
        self._trace, self._place = trace, place
        self.over = b""
        """Reason why the stream ends; empty while the stream continues."""

    async def read(self) -> list[bytes]:
        """Return the entries since the last call, each as a server-sent event. Raises StoreUnavailable."""
        trace, entries = await traces.read(
            self._store, self._tenant, self._charge_point, after=self._place, limit=_AT_ONCE
        )
        if trace is None:
            self.over = b"the trace is no longer kept"
        elif trace.id != self._trace:
            self.over = b"another trace took its place"
        else:
            if not entries and _is_settled(self._store, trace):
                self.over = f"the trace has ended: {trace.ended}".encode()
            return [self._block(place, entry) for place, entry in entries]
        return []

    def _block(self, place: str, entry: TraceEntry) -> bytes:
        self._place = place
        id_ = answers.encode_cursor(self._trace, place).encode()
        kind = b"mark" if entry.mark else b"frame"
        return b"id: " + id_ + b"\n" + sse.block(kind, msgspec.json.encode(frame_answer(place, entry)))


async def _blocks(
    reading: _Reading, viewers: Viewers, most: int, key_stands: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[bytes]:
    """Yield the stream.

    If the store fails, the stream ends. If the client is slow, the store is read less often.
    """
    viewers.count += 1
    try:
        # Several clients may have passed the earlier check of their number at the same time.
        if viewers.count > most:
            yield sse.end(sse.TOO_MANY)
            return
        yield sse.RETRY + b"\n"
        checked = spoke = trio.current_time()
        while not reading.over:
            blocks = await reading.read()
            now = trio.current_time()
            if blocks:
                spoke = now
                yield b"".join(blocks)
            elif now - spoke >= sse.HEARTBEAT_S:
                spoke = now
                yield sse.STILL_HERE
            if now - checked >= sse.HEARTBEAT_S:
                checked = now
                if not await key_stands():
                    reading.over = sse.KEY_GONE
            elif not blocks:
                await trio.sleep(POLL_S)
        yield sse.end(reading.over)
    except StateError:
        yield sse.end(sse.STORE_AWAY)
    finally:
        viewers.count -= 1


def _is_settled(store: Store, trace: Trace) -> bool:
    return trace.ended_ms is not None and store.server_time_ms() > trace.ended_ms + SETTLED_MS
