"""Changes of small hashes that are decided in Python: read the hash, decide, and write if it is unchanged.

This is for messages that come seldom and need a longer decision, such as which job a status belongs to. The
decision is then a pure function, and not Lua.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.store import Store

_VERSION = b"version"
_TRIES = 20
"""A try fails only if somebody else changed the hash. Few callers could do that for one charge point."""

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

    `decide` may be called more than once. `key` is one of `keys`. With `registered`, a charge point that was
    never registered is `gone` too; changes by operators must set it. Raises StoreUnavailable.
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
    raise StoreUnavailable("others kept changing this record of the charge point; try again")


def _split(reply: Mapping[bytes, bytes]) -> tuple[bytes, Fields]:
    fields = dict(reply)
    version = fields.pop(_VERSION, b"0")
    return version, {name.decode(): value for name, value in fields.items()}
