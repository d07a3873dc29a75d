"""A finished transaction is due for the archive until it is marked, and again after each change."""

import msgspec
import pytest

from state import keys
from state.keys import ChargePointKeys
from state.store import Store
from state.transactions import archiving, get
from state.transactions.archiving import ArchiveNote, Finished, Queued
from tests.support.finished import STOPPED_MS, finish, queue
from tests.support.full_store import full

KEYS = ChargePointKeys("demo", "CP.1")
FILE = "demo/2026-01-01/00000001.ndjson.gz"


async def read_one(store: Store) -> tuple[Queued, Finished]:
    [queued] = await archiving.list_unarchived(store, 5)
    [finished] = await archiving.read(store, [queued])
    assert finished is not None
    return queued, finished


async def test_a_transaction_that_is_due_is_read_with_its_time_of_receipt(store: Store) -> None:
    number = await finish(store)
    queued, finished = await read_one(store)
    assert queued == Queued("demo", "CP.1", number, STOPPED_MS)
    assert finished == Finished(finished.transaction, STOPPED_MS, None)
    assert finished.transaction == await get(store, "demo", f"CP.1.{number}")


async def test_names_that_need_encoding_are_read_from_the_queue(store: Store) -> None:
    number = await finish(store, "CP/1 %é", tenant="a/ b")
    [queued] = await archiving.list_unarchived(store, 5)
    assert queued[:3] == ("a/ b", "CP/1 %é", number)
    assert await archiving.read(store, [queued]) != [None]


async def test_a_marked_transaction_is_not_due_and_shows_its_file(store: Store) -> None:
    await finish(store)
    queued, finished = await read_one(store)
    assert await archiving.mark(store, [(queued, finished, FILE)]) == ["marked"]
    assert await archiving.list_unarchived(store, 5) == []
    [again] = await archiving.read(store, [queued])
    assert again == finished._replace(file=FILE)
    [waiting] = await archiving.list_archived(store, KEYS.partition, STOPPED_MS + 1, 0, 5)
    assert waiting == queued
    assert await archiving.list_archived(store, KEYS.partition, STOPPED_MS, 0, 5) == []
    assert await archiving.list_archived(store, KEYS.partition, STOPPED_MS + 1, 1, 5) == []


async def test_a_transaction_that_changed_after_it_was_read_stays_due(store: Store) -> None:
    number = await finish(store)
    queued, finished = await read_one(store)
    await queue(store, KEYS, number, STOPPED_MS + 1)
    assert await archiving.mark(store, [(queued, finished, FILE)]) == ["changed"]
    assert await archiving.list_unarchived(store, 5) == [queued._replace(place=STOPPED_MS + 1)]
    assert (await read_one(store))[1].file is None


async def test_a_transaction_that_is_gone_is_not_due_any_more(store: Store) -> None:
    number = await finish(store)
    queued, finished = await read_one(store)
    await store.execute("UNLINK", *KEYS.of_transaction(number))
    assert await archiving.read(store, [queued]) == [None]
    assert await archiving.mark(store, [(queued, finished, FILE)]) == ["unknown"]
    assert await archiving.list_unarchived(store, 5) == []
    await queue(store, KEYS, number, 5)
    await archiving.remove_gone(store, [queued])
    assert await archiving.list_unarchived(store, 5) == []


async def test_transactions_are_marked_in_a_store_that_is_full(store: Store) -> None:
    await finish(store)
    queued, finished = await read_one(store)
    async with full(store):
        assert await archiving.mark(store, [(queued, finished, FILE)]) == ["marked"]


@pytest.mark.parametrize("queue_of", [keys.unpacked, keys.unarchived])
async def test_the_oldest_waiting_transaction_is_found_in_both_queues(store: Store, queue_of: object) -> None:
    assert await archiving.oldest_waiting_ms(store) is None
    assert callable(queue_of)
    await store.execute("ZADD", queue_of(3), 900, "a/b/1", 700, "a/b/2")
    await store.execute("ZADD", keys.unarchived(200), 800, "a/b/3")
    assert await archiving.oldest_waiting_ms(store) == 700


async def test_finished_transactions_before_a_time_are_listed_from_both_queues(store: Store) -> None:
    await store.execute("ZADD", keys.unpacked(3), 5, "a/b/1", 50, "a/b/2")
    await store.execute("ZADD", keys.unarchived(3), 7, "a/b/3")
    found = await archiving.list_finished(store, 3, 50, 10)
    assert [one.id for one in found] == [1, 3]


async def test_the_note_about_the_archive_is_read_as_it_was_written(store: Store) -> None:
    assert await archiving.read_note(store) is None
    note = ArchiveNote(host="h", directory="/a b", through_ms=5)
    for one in (note, msgspec.structs.replace(note, through_ms=9)):
        await archiving.note_archive(store, one)
        assert await archiving.read_note(store) == one
