"""Which charge points have commands that a session should send, read by partition.

The sorted sets `overdue` and `waiting` of a partition name its commands, with their charge points, by
deadline. So a node need not ask for each of its charge points.
"""

from collections.abc import Callable, Sequence

from state import keys
from state.store import Store

PAGE = 512
"""Greatest number of commands that one read returns for a partition."""


async def list_waiting(
    store: Store, places: Sequence[tuple[int, int]], deadlines: Callable[[int], str] = keys.overdue
) -> list[list[str]]:
    """Return the charge points (`member`) of commands, a page for each (partition, first rank).

    `deadlines` is `keys.overdue` for queued and sent commands, and `keys.waiting` for waiting ones. A page
    shorter than PAGE is the last page of its partition. A charge point is named once for each of its
    commands.
    """
    pages = [("ZRANGE", deadlines(partition), rank, rank + PAGE - 1) for partition, rank in places]
    replies = await store.pipeline(pages)
    return [[entry.decode().partition(" ")[2] for entry in page] for page in replies]
