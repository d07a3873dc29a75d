"""Packing: the meter values of finished transactions are moved into compressed blocks.

A stop or an end by an operator puts the transaction into the queue `unpacked` of its partition. A message
that arrives after the packing is stored unpacked beside the blocks, and puts the transaction into the queue
again. One step moves the messages of one block. It moves exactly the messages that the block has, and only if
nobody else has packed since then. So nothing is lost or doubled, wherever a process or the server dies.

Only the release that reads blocks writes them, and only if the meta record allows it (`Store.packs`).
"""

from collections import deque
from collections.abc import Callable

import structlog
import trio

from state.keys import PARTITIONS, ChargePointKeys, decode, unarchived, unpacked
from state.store import Store
from state.transactions import blocks, packed_values, unpacked_values
from state.transactions.blocks import Message
from state.transactions.listing import public_id
from state.transactions.packed_values import Block, Directory
from state.transactions.stored_values import digest, is_of_stop

_READ = 32 * blocks.MESSAGES
_READ_BYTES = 8 * blocks.BYTES
"""How much of a long transaction is in memory at once."""

_LATER_MS = 86_400_000
"""Time after which packing is tried again for a transaction whose messages cannot be read."""

type _Messages = deque[tuple[bytes, Message]]


_log = structlog.get_logger("csms.state")


def _ignore() -> None:
    """Count nothing."""


async def pack_due(
    store: Store, partition: int, before_ms: int, at_most: int, *, count_block: Callable[[], None] = _ignore
) -> int:
    """Pack the meter values of transactions whose stop or end csms received before a time.

    Returns how many transactions were looked at, which is at most `at_most`. `count_block` is called for each
    block that was written. Nothing is packed in a store that programs of an older release may read.
    """
    if not store.packs:
        return 0
    queue = unpacked(partition)
    due = await store.execute("ZRANGE", queue, "-inf", f"({before_ms}", "BYSCORE", "LIMIT", 0, at_most)
    for queued in due:
        tenant, charge_point, id_ = map(decode, queued.decode().split("/"))
        try:
            await _Packing(store, ChargePointKeys(tenant, charge_point), id_, count_block).run()
        except ValueError as error:
            _log.error("packing.unreadable", transaction=public_id(charge_point, id_), error=str(error))
            await store.execute("ZADD", queue, "XX", store.server_time_ms() + _LATER_MS, queued)
    return len(due)


async def read_oldest(store: Store) -> dict[int, int]:
    """Return when csms received the oldest stop or end in the queue of each partition that has one."""
    queues = await store.pipeline(
        [("ZRANGE", unpacked(partition), 0, 0, "WITHSCORES") for partition in range(PARTITIONS)]
    )
    return {partition: int(first[0][1]) for partition, first in enumerate(queues) if first}


class _Packing:
    """The packing of one transaction."""

    def __init__(
        self, store: Store, keys: ChargePointKeys, id_: str, count_block: Callable[[], None]
    ) -> None:
        self._store, self._keys, self._id, self._count_block = store, keys, id_, count_block
        self._packed = keys.packed(id_)
        self._text = b""
        self._blocks: list[Block] = []

    async def run(self) -> None:
        """Pack all messages. If another process packs the same transaction, leave it to that process."""
        while True:
            self._text, found_blocks = await packed_values.read_directory(self._store, self._packed)
            self._blocks = list(found_blocks)
            found = await unpacked_values.read_first(
                self._store, self._keys.values(self._id), most=_READ, most_bytes=_READ_BYTES
            )
            stops: _Messages = deque()
            others: _Messages = deque()
            left = None if found.messages else await self._step(0, b"", b"", [])
            # No list keeps all messages, because it would take milliseconds to free them at once.
            while found.messages:
                one = found.messages.pop()
                (stops if is_of_stop(one[1].text) else others).appendleft(one)
                if len(found.messages) % blocks.MESSAGES == 0:
                    await trio.lowlevel.checkpoint()
            for waiting in (others, stops):
                while waiting:
                    if (left := await self._move(waiting)) is None:
                        return
            if not left:
                return

    async def _move(self, waiting: _Messages) -> int | None:
        """Move the first of the waiting messages into one block."""
        of_stop = is_of_stop(waiting[0][1].text)
        number, messages = await self._find_room(waiting[0][1])
        size, records = sum(len(message.text) for message in messages), []
        while waiting and len(messages) < blocks.MESSAGES:
            record, message = waiting[0]
            if messages and size + len(message.text) > blocks.BYTES:
                break
            waiting.popleft()
            records.append(record)
            messages.append(message)
            size += len(message.text)
        # An update of the compressing library may have stored a message twice, with different bytes.
        unique = {digest(message.text): message for message in sorted(messages, reverse=True)}
        messages = sorted(unique.values())
        block = Block(of_stop, messages[0].received_ms, messages[-1].received_ms, len(messages), size)
        self._blocks[number : number + 1] = [block]
        digests = b"".join(map(digest, (one.text for one in messages)))
        await trio.lowlevel.checkpoint()
        left = await self._step(number, await packed_values.make_block(messages), digests, records)
        if left is not None:
            self._count_block()
        return left

    async def _find_room(self, message: Message) -> tuple[int, list[Message]]:
        """Return the number of the block that a message belongs to, and what this block has already."""
        for number, block in reversed(list(enumerate(self._blocks))):
            if block.of_stop == is_of_stop(message.text):
                if block.count < blocks.MESSAGES and block.size + len(message.text) <= blocks.BYTES:
                    return number, await packed_values.read_block(self._store, self._packed, number)
                break
        return len(self._blocks), []

    async def _step(self, number: int, block: bytes, digests: bytes, records: list[bytes]) -> int | None:
        """Store a block in place of messages, and return how many messages are left.

        None means that the transaction was changed by others, or is gone.
        """
        keys, after = self._keys, packed_values.write_directory(Directory(blocks=tuple(self._blocks)))
        word, *left = await self._store.step(
            "transactions/pack",
            (
                keys.transaction(self._id),
                keys.values(self._id),
                self._packed,
                unpacked(keys.partition),
                unarchived(keys.partition),
                keys.completed,
            ),
            (keys.queued(self._id), self._text, after, number, block, digests, *records),
        )
        if word == b"changed":
            return None
        self._text = after
        return int(left[0])
