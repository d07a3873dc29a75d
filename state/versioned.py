"""Changes of small hashes that Python decides: read the hash, decide, and write if the hash is unchanged.

This is for rare messages that need a longer decision, such as the choice of the job to which a status
belongs. The decision is a pure Python function instead of Lua.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.store import Store

_VERSION = b"version"
_TRIES = 20
"""Greatest number of tries. A try fails only if another caller changed the hash in the meantime.

Few callers change the hash of one charge point at the same time.
"""

type Fields = dict[str, bytes]
type Outcome = Literal["changed", "unneeded", "gone"]
"""`gone` means that the charge point was deleted, so nothing was stored."""


class Change(NamedTuple):
    """Fields to set (`put`), fields to delete (`gone`), and the events to emit (kind, data in JSON)."""

    put: Mapping[str, bytes]
    gone: Sequence[str] = ()
    events: Sequence[tuple[str, bytes]] = ()


async def read(store: Store, key: str) -> Fields:
    """Return all fields but the version."""
    return _split(await store.execute("HGETALL", key))[1]


async def change(
    store: Store,
    keys: ChargePointKeys,
    key: str,
    decide: Callable[[Fields], Change | None],
    *,
    registered: bool = False,
) -> Outcome:
    """Make the change that `decide` returns; None means that no change is needed.

    `decide` may be called more than once. `key` is one of `keys`. If `registered` is true, the outcome is
    also `gone` if the charge point was never registered. Changes by operators must set `registered`. Raises
    StoreUnavailable.
    """
    for _ in range(_TRIES):
        version, fields = _split(await store.execute("HGETALL", key))
        wanted = decide(fields)
        if wanted is None:
            return "unneeded"
        put = (part for pair in wanted.put.items() for part in pair)
        events = (part for pair in wanted.events for part in pair)
        [word] = await store.step(
            "versioned_change",
            (key, keys.events, keys.record, keys.lease),
            (
                *(keys.member, version, int(registered), len(wanted.events), len(wanted.gone)),
                *(*events, *wanted.gone, *put),
            ),
        )
        if word != b"again":
            return "changed" if word == b"changed" else "gone"
    raise StoreUnavailable("other callers changed this record of the charge point at each attempt; try again")


def _split(reply: Mapping[bytes, bytes]) -> tuple[bytes, Fields]:
    fields = dict(reply)
    version = fields.pop(_VERSION, b"0")
    return version, {name.decode(): value for name, value in fields.items()}
