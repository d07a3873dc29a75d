"""What a scrape of this process shows."""

from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from gateway.hub import Hub
from gateway.node import Node
from gateway.service.metrics import LoopLag, Reading, new_registry
from gateway.telemetry import BUCKETS_S, Telemetry
from gateway.websocket.handshakes import Handshakes
from gateway.websocket.stats import Stats

_TOO_OLD = "TLS: UNSUPPORTED_PROTOCOL"
"""OpenSSL's reason for a client that offers TLS 1.1 at best."""


def registry(node: Node, hub: Hub, stats: Stats, handshakes: Handshakes, lag: LoopLag) -> CollectorRegistry:
    found = new_registry(
        lambda: _node(node, hub),
        lambda: _transport(stats, handshakes),
        lambda: _faults(node, stats),
        lambda: _store(node),
        lag.readings,
    )
    found.register(_Latencies(node.telemetry))
    return found


def _node(node: Node, hub: Hub) -> Iterator[Reading]:
    telemetry = node.telemetry
    yield Reading("csms_sessions", "Charge points connected to this process.", len(hub), "gauge")
    yield Reading(
        "csms_draining", "1 while this process says goodbye to its charge points.", node.draining, "gauge"
    )
    yield Reading(
        "csms_refused_calls",
        "Calls answered with InternalError, by action.",
        telemetry.refused_calls,
        label="action",
    )
    yield Reading(
        "csms_refused_handshakes",
        "Upgrade requests refused, by HTTP status.",
        {str(status): count for status, count in telemetry.refused_handshakes.items()},
        label="status",
    )
    yield Reading("csms_commands", "Commands by how they ended.", telemetry.commands, label="status")
    yield Reading(
        "csms_flapping", "Connections refused because several took one lease in turns.", telemetry.flapping
    )


def _faults(node: Node, stats: Stats) -> Iterator[Reading]:
    """All of ocpp16/faults/table.py; who comes with too old a TLS never gets as far as to say who it is."""
    counts = Counter(node.telemetry.faults)
    counts["tls_version"] = stats.handshake_failures[_TOO_OLD]
    yield Reading(
        "csms_faults", "What charge points got wrong, by name.", dict((+counts).items()), label="fault"
    )


def _transport(stats: Stats, handshakes: Handshakes) -> Iterator[Reading]:
    yield Reading("csms_connections", "Open TCP connections, upgraded or not.", stats.open, "gauge")
    yield Reading("csms_handshakes_in_flight", "Connections not yet upgraded.", len(handshakes), "gauge")
    yield Reading("csms_accepted", "TCP connections accepted.", stats.accepted)
    yield Reading("csms_over_limit", "Connections cut because there were too many.", stats.over_limit)
    yield Reading("csms_connection_crashes", "Connections ended by a defect of ours.", stats.crashed)
    yield Reading("csms_messages", "OCPP messages received.", stats.messages)
    yield Reading(
        "csms_handshake_failures",
        "Handshakes that failed, by reason.",
        stats.handshake_failures,
        label="reason",
    )
    yield Reading(
        "csms_closed",
        "Connections closed, by close code.",
        _by_code(stats),
        label="code",
    )


def _by_code(stats: Stats) -> dict[str, int]:
    """The registered codes by name; what peers make up is one row, however many they make up."""
    counts: Counter[str] = Counter()
    for code, count in stats.closed.items():
        counts[str(code) if 1000 <= code <= 1015 else "other"] += count
    return counts


def _store(node: Node) -> Iterator[Reading]:
    for name, value in node.store.stats().items():
        yield Reading(f"csms_store_{name}", f"Store client: {name.replace('_', ' ')}.", value, "gauge")


class _Latencies(Collector):
    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            "csms_call_seconds", "From a call's last byte to its answer's, by action.", labels=["action"]
        )
        for action, latency in self._telemetry.calls.items():
            bounds = (*map(str, BUCKETS_S), "+Inf")
            buckets = list(zip(bounds, accumulate(latency.counts), strict=True))
            family.add_metric([action], buckets, latency.total_s)
        yield family
