"""Serves `/livez`, `/readyz` and `/metrics` on a separate port. Scrape the port of each process."""

import errno
from collections.abc import Callable
from functools import partial

import structlog
import trio
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest

_REQUEST_BYTES_MAX = 8_192
_DEADLINE_S = 5.0
_CONNECTIONS_MAX = 32

log = structlog.get_logger()


async def serve_health(
    host: str,
    port: int,
    *,
    ready: Callable[[], bool],
    trouble: Callable[[], str | None],
    registry: CollectorRegistry,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled. Report the chosen port to `task_status`. Raises OSError.

    An answer of /livez only means that the event loop runs, because a process must not be killed while the
    store is absent. While the process is not ready, the body of /readyz has the sentence of `trouble`, if
    any. At most 32 connections are open at once, for at most 5 s each.
    """
    try:
        listeners = await trio.open_tcp_listeners(port, host=host, backlog=_CONNECTIONS_MAX)
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "; choose another port with listen.health_port" if error.errno == errno.EADDRINUSE else ""
        # `from None` and a single argument: only this text is shown, without the error number.
        raise OSError(f"cannot listen for probes on {host}:{port}: {reason}{hint}") from None
    room = trio.Semaphore(_CONNECTIONS_MAX)
    handler = partial(_serve_probe, room=room, ready=ready, trouble=trouble, registry=registry)
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, handler, listeners)
        task_status.started(listeners[0].socket.getsockname()[1])


async def _serve_probe(
    stream: trio.SocketStream,
    *,
    room: trio.Semaphore,
    ready: Callable[[], bool],
    trouble: Callable[[], str | None],
    registry: CollectorRegistry,
) -> None:
    try:
        room.acquire_nowait()
    except trio.WouldBlock:
        await trio.aclose_forcefully(stream)
        return
    try:
        with trio.move_on_after(_DEADLINE_S):
            async with stream:
                head = await _read_head(stream)
                if head is not None:
                    await stream.send_all(_answer(head, ready, trouble, registry))
                    await stream.send_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # The client left.
    except Exception:
        # A scrape must never end the process.
        log.exception("probe.failed")
    finally:
        room.release()


async def _read_head(stream: trio.SocketStream) -> bytes | None:
    head = b""
    while b"\r\n\r\n" not in head and b"\n\n" not in head:
        if len(head) > _REQUEST_BYTES_MAX:
            return b""
        part = await stream.receive_some(_REQUEST_BYTES_MAX)
        if not part:
            return None
        head += part
    return head


def _answer(
    head: bytes,
    ready: Callable[[], bool],
    trouble: Callable[[], str | None],
    registry: CollectorRegistry,
) -> bytes:
    method, _, rest = head.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    body = b""
    kind = "text/plain; charset=utf-8"
    if method not in (b"GET", b"HEAD"):
        status, body = "400 Bad Request", b"unknown method; use GET /livez, /readyz or /metrics\n"
    elif path == b"/livez":
        status, body = "200 OK", b"ok\n"
    elif path == b"/readyz":
        status, body = ("200 OK", b"ok\n") if ready() else ("503 Service Unavailable", _not_ready(trouble()))
    elif path == b"/metrics":
        status, body, kind = "200 OK", generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4
    else:
        status, body = "404 Not Found", b"unknown path; use /livez, /readyz or /metrics\n"
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + (b"" if method == b"HEAD" else body)


def _not_ready(trouble: str | None) -> bytes:
    return b"not ready\n" if trouble is None else f"not ready: {trouble}\n".encode()
