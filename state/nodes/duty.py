"""Duties: work that one living process does for the whole store, such as packing and archiving."""

from state import keys
from state.store import Store


async def hold_duty(store: Store, name: str, incarnation: str, lasts_ms: int) -> bool:
    """Take the duty for `lasts_ms`, or prolong it, and return whether this process has it.

    The process repeats the call while it works. If the process dies, another one takes the duty after
    `lasts_ms`. Two processes may believe that they have a duty, for example after one of them was paused. So
    the work itself must stay correct if two processes do it. The call also works on a full store.
    """
    [word, *_] = await store.step("nodes/duty", (keys.duty(name),), (incarnation, lasts_ms))
    return bool(word == b"held")
