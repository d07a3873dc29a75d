"""Nodes: gateway and admin processes, each with an inbox, a record and a heartbeat.

One hash, which never expires, has a counter for each node, and each heartbeat raises the counter of its node.
A process that reads the hash sees all nodes at once, and judges by its own clock which nodes are dead
(`liveness.py`). A node's record expires after FORGOTTEN_MS of silence, and other nodes forget the node only
after that. Until then a node that was only paused may continue, take leases back and die, and the others must
notice that it is dead again.
"""

import os
import secrets
import socket
from collections.abc import Sequence
from typing import Literal

import msgspec

from state import keys, meta
from state.release import release
from state.replies import read_fields
from state.store import Store

INBOX_MS = 9_000
"""Expiry of an inbox: three heartbeats, which is less than the 10 s after which a node is judged dead."""
FORGOTTEN_MS = 600_000
BEATS_WHEN_FULL = 2
"""Nodes with this format or a later one send heartbeats even while the memory of the store is full."""

Kind = Literal["gateway", "admin"]


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a node reports with each heartbeat.

    `lag_ms` is how late the event loop ran a timer, as the 99th percentile of the last minute.
    """

    sessions: int = 0
    draining: bool = False
    lag_ms: float = 0.0


class NodeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A process, as it describes itself.

    `version` is its release, and `format` is the newest form of the store that it can read. A release that
    does not know the last three fields leaves them out.
    """

    kind: Kind
    host: str
    pid: int
    started_ms: int
    version: str = ""
    format: int = 1
    status: NodeStatus | None = None


class NodeState(msgspec.Struct, frozen=True, kw_only=True):
    """A node in the list of nodes.

    `node` is None after FORGOTTEN_MS of silence, or if the store has lost the record.
    """

    incarnation: str
    counter: int
    node: NodeRecord | None

    @property
    def kind(self) -> Kind | None:
        return None if self.node is None else self.node.kind

    @property
    def format(self) -> int:
        """The newest form of the store that the node can read, or the oldest form if that is not known."""
        return 1 if self.node is None else self.node.format


def new_incarnation() -> str:
    return secrets.token_hex(8)


def describe_process(store: Store, kind: Kind) -> NodeRecord:
    """Return the record of this process, without a status."""
    return NodeRecord(
        kind=kind,
        host=socket.gethostname(),
        pid=os.getpid(),
        started_ms=store.server_time_ms(),
        version=release(),
        format=meta.FORMAT,
    )


async def beat(store: Store, incarnation: str, record: NodeRecord, after: str = "0") -> bool:
    """Store the record of the node, prolong its inbox and raise its counter.

    Return whether the memory of the store is full. The release before cannot send its heartbeats then.

    A node calls this every 3 s, and also while the memory of the store is full. `after` is the id of the last
    message that the node has read from its inbox, or "0". If the inbox has expired, the new inbox gives later
    ids to its messages, even after the server's clock was set back.
    """
    await store.step(
        "nodes/beat",
        (keys.node(incarnation), keys.inbox(incarnation)),
        (INBOX_MS, FORGOTTEN_MS, msgspec.json.encode(record), after),
    )
    [word] = await store.step("nodes/count", (keys.NODES,), (incarnation,))
    return bool(word == b"full")


async def leave(store: Store, incarnation: str) -> None:
    """Forget a node that has released its leases.

    If the node may still have leases, call `leases.reap` first.
    """
    await store.execute("DEL", keys.node(incarnation), keys.inbox(incarnation))
    await store.execute("HDEL", keys.NODES, incarnation)


async def is_known(store: Store, incarnation: str) -> bool:
    """Return whether the node has neither left nor been forgotten. A known node may be dead or late."""
    return bool(await store.execute("HEXISTS", keys.NODES, incarnation))


async def forget_silent(store: Store, incarnation: str) -> bool:
    """Forget a dead node if it has been silent for FORGOTTEN_MS and holds no lease.

    If the node sends another heartbeat, it is registered again. Returns whether the node was forgotten.
    """
    if await store.execute("EXISTS", keys.node(incarnation)):
        return False
    sets = [keys.held(partition, incarnation) for partition in range(keys.PARTITIONS)]
    if any(await store.pipeline([("EXISTS", key) for key in sets])):
        return False
    await store.execute("HDEL", keys.NODES, incarnation)
    return True


async def list_nodes(store: Store) -> list[NodeState]:
    counters = read_fields(await store.execute("HGETALL", keys.NODES))
    records = await read_records(store, list(counters))
    return [
        NodeState(incarnation=incarnation, counter=int(counter), node=records.get(incarnation))
        for incarnation, counter in counters.items()
    ]


async def read_records(store: Store, incarnations: Sequence[str]) -> dict[str, NodeRecord]:
    """Return the records that the store still has of these nodes."""
    found = await store.pipeline([("GET", keys.node(incarnation)) for incarnation in incarnations])
    return {
        incarnation: msgspec.json.decode(record, type=NodeRecord)
        for incarnation, record in zip(incarnations, found, strict=True)
        if record is not None
    }
