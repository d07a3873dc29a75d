"""Serves `/livez`, `/readyz` and `/metrics` on a separate port. Scrape the port of each process."""

import errno
import socket
from collections.abc import Callable
from contextlib import closing

import structlog
import trio
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest

from gateway.service.accepting import Acceptor

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
    store is absent. The body of /livez and /readyz has the sentence of `trouble`, if any. At most 32
    connections are open at once, for at most 5 s each. A file descriptor is kept back for the probes.
    """
    try:
        listeners = await trio.open_tcp_listeners(port, host=host, backlog=_CONNECTIONS_MAX)
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "; choose another port with listen.health_port" if error.errno == errno.EADDRINUSE else ""
        # `from None` and a single argument: only this text is shown, without the error number.
        raise OSError(f"cannot listen for probes on {host}:{port}: {reason}{hint}") from None
    probes = _Probes(ready, trouble, registry)
    async with trio.open_nursery() as nursery:
        task_status.started(listeners[0].socket.getsockname()[1])
        for listener in listeners:
            nursery.start_soon(probes.serve, socket.socket(fileno=listener.socket.detach()))


class _Probes:
    """Answers probes. Each listening socket has a descriptor of its own that is kept back."""

    def __init__(
        self, ready: Callable[[], bool], trouble: Callable[[], str | None], registry: CollectorRegistry
    ) -> None:
        self._ready = ready
        self._trouble = trouble
        self._registry = registry
        self._open = 0

    async def serve(self, listener: socket.socket) -> None:
        with listener, closing(Acceptor(listener, spare=True)) as acceptor:
            async with trio.open_nursery() as nursery:
                while True:
                    stream = await acceptor.accept()
                    if self._open >= _CONNECTIONS_MAX:
                        stream.socket.close()
                        acceptor.keep_spare()
                    else:
                        self._open += 1
                        nursery.start_soon(self._serve_one, stream, acceptor)

    async def _serve_one(self, stream: trio.SocketStream, acceptor: Acceptor) -> None:
        try:
            with trio.move_on_after(_DEADLINE_S):
                head = await _read_head(stream)
                if head is not None:
                    await stream.send_all(self._answer(head))
                    await stream.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # The client left.
        except Exception:
            # A scrape must never end the process.
            log.exception("probe.failed")
        finally:
            stream.socket.close()
            acceptor.keep_spare()
            self._open -= 1

    def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        kind = "text/plain; charset=utf-8"
        if method not in (b"GET", b"HEAD"):
            status, body = "400 Bad Request", b"unknown method; use GET /livez, /readyz or /metrics\n"
        elif path == b"/livez" or (path == b"/readyz" and self._ready()):
            status, body = "200 OK", self._describe("ok", ", but ")
        elif path == b"/readyz":
            status, body = "503 Service Unavailable", self._describe("not ready", ": ")
        elif path == b"/metrics":
            status, body, kind = "200 OK", generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4
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

    def _describe(self, state: str, link: str) -> bytes:
        trouble = self._trouble()
        return f"{state}\n".encode() if trouble is None else f"{state}{link}{trouble}\n".encode()


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
