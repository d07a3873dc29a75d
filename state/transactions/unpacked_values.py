"""The messages of a transaction that are not packed. The server keeps them in no order."""

from heapq import merge
from operator import itemgetter
from typing import NamedTuple

import trio

from state import compact
from state.store import Store
from state.transactions.blocks import Message
from state.transactions.stored_values import is_packed_of_stop

_AT_ONCE = 250
"""Messages that the server reads at once, in less than a millisecond."""
_TURN = 100
"""Messages that are sorted or unpacked before other tasks may run."""


class Rough(NamedTuple):
    """The place of a message among those of its transaction, as far as it is known without its text."""

    of_stop: bool
    received_ms: int


class Found(NamedTuple):
    """Messages by their stored records, in their order.

    `rest` is the place of the first message that was left out, or None if none was.
    """

    messages: list[tuple[bytes, Message]]
    rest: Rough | None


async def read_first(
    store: Store, key: str, *, begin: Rough | None = None, most: int, most_bytes: int
) -> Found:
    """Return the first messages, beginning with all those of the place `begin`.

    About `most` messages or `most_bytes` of text are returned, and all of the same millisecond.
    """
    least = begin or Rough(of_stop=False, received_ms=0)
    runs: list[list[tuple[Rough, bytes]]] = []
    rest: Rough | None = None
    scan = b"0"
    while True:
        scan, flat = await store.execute("HSCAN", key, scan, "COUNT", _AT_ONCE)
        roughs = (
            (Rough(is_packed_of_stop(one), int(at)), one)
            for one, at in zip(flat[::2], flat[1::2], strict=True)
        )
        runs.append(sorted(pair for pair in roughs if pair[0] >= least))
        if len(runs) * _AT_ONCE > 2 * most + _AT_ONCE or scan == b"0":
            kept, left = await _merge(runs, most, least)
            rest, runs = min(filter(None, (rest, left)), default=None), [kept]
            if scan == b"0":
                return await _unpack(kept, rest, least, most_bytes)


async def read_latest(store: Store, key: str, *, most: int, most_bytes: int) -> list[Message]:
    """Return the latest `most` messages in their order, fewer if they are long, but at least one."""
    found: dict[bytes, Rough] = {}
    scan = b"0"
    while True:
        scan, flat = await store.execute("HSCAN", key, scan, "COUNT", _AT_ONCE)
        for record, received in zip(flat[::2], flat[1::2], strict=True):
            found[record] = Rough(is_packed_of_stop(record), int(received))
        if len(found) > 2 * most + _AT_ONCE or scan == b"0":
            found = dict(sorted(found.items(), key=itemgetter(1), reverse=True)[:most])
        if scan == b"0":
            break
    messages: list[Message] = []
    size = 0
    for record, rough in found.items():
        text = compact.unpack(record)
        size += len(text)
        if messages and size > most_bytes:
            break
        messages.append(Message(rough.received_ms, text))
        if len(messages) % _TURN == 0:
            await trio.lowlevel.checkpoint()
    return messages[::-1]


async def _merge(
    runs: list[list[tuple[Rough, bytes]]], most: int, begin: Rough
) -> tuple[list[tuple[Rough, bytes]], Rough | None]:
    """Return the first messages of sorted runs, and the place of the next.

    The messages of the place `begin` may have been read before, so they do not count.
    """
    kept: list[tuple[Rough, bytes]] = []
    beyond, left = 0, None
    for pair in merge(*runs):
        if kept and pair == kept[-1]:
            continue  # The server may return a message twice.
        if beyond >= most and pair[0] != kept[-1][0]:
            left = pair[0]
            break
        kept.append(pair)
        beyond += pair[0] > begin
        if len(kept) % _TURN == 0:
            await trio.lowlevel.checkpoint()
    for run in runs:
        await _release(run)
    return kept, left


async def _release(pairs: list[tuple[Rough, bytes]]) -> None:
    """Empty a list in slices, so that other tasks run. Thousands of objects take milliseconds to be freed."""
    while pairs:
        del pairs[-_TURN:]
        await trio.lowlevel.checkpoint()


async def _unpack(
    found: list[tuple[Rough, bytes]], rest: Rough | None, begin: Rough, most_bytes: int
) -> Found:
    messages: list[tuple[bytes, Message]] = []
    size, last = 0, None
    for number, (rough, record) in enumerate(found, 1):
        if size > most_bytes and rough != last:
            rest = rough
            break
        text = compact.unpack(record)
        messages.append((record, Message(rough.received_ms, text)))
        size, last = size + (len(text) if rough > begin else 0), rough
        if number % _TURN == 0:
            await trio.lowlevel.checkpoint()
    await _release(found)
    return Found(messages, rest)
