"""The metrics of a gateway process. Each scrape reads the present values."""

from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from gateway.hub import Hub
from gateway.node import Node
from gateway.service.metrics import LoopLag, Reading, new_registry, store_writable
from gateway.telemetry import BUCKETS_S, Telemetry
from gateway.tls_edge import TlsEdge
from gateway.websocket.handshakes import Handshakes
from gateway.websocket.refusals import Refused
from gateway.websocket.stats import Stats

_STORE_HELP = {
    "available": "1 while this process can use the store, otherwise 0.",
    "connections": "Open connections to the store. Connections for blocking reads are not counted.",
    "reconnects": "Number of times that a lost connection to the store was opened again.",
    "queued": "Commands that wait to be sent to the store.",
    "in_flight": "Commands that were sent to the store and have no reply yet.",
    "bytes": "Number of bytes in the commands that wait to be sent to the store or have no reply yet.",
    "oldest_s": "Number of seconds that the oldest command without a reply has waited.",
    "headroom": "How full the store is: 0 below 80 % of its `maxmemory`, 1 from 80 %, 2 from 90 %, 3 from "
    "95 %. The free disk of the embedded server counts too.",
    "memory_used_bytes": "Memory of the server that counts for its `maxmemory`.",
    "memory_limit_bytes": "`maxmemory` of the server. 0 means that it has no limit.",
    "persistence_failures": "Number of statuses in INFO persistence that are not ok: of the last write, "
    "rewrite and snapshot.",
    "blocking_connections": "Connections to the store that are in use for blocking reads.",
}


def registry(
    node: Node, hub: Hub, stats: Stats, handshakes: Handshakes, lag: LoopLag, *, edge: TlsEdge
) -> CollectorRegistry:
    found = new_registry(
        lambda: _tls(edge),
        lambda: _node(node, hub),
        lambda: _transport(stats, handshakes),
        lambda: _faults(node, stats),
        lambda: _store(node),
        lambda: _memory(node),
        lag.readings,
    )
    found.register(_Latencies(node.telemetry))
    return found


def _node(node: Node, hub: Hub) -> Iterator[Reading]:
    telemetry = node.telemetry
    yield Reading(
        "csms_sessions",
        "Open sessions of charge points. A charge point that reconnects may have two sessions for a moment.",
        len(hub),
        "gauge",
    )
    yield Reading(
        "csms_draining",
        "1 while this process drains, otherwise 0. A process that drains closes its sessions because it ends "
        "or because an operator drains it.",
        node.draining,
        "gauge",
    )
    yield Reading(
        "csms_refused_calls",
        "Calls of charge points that csms answered with the CALLERROR InternalError, by action.",
        telemetry.refused_calls,
        label="action",
    )
    yield Reading(
        "csms_refused_handshakes",
        "Upgrade requests that csms refused, by HTTP status. This metric does not count requests that are "
        "too late or too long, or that are not websocket upgrades; `csms_handshake_failures` does.",
        {str(status): count for status, count in telemetry.refused_handshakes.items()},
        label="status",
    )
    yield Reading(
        "csms_refusals",
        "Upgrade requests, PROXY headers and TLS handshakes that csms refused, by the true reason "
        "(docs/refusals.md).",
        telemetry.refusals,
        label="reason",
    )
    yield Reading(
        "csms_delayed_refusals",
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
    yield Reading(
        "csms_flapping",
        "Handshakes that csms refused with 429, because the connections of one charge point replaced each "
        "other too often.",
        telemetry.flapping,
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
        "csms_accepted",
        "Accepted TCP connections, including those that csms_over_limit_total counts.",
        stats.accepted,
    )
    yield Reading(
        "csms_over_limit",
        "Connections that csms closed at once because too many were open.",
        stats.over_limit,
    )
    yield Reading(
        "csms_connection_crashes",
        "Connections that ended because of an unexpected error. Each is a defect of csms, and the log has "
        "its traceback.",
        stats.crashed,
    )
    yield Reading("csms_messages", "Websocket messages received from charge points.", stats.messages)
    yield Reading(
        "csms_handshake_failures",
        "Connections that ended before csms had an upgrade request, by reason. Upgrade requests that got "
        "an HTTP error are not counted.",
        stats.handshake_failures,
        label="reason",
    )
    yield Reading(
        "csms_closed",
        "Closed websockets, by close code. 1006 means that no CLOSE frame came. Codes outside 1000 to 1015 "
        "have the label other.",
        _by_code(stats),
        label="code",
    )


def _by_code(stats: Stats) -> dict[str, int]:
    """Count closed websockets by code.

    Codes outside 1000 to 1015 share one count. Otherwise a peer could create any number of labels.
    """
    counts: Counter[str] = Counter()
    for code, count in stats.closed.items():
        counts[str(code) if 1000 <= code <= 1015 else "other"] += count
    return counts


def _store(node: Node) -> Iterator[Reading]:
    for name, value in node.store.stats().items():
        yield Reading(f"csms_store_{name}", _STORE_HELP[name], value, "gauge")
    yield store_writable(node.store.writable)


class _Latencies(Collector):
    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            "csms_call_seconds",
            "Seconds from the receipt of a charge point's call until its answer was sent, by action.",
            labels=["action"],
        )
        for action, latency in self._telemetry.calls.items():
            bounds = (*map(str, BUCKETS_S), "+Inf")
            buckets = list(zip(bounds, accumulate(latency.counts), strict=True))
            family.add_metric([action], buckets, latency.total_s)
        yield family
