"""What the process that works on a batch does: claim it, store how far it has come, and record its end."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from state.batches.batches import KEPT_MS, LEASE_MS, Batch, Counts, Unended, read_batch
from state.batches.items import Item, pack
from state.keys import BatchKeys
from state.store import Store

type Advanced = Unended | Literal["lost"]
"""`lost` means that this process must stop: another one works on the batch, or the batch is gone."""
type Ended = Literal["finished", "cancelled", "again", "lost"]
"""`again` means that an operator has cancelled the batch meanwhile."""

_ADVANCED: dict[bytes, Advanced] = {b"running": "running", b"cancelling": "cancelling", b"lost": "lost"}
_ENDED: dict[bytes, Ended] = {
    b"finished": "finished",
    b"cancelled": "cancelled",
    b"again": "again",
    b"lost": "lost",
}


class Claimed(NamedTuple):
    """This process may work on the batch. `idle_ms` is the time since the last progress was stored."""

    batch: Batch
    idle_ms: int


async def claim(store: Store, tenant: str, id_: str, runner: str) -> Claimed | None:
    """Take a batch on which no living process works. None means that there is nothing to take."""
    keys = BatchKeys(tenant, id_)
    word, *rest = await store.step("batches/claim", (keys.record,), (runner, LEASE_MS))
    if word != b"claimed":
        return None
    now_ms, fields = rest
    batch = read_batch(tenant, id_, fields)
    return Claimed(batch, int(now_ms) - batch.progress_ms)


async def advance(
    store: Store,
    batch: Batch,
    runner: str,
    *,
    reserved: int,
    counts: Counts,
    blocks: Mapping[int, Sequence[Item]],
    lease_ms: int = LEASE_MS,
) -> Advanced:
    """Store how far the batch has come, and prolong the lease. With `lease_ms` 0, release the lease."""
    changed = [part for number, block in blocks.items() for part in (number, pack(block))]
    [word] = await store.step(
        "batches/advance",
        (batch.keys.record, batch.keys.items),
        (runner, lease_ms, reserved, msgspec.json.encode(counts), *changed),
    )
    return _ADVANCED[word]


async def finish(store: Store, batch: Batch, runner: str, phase: Unended, event: bytes) -> Ended:
    """Record the end of a batch in this phase. `event` is the data of its event, as JSON."""
    keys = batch.keys
    word, *_ = await store.step(
        "batches/finish",
        (keys.record, keys.items, keys.running, keys.events),
        (keys.member, keys.name, runner, phase, KEPT_MS, event),
    )
    return _ENDED[word]
