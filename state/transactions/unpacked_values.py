"""The messages of a transaction that are not packed. The server keeps them in no order."""

from operator import itemgetter
from typing import NamedTuple

import trio

from state import compact
from state.store import Store
from state.transactions.blocks import Message
from state.transactions.stored_values import is_packed_of_stop

_AT_ONCE = 250
"""Messages that are read at once, in less than a millisecond of each process."""


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
    found: dict[bytes, Rough] = {}  # The server may return a message twice.
    rest: Rough | None = None
    scan = b"0"
    while True:
        scan, flat = await store.execute("HSCAN", key, scan, "COUNT", _AT_ONCE)
        for record, received in zip(flat[::2], flat[1::2], strict=True):
            rough = Rough(is_packed_of_stop(record), int(received))
            if rough >= least:
                found[record] = rough
        if len(found) > 2 * most + _AT_ONCE or scan == b"0":
            found, left = _first(found, most, least)
            rest = min(filter(None, (rest, left)), default=None)
        if scan == b"0":
            return await _unpack(found, rest, least, most_bytes)


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
        if len(messages) % _AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
    return messages[::-1]


def _first(found: dict[bytes, Rough], most: int, begin: Rough) -> tuple[dict[bytes, Rough], Rough | None]:
    """Return the first messages in order, and the place of the next.

    The messages of the place `begin` may have been read before, so they do not count.
    """
    ordered = sorted(found.items(), key=itemgetter(1))
    beyond = [rough for _, rough in ordered if rough > begin]
    if len(beyond) <= most:
        return dict(ordered), None
    last = beyond[most - 1]
    kept = {record: rough for record, rough in ordered if rough <= last}
    return kept, ordered[len(kept)][1] if len(kept) < len(ordered) else None


async def _unpack(found: dict[bytes, Rough], rest: Rough | None, begin: Rough, most_bytes: int) -> Found:
    messages: list[tuple[bytes, Message]] = []
    size, last = 0, None
    for number, (record, rough) in enumerate(found.items(), 1):
        if size > most_bytes and rough != last:
            return Found(messages, rough)
        text = compact.unpack(record)
        messages.append((record, Message(rough.received_ms, text)))
        size, last = size + (len(text) if rough > begin else 0), rough
        if number % _AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
    return Found(messages, rest)
