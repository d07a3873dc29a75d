"""The metrics of the client of the store, which each gateway and admin process exports by the same names.

Those that INFO of the server gives are the same in all processes. Take their maximum, not their sum.
"""

from collections.abc import Iterator, Mapping
from typing import Literal, Protocol

from gateway.service.metrics import Buckets, Reading

_GAUGES = {
    "available": "1 while this process can use the store, otherwise 0. While it is away, the process stays "
    "ready.",
    "connections": "Open connections to the store. Connections for blocking reads are not counted.",
    "blocking_connections": "Connections to the store that are in use for blocking reads.",
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
    "replicas": "Replicas that are connected to the server.",
}
_COUNTERS = {
    "reconnects": "Number of times that a lost connection to the store was opened again.",
    "deliveries": "Number of times that replies of the store were read. csms_store_seconds_count divided by "
    "it is the size of a batch.",
    "delayed_fsyncs": "Writes of the server that waited for its disk, because the fsync before was not done.",
}
_NAMES = {"oldest_s": "oldest_seconds"}


class Measured(Protocol):
    """What the client of the store measures."""

    @property
    def latency(self) -> Buckets: ...
    @property
    def writable(self) -> bool: ...
    def stats(self) -> Mapping[str, float]: ...
    def clock_offset_s(self) -> float: ...


def store_readings(store: Measured) -> Iterator[Reading]:
    for name, value in store.stats().items():
        kind: Literal["counter", "gauge"] = "counter" if name in _COUNTERS else "gauge"
        help_ = _COUNTERS[name] if name in _COUNTERS else _GAUGES[name]
        yield Reading(f"csms_store_{_NAMES.get(name, name)}", help_, value, kind)
    yield Reading(
        "csms_store_seconds",
        "Seconds from a command to the store until its reply. With durability fsync, a write includes the "
        "wait for the disk.",
        store.latency,
        "histogram",
    )
    yield Reading(
        "csms_store_clock_offset_seconds",
        "How far the clock of the store is ahead of the clock of this machine.",
        store.clock_offset_s(),
        "gauge",
    )
    yield Reading(
        "csms_store_writable",
        "1 while the store accepts writes of this process, otherwise 0. It is 0 while the store is away, and "
        "also while the store answers but refuses to write, for example because its memory is full. The "
        "bodies of /livez and /readyz say why.",
        store.writable,
        "gauge",
    )
