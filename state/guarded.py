"""Changes of settings that are decided on the present settings, so that no other change is lost.

The step compares the fields themselves, not a version, because older programs change them without one.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from state.errors import StoreUnavailable
from state.redis.connection import Arg
from state.store import Store

_TRIES = 20
"""Greatest number of tries. A try fails only if another caller changed the settings in the meantime."""

type Outcome = Literal["changed", "again", "gone"]
"""`again` means that the settings were changed since they were read."""

_OUTCOMES: dict[bytes, Outcome] = {b"changed": "changed", b"again": "again", b"gone": "gone"}


async def change(store: Store, key: str, present: str, read: Sequence[Arg], wanted: Sequence[Arg]) -> Outcome:
    """Set fields of a hash if its fields are as they were read.

    `read` and `wanted` have names and values in turn. A hash without the field `present` is gone.
    """
    [word] = await store.step("guarded_change", (key,), (present, len(read) // 2, *read, *wanted))
    return _OUTCOMES[word]


async def until_unchanged(attempt: Callable[[], Awaitable[Outcome]]) -> bool:
    """Repeat an attempt while others change the same settings. Returns False if they are gone.

    An attempt reads the settings, decides, and changes them. Raises StoreUnavailable.
    """
    for _ in range(_TRIES):
        outcome = await attempt()
        if outcome != "again":
            return outcome == "changed"
    raise StoreUnavailable("other callers changed these settings at each attempt; try again")
