"""Finished transactions that are in no queue, because a gateway of an older release stored their stop or end.

They are found once, after `csms store upgrade`: no gateway of an older release runs from then on.
"""

from collections.abc import Sequence

from state import keys
from state.store import Store
from state.transactions.search import Named, search_some


async def queue_some(store: Store) -> bool:
    """Do a part of the search, and return whether the whole search is over."""
    return await search_some(store, keys.UNQUEUED, _queue)


async def _queue(store: Store, named: Sequence[Named]) -> None:
    """Queue each transaction that is finished and not packed."""
    times = [("HMGET", of.transaction(id_), "stop_received_ms", "end_received_ms") for of, id_ in named]
    packed = [("EXISTS", of.packed(id_)) for of, id_ in named]
    replies = await store.pipeline([*times, *packed])
    found: list[str | int] = []
    for (of, id_), (stopped, ended), done in zip(
        named, replies[: len(named)], replies[len(named) :], strict=True
    ):
        if (stopped or ended) and not done:
            found += (int(stopped or ended), of.queued(id_))
    if found:
        await store.step("transactions/unqueued", (keys.unpacked(named[0][0].partition),), found)
