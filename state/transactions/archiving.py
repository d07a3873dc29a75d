"""Which finished transactions are due for the archive, and which may leave the store.

A finished transaction moves through three queues of its partition: `unpacked` until its meter values are
packed, `unarchived` until it is in the archive, and `archived` until it leaves the store. A stop or values
that come later put it into the first queue again. The archive itself is not known here.
"""

from collections.abc import Sequence
from itertools import batched
from typing import Literal, NamedTuple

import msgspec

from state import keys
from state.keys import ChargePointKeys
from state.replies import read_record
from state.store import Store
from state.transactions.listing import Transaction

_AT_ONCE = 200
type Marked = Literal["marked", "changed", "unknown"]
_MARKED: dict[bytes, Marked] = {b"marked": "marked", b"changed": "changed", b"unknown": "unknown"}


class Queued(NamedTuple):
    """A transaction in a queue. `place` is its score there."""

    tenant: str
    charge_point: str
    id: int
    place: int


class Finished(NamedTuple):
    """A finished transaction. `finished_ms` is when csms received its stop, or the end by an operator.

    `file` is the file of the archive that has the transaction, or None.
    """

    transaction: Transaction
    finished_ms: int
    file: str | None


class ArchiveNote(msgspec.Struct, frozen=True, kw_only=True):
    """Where the archive of this store is, for processes that cannot read it.

    All transactions that were finished before `through_ms` are in the archive. The archive has the same `id`.
    """

    id: str = ""
    host: str
    directory: str
    through_ms: int


async def list_unarchived(store: Store, at_most: int) -> list[Queued]:
    """Return transactions that are due for the archive, the oldest `at_most` of each partition."""
    queues = [keys.unarchived(partition) for partition in range(keys.PARTITIONS)]
    return await _read_queues(store, queues, ("0", str(at_most - 1)))


async def list_archived(
    store: Store, partition: int, before_ms: int, skip: int, at_most: int
) -> list[Queued]:
    """Return transactions of a partition that are in the archive and were finished before a time."""
    limits = ("-inf", f"({before_ms}", "BYSCORE", "LIMIT", str(skip), str(at_most))
    return await _read_queues(store, [keys.archived(partition)], limits)


async def list_finished(store: Store, partition: int, before_ms: int, at_most: int) -> list[Queued]:
    """Return transactions of a partition that were finished before a time and are in no archive."""
    limits = ("-inf", f"({before_ms}", "BYSCORE", "LIMIT", "0", str(at_most))
    return await _read_queues(store, [keys.unpacked(partition), keys.unarchived(partition)], limits)


async def read(store: Store, queued: Sequence[Queued]) -> list[Finished | None]:
    """Return each transaction, or None if it is gone or open."""
    found: list[Finished | None] = []
    for some in batched(queued, _AT_ONCE, strict=False):
        commands = [
            ("HGETALL", ChargePointKeys(one.tenant, one.charge_point).transaction(one.id)) for one in some
        ]
        replies = await store.pipeline(commands)
        found += (_read_finished(one, reply) for one, reply in zip(some, replies, strict=True))
    return found


async def remove_gone(store: Store, queued: Sequence[Queued]) -> None:
    """Take transactions that are not in the store any more out of the queue of those that are due."""
    of = [(ChargePointKeys(one.tenant, one.charge_point), one.id) for one in queued]
    await store.pipeline([("ZREM", keys.unarchived(one.partition), one.queued(id_)) for one, id_ in of])


async def mark(store: Store, marks: Sequence[tuple[Queued, Finished, str]]) -> list[Marked]:
    """Note in which file each transaction is, and take it out of the queue of those that are due.

    `changed` means that the transaction is due again, because it changed after it was read.
    """
    outcomes: list[Marked] = []
    for some in batched(marks, _AT_ONCE, strict=False):
        calls = []
        for queued, finished, file in some:
            of = ChargePointKeys(queued.tenant, queued.charge_point)
            calls.append(
                (
                    (of.transaction(queued.id), keys.unarchived(of.partition), keys.archived(of.partition)),
                    (of.queued(queued.id), queued.place, finished.finished_ms, file),
                )
            )
        outcomes += [_MARKED[word] for [word] in await store.steps("transactions/mark_archived", calls)]
    return outcomes


async def oldest_waiting_ms(store: Store) -> int | None:
    """Return when the oldest transaction that is not in the archive was finished, or None."""
    replies = await store.pipeline(
        [
            ("ZRANGE", queue(partition), 0, 0, "WITHSCORES")
            for partition in range(keys.PARTITIONS)
            for queue in (keys.unpacked, keys.unarchived)
        ]
    )
    return min((int(score) for [(_, score)] in filter(None, replies)), default=None)


async def note_archive(store: Store, note: ArchiveNote) -> None:
    """Store the note, also in a store that is full."""
    await store.step("transactions/note", (keys.ARCHIVE,), (msgspec.json.encode(note),))


async def read_note(store: Store) -> ArchiveNote | None:
    stored = await store.execute("GET", keys.ARCHIVE)
    return None if stored is None else msgspec.json.decode(stored, type=ArchiveNote)


async def _read_queues(store: Store, queues: Sequence[str], limits: Sequence[str]) -> list[Queued]:
    replies = await store.pipeline([("ZRANGE", queue, *limits, "WITHSCORES") for queue in queues])
    return [_read_queued(member, score) for reply in replies for member, score in reply]


def _read_queued(member: bytes, score: float) -> Queued:
    tenant, charge_point, number = member.decode().split("/")
    return Queued(keys.decode(tenant), keys.decode(charge_point), int(number), int(score))


def _read_finished(queued: Queued, reply: dict[bytes, bytes]) -> Finished | None:
    if b"listed" not in reply:
        return None
    times = (reply.get(b"stop_received_ms"), reply.get(b"end_received_ms"))
    finished_ms = max((int(text) for text in times if text), default=None)
    if finished_ms is None:
        return None
    transaction = read_record(Transaction, reply, charge_point=queued.charge_point, id=queued.id)
    file = reply.get(b"archived")
    return Finished(transaction, finished_ms, None if file is None else file.decode())
