"""Only what is in the archive, or what a setting without an archive lets go, leaves the store."""

from pathlib import Path

import pytest

from admin.archive import dropping
from admin.archive.archiver import run_turn
from admin.archive.dropping import Dropped, drop_archived, drop_old
from state.keys import ChargePointKeys
from state.store import Store
from state.transactions import get, start
from tests.support.archives import entries
from tests.support.finished import STOPPED_MS, finish, queue
from tests.support.transactions import ANSWER, a_start, claimed

KEYS = ChargePointKeys("demo", "CP.1")
AFTER_MS = STOPPED_MS + 1


async def is_stored(store: Store, number: int) -> bool:
    return await get(store, "demo", f"CP.1.{number}") is not None


async def test_only_archived_transactions_that_were_finished_before_the_time_leave_the_store(
    store: Store, tmp_path: Path
) -> None:
    old, recent = await finish(store), await finish(store, received_ms=AFTER_MS)
    await run_turn(store, tmp_path)
    unarchived = await finish(store)
    opened = await start(store, await claimed(store), a_start(meter_start=77_777), ANSWER)
    assert await drop_archived(store, tmp_path, AFTER_MS) == Dropped(1)
    stored = [await is_stored(store, number) for number in (old, recent, unarchived, opened.id)]
    assert stored == [False, True, True, True]
    assert await drop_archived(store, tmp_path, AFTER_MS) == Dropped(0)


async def test_a_transaction_that_changed_after_it_was_archived_stays_until_it_is_archived_again(
    store: Store, tmp_path: Path
) -> None:
    number = await finish(store)
    await run_turn(store, tmp_path)
    await store.execute("HSET", KEYS.transaction(number), "contradicted", 1)
    await queue(store, KEYS, number, AFTER_MS)
    assert await drop_archived(store, tmp_path, AFTER_MS) == Dropped(0)
    await run_turn(store, tmp_path)
    assert await drop_archived(store, tmp_path, AFTER_MS) == Dropped(1)


async def test_a_transaction_whose_file_is_gone_or_was_cut_stays_in_the_store(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dropping, "_AT_ONCE", 1)
    gone = await finish(store)
    await run_turn(store, tmp_path)
    kept = await finish(store, received_ms=AFTER_MS)
    await run_turn(store, tmp_path)
    first, _ = entries(tmp_path)
    content = (tmp_path / first.file).read_bytes()
    (tmp_path / first.file).write_bytes(content[:-1])
    assert await drop_archived(store, tmp_path, AFTER_MS + 1) == Dropped(1, frozenset([first.file]))
    assert [await is_stored(store, number) for number in (gone, kept)] == [True, False]
    (tmp_path / first.file).write_bytes(content)
    assert await drop_archived(store, tmp_path, AFTER_MS + 1) == Dropped(1)


async def test_without_an_archive_only_finished_transactions_before_the_time_leave_the_store(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dropping, "_AT_ONCE", 2)
    old = [await finish(store) for _ in range(3)]
    recent = await finish(store, received_ms=AFTER_MS)
    opened = await start(store, await claimed(store), a_start(meter_start=77_777), ANSWER)
    await store.execute("HDEL", KEYS.transaction(old[0]), "stop_answer")  # It is open for ever.
    assert await drop_old(store, AFTER_MS) == Dropped(2)
    numbers = (*old, recent, opened.id)
    assert [await is_stored(store, number) for number in numbers] == [True, False, False, True, True]
