"""A small hash of a charge point: read, decided on in Python, changed in one step if nothing came between.

For what is told seldom and needs thought (which job does a status belong to?), so that the thought is a pure
function and not Lua.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.store import Store

_VERSION = b"version"
_TRIES = 20
"""Each one that fails means that another's change was made; a charge point has few that could."""

type Fields = dict[str, bytes]
type Outcome = Literal["changed", "unneeded", "gone"]
"""`gone`: the charge point was deleted, so nothing was kept."""


class Change(NamedTuple):
    """Fields that come and go, and the events (kind and data in JSON) that say so."""

    put: Mapping[str, bytes]
    gone: Sequence[str] = ()
    events: Sequence[tuple[str, bytes]] = ()


async def read(store: Store, key: str) -> Fields:
    """All fields but the version."""
    return _split(await store.execute("HGETALL", key))[1]


async def change(
    store: Store,
    keys: ChargePointKeys,
    key: str,
    decide: Callable[[Fields], Change | None],
    *,
    registered: bool = False,
) -> Outcome:
    """Make the change that `decide` finds necessary, None for none. It may be asked more than once.

    `key` is one of `keys`. With `registered` a charge point that never was one is `gone` too, which an
    operator's change must say. Raises StoreUnavailable.
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
    raise StoreUnavailable("others changed the same record of this charge point all the time")


def _split(reply: Mapping[bytes, bytes]) -> tuple[bytes, Fields]:
    fields = dict(reply)
    version = fields.pop(_VERSION, b"0")
    return version, {name.decode(): value for name, value in fields.items()}
