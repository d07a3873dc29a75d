"""The charge points of a batch, and what became of each of them.

The items have positions from 0. Blocks of them are packed, because a batch may have 100,000 charge points and
is kept for weeks: a block of 500 takes some 5 KB. Only the process that works on the batch changes blocks,
always together with the counts (advance.lua).
"""

import zlib
from collections.abc import Sequence
from itertools import batched
from typing import Literal, get_args
from uuid import uuid4

import msgspec

from state.keys import BatchKeys
from state.store import Store

type Outcome = Literal["accepted", "rejected", "call_error", "no_answer", "offline", "not_sent"]

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome.__value__)
NEVER_RECORDED = frozenset(
    {"not-found", "not-accepted", "already-accepted", "batch-cancelled", "internal-error"}
)
"""Details of items whose command was not recorded."""
BLOCK = 500
STAGED_MS = 600_000
"""How long the items of a batch may wait for its beginning."""
_BLOCKS_AT_ONCE = 20


class Item(msgspec.Struct, array_like=True):
    """A charge point of a batch. `detail` is the status in its answer, or why csms did not send.

    If `outcome` is None, the command was not sent yet, or has not ended.
    """

    charge_point: str
    outcome: Outcome | None = None
    detail: str = ""
    ended_ms: int = 0


type Block = list[Item]

_decode = msgspec.json.Decoder(list[Item]).decode


def pack(block: Sequence[Item]) -> bytes:
    return zlib.compress(msgspec.json.encode(block), 1)


def unpack(stored: bytes) -> Block:
    return _decode(zlib.decompress(stored))


async def stage(store: Store, keys: BatchKeys, charge_points: Sequence[str]) -> str:
    """Store the items of a batch that has not begun, and return their key.

    They expire unless the batch begins. The key is a new one, so no other request can change what it has.
    """
    key = f"{keys.items}~{uuid4().hex}"
    blocks = [[Item(one) for one in some] for some in batched(charge_points, BLOCK, strict=False)]
    numbered = list(enumerate(map(pack, blocks or [[]])))
    for some in batched(numbered, _BLOCKS_AT_ONCE, strict=False):
        fields = [part for number, packed in some for part in (number, packed)]
        await store.execute("HSET", key, *fields)
        await store.execute("PEXPIRE", key, STAGED_MS)
    return key


async def read_block(store: Store, keys: BatchKeys, number: int) -> Block:
    """Return a block, or an empty one if there is none."""
    stored = await store.execute("HGET", keys.items, number)
    return [] if stored is None else unpack(stored)
