"""The metrics of a gateway process. Each scrape reads the present values."""

from collections import Counter
from collections.abc import Iterator
from functools import partial

from prometheus_client.registry import CollectorRegistry

from gateway.hub import Hub
from gateway.node import Node
from gateway.service.metrics import LoopLag, Reading, build, new_registry
from gateway.service.store_metrics import store_readings
from gateway.telemetry import Telemetry
from gateway.tls_edge import TlsEdge
from gateway.websocket.handshakes import Handshakes
from gateway.websocket.refusals import Refused, phase_of
from gateway.websocket.stats import Stats
from state.meta import FORMAT
from state.release import release

_TENANTS = 50


def registry(
    node: Node, hub: Hub, stats: Stats, handshakes: Handshakes, lag: LoopLag, *, edge: TlsEdge
) -> CollectorRegistry:
    return new_registry(
        partial(build, release(), FORMAT),
        lambda: _tls(edge),
        lambda: _node(node, hub),
        lambda: _transport(stats, handshakes),
        lambda: _handshakes(node.telemetry, stats),
        lambda: _faults(node, stats),
        partial(store_readings, node.store),
        lambda: _latencies(node.telemetry),
        lambda: _memory(node),
        lag.readings,
    )


def _node(node: Node, hub: Hub) -> Iterator[Reading]:
    telemetry = node.telemetry
    yield Reading(
        "csms_sessions",
        "Open sessions of charge points. A charge point that reconnects may have two sessions for a moment.",
        len(hub),
        "gauge",
    )
    yield Reading(
        "csms_tenant_sessions",
        "Open sessions of the 50 tenants that have the most in this process. Those of all others are counted "
        "together, and their label is empty.",
        hub.count_by_tenant(_TENANTS),
        "gauge",
        "tenant",
    )
    yield Reading(
        "csms_leases",
        "Leases that sessions of this process took from nobody (new), from an older session of the same "
        "charge point (replaced) or from a node that died (taken_over), and those that they lost, because "
        "the store forgot them (lost) or a newer session has them (superseded).",
        telemetry.leases,
        label="change",
    )
    yield Reading(
        "csms_draining",
        "1 while this process drains, otherwise 0. A process that drains closes its sessions because it ends "
        "or because an operator drains it.",
        node.draining,
        "gauge",
    )
    yield Reading(
        "csms_calls_refused",
        "Calls of charge points that csms answered with the CALLERROR InternalError, by action.",
        telemetry.refused_calls,
        label="action",
    )
    yield Reading(
        "csms_handshakes_delayed",
        "Answers to failed upgrade requests that csms delayed, because too many requests fail from one "
        "address or in all.",
        telemetry.delayed_refusals,
    )
    yield Reading(
        "csms_commands",
        "Outcomes of commands that this process reported to the store, by status. A command that is answered "
        "after its timeout is counted twice: as timeout and as answered.",
        telemetry.commands,
        label="status",
    )


def _memory(node: Node) -> Iterator[Reading]:
    memory = node.memory
    yield Reading(
        "csms_memory_limit_bytes",
        "Memory that this process may use. 0 means that there is no limit.",
        memory.limit,
        "gauge",
    )
    yield Reading(
        "csms_memory_full",
        "1 while this process refuses new connections, because it uses 85 % of its memory. Otherwise 0.",
        memory.is_reached,
        "gauge",
    )


def _tls(edge: TlsEdge) -> Iterator[Reading]:
    yield Reading(
        "csms_tls_certificate_not_after_seconds",
        "Time at which each server certificate of this process expires, in Unix seconds, by its file.",
        edge.ends,
        "gauge",
        "file",
    )
    yield Reading(
        "csms_tls_reload_failures",
        "Number of times that changed TLS files could not be used, so that this process goes on with the old "
        "ones. It looks every 10 s. The log has the reason.",
        edge.failures,
    )


def _faults(node: Node, stats: Stats) -> Iterator[Reading]:
    """Yield how often each fault was counted, including the fault `tls_version`.

    A client whose TLS is too old is refused before it sends its charge point id. So the fault `tls_version`
    is counted by the transport, not by the node.
    """
    counts = Counter(node.telemetry.faults)
    counts["tls_version"] = stats.handshake_failures[Refused.TLS_TOO_OLD.word]
    yield Reading(
        "csms_faults",
        "Faults of charge points, by the name of the fault.",
        dict((+counts).items()),
        label="fault",
    )


def _transport(stats: Stats, handshakes: Handshakes) -> Iterator[Reading]:
    yield Reading(
        "csms_connections",
        "Open TCP connections, before and after the websocket upgrade.",
        stats.open,
        "gauge",
    )
    yield Reading(
        "csms_handshakes_in_flight",
        "Connections whose upgrade request has not arrived completely yet.",
        len(handshakes),
        "gauge",
    )
    yield Reading(
        "csms_connections_accepted",
        "Accepted TCP connections, including those that csms_connections_over_limit_total counts.",
        stats.accepted,
    )
    yield Reading(
        "csms_connections_over_limit",
        "Connections that csms closed at once because too many were open.",
        stats.over_limit,
    )
    yield Reading(
        "csms_connections_crashed",
        "Connections that ended because of an unexpected error. Each is a defect of csms, and the log has "
        "its traceback.",
        stats.crashed,
    )
    yield Reading(
        "csms_websocket_messages", "Websocket messages received from charge points.", stats.messages
    )
    yield Reading(
        "csms_websockets_closed",
        "Closed websockets, by close code. 1006 means that no CLOSE frame came. Codes outside 1000 to 1015 "
        "have the label other.",
        _by_code(stats),
        label="code",
    )


def _handshakes(telemetry: Telemetry, stats: Stats) -> Iterator[Reading]:
    failed, refused = stats.handshake_failures.items(), telemetry.refusals.items()
    counts: dict[tuple[str, str], int] = {(phase_of(reason), reason): count for reason, count in failed}
    counts |= {("admission", reason): count for reason, count in refused}
    counts["admission", "accepted"] = telemetry.accepted
    yield Reading(
        "csms_handshakes",
        "Connections of charge points by how their handshake ended. `phase` is tcp, tls or upgrade for those "
        "that ended before csms had an upgrade request, and admission for all others. `outcome` is accepted, "
        "or the true reason (docs/refusals.md).",
        counts,
        label=("phase", "outcome"),
    )


def _by_code(stats: Stats) -> dict[str, int]:
    """Count closed websockets by code.

    Codes outside 1000 to 1015 share one count. Otherwise a peer could create any number of labels.
    """
    counts: Counter[str] = Counter()
    for code, count in stats.closed.items():
        counts[str(code) if 1000 <= code <= 1015 else "other"] += count
    return counts


def _latencies(telemetry: Telemetry) -> Iterator[Reading]:
    yield Reading(
        "csms_call_seconds",
        "Seconds from the receipt of a charge point's call until its answer was sent, by action.",
        telemetry.calls,
        "histogram",
        "action",
    )
    yield Reading(
        "csms_command_seconds",
        "Seconds from the sending of a command until the charge point answered, by action.",
        telemetry.answered_commands,
        "histogram",
        "action",
    )
