"""Which charge points have waiting commands, read by partition.

The sorted set `overdue` of a partition names every command that waits, with its charge point, by deadline. So
a node need not ask for each of its charge points.
"""

from collections.abc import Sequence

from state import keys
from state.store import Store

PAGE = 512
"""Greatest number of commands that one read returns for a partition."""


async def list_waiting(store: Store, places: Sequence[tuple[int, int]]) -> list[list[str]]:
    """Return the charge points (`member`) of waiting commands, a page for each (partition, first rank).

    A page shorter than PAGE is the last page of its partition. A charge point is named once for each of its
    commands.
    """
    pages = [("ZRANGE", keys.overdue(partition), rank, rank + PAGE - 1) for partition, rank in places]
    replies = await store.pipeline(pages)
    return [[entry.decode().partition(" ")[2] for entry in page] for page in replies]
