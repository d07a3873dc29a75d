"""The packed meter values of a transaction: its directory of blocks, and the reading of one block.

The hash `packed` has the directory in the field `i`. The field of a block is its number, and the digests of
its messages are in a field of their own (lua/_values.lua).
"""

from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

import msgspec
import trio

from state.store import Store
from state.transactions import blocks
from state.transactions.blocks import Message, Slices

DIRECTORY = "i"
_TURN_S = 0.0005
"""Time after which packing and unpacking let other tasks run."""
_VERSION = 1


class Block(msgspec.Struct, frozen=True, array_like=True):
    """A block as the directory describes it.

    `first_ms` and `last_ms` are the times of receipt of its first and last messages, and `size` is the length
    of their texts. `of_stop` means that they are the transactionData of stops.
    """

    of_stop: bool
    first_ms: int
    last_ms: int
    count: int
    size: int


class Directory(msgspec.Struct, frozen=True, array_like=True):
    """The blocks by their numbers."""

    version: int = _VERSION
    blocks: tuple[Block, ...] = ()


class Stored(NamedTuple):
    """A directory with its stored text, which is empty if nothing was packed."""

    text: bytes
    blocks: tuple[Block, ...]


write_directory = msgspec.msgpack.Encoder().encode
_read = msgspec.msgpack.Decoder(Directory).decode


async def read_directory(store: Store, key: str) -> Stored:
    text: bytes | None = await store.execute("HGET", key, DIRECTORY)
    if text is None:
        return Stored(b"", ())
    found = _read(text)
    if found.version != _VERSION:
        raise ValueError(f"the directory has version {found.version}; this program reads only {_VERSION}")
    return Stored(text, found.blocks)


async def read_block(store: Store, key: str, number: int) -> list[Message]:
    """Return the messages of a block, or none if the transaction was deleted."""
    stored: bytes | None = await store.execute("HGET", key, number)
    if stored is None:
        return []
    return await in_turns(blocks.decode(await trio.to_thread.run_sync(blocks.inflate, stored)))


async def make_block(messages: Sequence[Message]) -> bytes:
    return await trio.to_thread.run_sync(blocks.deflate, await in_turns(blocks.encode(messages)))


async def in_turns[T](slices: Slices[T]) -> T:
    """Run a generator to its end, and let other tasks run often."""
    until = perf_counter() + _TURN_S
    while True:
        try:
            next(slices)
        except StopIteration as end:
            await trio.lowlevel.checkpoint()
            return end.value  # type: ignore[no-any-return] # The value of the return statement.
        if perf_counter() > until:
            await trio.lowlevel.checkpoint()
            until = perf_counter() + _TURN_S
