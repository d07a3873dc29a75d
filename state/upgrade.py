"""Raise the form of the store, after which processes of older releases cannot use the store any more."""

from typing import NamedTuple

from state import keys, meta
from state.nodes import nodes
from state.nodes.nodes import NodeState
from state.redis import checks
from state.replies import flatten
from state.store import Store


class Upgraded(NamedTuple):
    """`cut` is the number of connections of older processes that were still open, and were closed."""

    before: meta.Meta
    after: meta.Meta
    cut: int


async def list_older(store: Store) -> list[NodeState]:
    """Return the living gateway and admin processes that cannot read the newest form."""
    listed = await nodes.list_nodes(store)
    open_ = await store.pipeline([("EXISTS", keys.inbox(one.incarnation)) for one in listed])
    return [
        one
        for one, lives in zip(listed, open_, strict=True)
        if lives and one.node is not None and one.node.format < meta.FORMAT
    ]


async def upgrade(store: Store) -> Upgraded:
    """Let this release write its newest form from now on.

    Call this only if `list_older` finds nothing. A process of an older release that has not registered yet,
    or was paused, loses its connections, and is refused when it connects again.
    """
    before = await meta.check(store.pipeline)
    await _list_older_clients(store)  # If this user may not do that, nothing must change.
    await store.execute("HSET", keys.META, *flatten(meta.fields_of(meta.FORMAT)))
    after = await meta.check(store.pipeline)
    return Upgraded(before, after, await _cut_older(store))


async def _cut_older(store: Store) -> int:
    older = await _list_older_clients(store)
    return sum(await store.pipeline([("CLIENT", "KILL", "ID", id_) for id_ in older]))


async def _list_older_clients(store: Store) -> list[str]:
    clients: bytes = await store.execute("CLIENT", "LIST")
    found = [dict(part.split("=", 1) for part in line.split()) for line in clients.decode().splitlines()]
    [own] = [client for client in found if client["id"] == str(await store.execute("CLIENT", "ID"))]
    return [one["id"] for one in found if one["name"] == checks.OLDER_NAME and one["db"] == own["db"]]
