"""One gateway process, from its configuration to its exit."""

import os
import signal
import socket
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import msgspec
import structlog
import trio

from gateway import housekeeping, inbox, metrics
from gateway.admission.claims import show
from gateway.admission.delays import Delays
from gateway.admission.handshake import handle
from gateway.admission.rate import Rate
from gateway.admission.serving import Admission
from gateway.admission.takeover import Takeovers
from gateway.config import GatewayConfig, ListenConfig, check_listen
from gateway.drain import TAIL_S, close_sessions, write_rest
from gateway.file_limit import fit_connections
from gateway.hub import Hub
from gateway.node import Node
from gateway.refusal_counts import Note
from gateway.revocations import Revocations
from gateway.service import collector, log_bound, ready
from gateway.service.attempts import Attempts
from gateway.service.health import serve_health
from gateway.service.metrics import LoopLag
from gateway.service.networks import Networks
from gateway.service.open_files import raise_file_limit
from gateway.tls_edge import TlsEdge
from gateway.websocket.handshakes import Handshakes
from gateway.websocket.large_messages import LargeMessages
from gateway.websocket.limits import Limits
from gateway.websocket.listeners import open_listeners
from gateway.websocket.refusals import Refused
from gateway.websocket.server import serve
from gateway.websocket.stats import Stats
from state.nodes import nodes
from state.patience import repeat_step, wait_for
from state.store import start_store
from state.tenants import pepper

log = structlog.get_logger()


async def run(config: GatewayConfig) -> None:
    """Serve until SIGTERM or SIGINT, then drain. A signal during the start ends the start.

    While the store is away, the start waits: the process is alive but not ready, and does not listen for
    charge points. Raises ConfigError, OSError or StoreRefused, alone or in an ExceptionGroup, but only while
    the process starts.
    """
    async with trio.open_nursery() as nursery:
        stop = _Stop(nursery.cancel_scope)
        await nursery.start(stop.watch)
        await _start(config, stop)
        nursery.cancel_scope.cancel()


class _Stop:
    """The signals that end the process. The first one sets `asked`, or cancels the start."""

    def __init__(self, start: trio.CancelScope) -> None:
        self.asked = trio.Event()
        self._start: trio.CancelScope | None = start
        self._last_words: Callable[[], None] = lambda: None

    def started(self, last_words: Callable[[], None]) -> None:
        """From now on there are sessions, so the process must drain before it ends.

        `last_words` is called if a second signal interrupts the drain.
        """
        self._start, self._last_words = None, last_words

    async def watch(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            number = await anext(signals)
            log.info("signal.received", signal=signal.Signals(number).name)
            self.asked.set()
            if self._start is not None:
                self._start.cancel()  # Nothing was served yet. The store may be away, so wait for nothing.
            # A second signal means exit now; other nodes reap our leases.
            await anext(signals)
            log.warning("drain.interrupted")
            self._last_words()
            os._exit(1)


async def _start(config: GatewayConfig, stop: _Stop) -> None:
    config = fit_connections(config, raise_file_limit())
    listen = config.listen
    trusted = check_listen(listen)
    revocations = Revocations(refuse_overdue=config.tls.refuse_overdue_revocation_lists)
    edge = TlsEdge(config, revocations)
    listeners = _Listeners(*(_open(listen.host, port) for port in _ports_of(listen)))
    if listeners.wss or listeners.client_certificate:
        edge.load()
    async with start_store(config.store) as store, trio.open_nursery() as background:
        node = Node(config, store, config.security.pepper.encode(), background, revocations)
        await _serve(node, listeners, edge, trusted, stop)
        background.cancel_scope.cancel()


class _Listeners(NamedTuple):
    """The listening sockets for charge points. A list is empty if its port is not set."""

    ws: list[socket.socket]
    wss: list[socket.socket]
    client_certificate: list[socket.socket]


def _ports_of(listen: ListenConfig) -> tuple[int | None, int | None, int | None]:
    return listen.ws_port, listen.wss_port, listen.client_certificate_port


def _open(host: str, port: int | None) -> list[socket.socket]:
    return [] if port is None else open_listeners(host, port)


async def _serve(node: Node, listeners: _Listeners, edge: TlsEdge, trusted: Networks, stop: _Stop) -> None:
    config, store, hub = node.config, node.store, Hub()
    large_messages = LargeMessages(config.limits.large_messages_bytes)
    stats, handshakes, lag = Stats(large_messages=large_messages), Handshakes(), LoopLag()
    takeovers = Takeovers(node, hub)
    attempts = Attempts(
        per_address=config.security.failures_per_minute_and_address,
        per_name=config.security.failures_per_minute_and_charge_point,
    )
    rate = Rate(config.limits.handshakes_per_second, config.limits.handshakes_at_once)
    admission = Admission(node, hub, attempts, takeovers, rate, Delays(attempts, node.telemetry))
    registry = metrics.registry(node, hub, stats, handshakes, lag, edge=edge)
    serving = False
    async with trio.open_nursery() as probes:
        probes.start_soon(log_bound.report)
        probes.start_soon(lag.watch)
        probes.start_soon(node.memory.watch)
        health_port = await probes.start(
            partial(
                serve_health,
                config.listen.health_host,
                config.listen.health_port,
                ready=lambda: serving and not node.draining,
                trouble=store.describe_trouble,
                registry=registry,
            )
        )
        await wait_for(store)
        await repeat_step(pepper.check, store, node.pepper)
        report = partial(_report, nodes.describe_process(store, "gateway"), node, hub, lag)
        await repeat_step(nodes.beat, store, node.incarnation, report())
        await repeat_step(node.revocations.read_denied, store)
        async with trio.open_nursery() as upkeep:
            upkeep.start_soon(housekeeping.keep, node, hub, report, large_messages)
            upkeep.start_soon(inbox.read, node, hub, takeovers)
            if listeners.wss or listeners.client_certificate:
                upkeep.start_soon(edge.watch)
            async with trio.open_nursery() as connections:
                accepting = [
                    await connections.start(
                        partial(
                            serve,
                            sockets,
                            handle=partial(handle, admission),
                            tls=context,
                            limits=_limits(config),
                            stats=stats,
                            handshakes=handshakes,
                            on_refused=partial(_note_refused, node),
                            trusts_proxy=trusted.__contains__ if config.listen.proxy_protocol else None,
                        )
                    )
                    for sockets, context in zip(
                        listeners, (None, edge.context, edge.demanding_context), strict=True
                    )
                    if sockets
                ]
                collector.settle()
                serving = True
                stop.started(node.fact_log.write)
                ports = _ports(listeners, health_port)
                log.info("gateway.started", **ports)
                ready.announce(ports)
                await stop.asked.wait()
                deadline = trio.current_time() + config.drain.window_s + TAIL_S
                for server in accepting:
                    server.stop_accepting()
                await close_sessions(node, hub, config.drain.window_s)
                connections.cancel_scope.cancel()
            upkeep.cancel_scope.cancel()  # A heartbeat after `leave` would register the node again.
        await write_rest(node, deadline=deadline)
        probes.cancel_scope.cancel()


def _report(me: nodes.NodeRecord, node: Node, hub: Hub, lag: LoopLag) -> nodes.NodeRecord:
    """Return the record of this node with its present status."""
    lag_ms = round(lag.quantiles()["p99"] * 1000, 1)
    status = nodes.NodeStatus(sessions=len(hub), draining=node.draining, lag_ms=lag_ms)
    return msgspec.structs.replace(me, status=status)


def _limits(config: GatewayConfig) -> Limits:
    limits = config.limits
    return Limits(
        # A full node must still accept connections, because it refuses a charge point with an HTTP answer.
        connections=limits.connections + limits.handshakes_in_flight,
        connections_per_address=limits.connections_per_address,
        handshakes_in_flight=limits.handshakes_in_flight,
        message_bytes=limits.message_bytes,
        send_s=limits.send_s,
        ping_interval_s=limits.ping_interval_s,
        pong_s=limits.pong_s,
        mute_s=limits.mute_s,
    )


def _note_refused(node: Node, reason: Refused, address: str, detail: str) -> None:
    """Record a connection that the transport refused. Nobody knows its charge point."""
    node.note_refusal(Note(reason=reason.word, address=address, detail=show(detail)))


def _ports(listeners: _Listeners, health_port: int) -> dict[str, int]:
    found = zip(listeners._fields, listeners, strict=True)
    return {"health": health_port} | {name: sockets[0].getsockname()[1] for name, sockets in found if sockets}
