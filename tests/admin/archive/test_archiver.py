"""A turn of archiving writes what is due into files by tenant and day, and marks it in the store."""

import os
from pathlib import Path

import pytest
import trio

from admin.archive import archive, archiver
from admin.archive.archive import Reader
from admin.archive.archiver import Turn, run_turn
from admin.archive.failures import ArchiveFailed
from state import keys
from state.keys import ChargePointKeys
from state.store import Store
from state.transactions import archiving, get, meter_values
from tests.support.archives import entries
from tests.support.finished import DAY_MS, finish, queue

FIRST_MS = 1_767_229_201_000  # 2026-01-01


async def find_file(store: Store, number: int, name: str = "CP.1") -> str | None:
    file = await store.execute("HGET", ChargePointKeys("demo", name).transaction(number), "archived")
    return None if file is None else file.decode()


async def test_a_turn_writes_a_file_for_each_tenant_and_day_and_every_transaction_is_found_again(
    store: Store, tmp_path: Path
) -> None:
    made = []
    for tenant in ("demo", "other"):
        for day in range(3):
            for name in ("CP.1", "CP.2"):
                at_ms = FIRST_MS + day * DAY_MS
                number = await finish(store, name, b"[1]", b"[2]", tenant=tenant, received_ms=at_ms)
                made.append((tenant, name, number))
    assert await run_turn(store, tmp_path) == Turn(files=6, written=12, marked=12, changed=0)
    assert sorted((one.tenant, one.day, one.count) for one in entries(tmp_path)) == [
        (tenant, f"2026-01-0{day}", 2) for tenant in ("demo", "other") for day in (1, 2, 3)
    ]
    for tenant, name, number in made:
        found = Reader(tmp_path).find(tenant, name, number)
        assert found is not None
        record = Reader(tmp_path).read(found)
        assert record.transaction == await get(store, tenant, f"{name}.{number}")
        page = await meter_values.read_page(store, tenant, name, number)
        assert record.values == page.items
        assert len(record.values) == 2
    assert await run_turn(store, tmp_path) == Turn(0, 0, 0, 0)


async def test_a_marked_transaction_names_its_file(store: Store, tmp_path: Path) -> None:
    number = await finish(store, "CP.1")
    await run_turn(store, tmp_path)
    assert await find_file(store, number) == "demo/2026-01-01/00000001.ndjson.gz"


async def test_more_than_one_batch_and_values_on_several_pages_are_archived_completely(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiver, "_AT_MOST", 1)
    monkeypatch.setattr(archiver, "_TEXT_AT_ONCE", 1)
    payloads = [b'["%04d"]' % number for number in range(1500)]
    number = await finish(store, "CP.1", *payloads)
    others = [await finish(store, "CP.1") for _ in range(3)]
    assert (await run_turn(store, tmp_path)).written == 4
    found = Reader(tmp_path).find("demo", "CP.1", number)
    assert found is not None
    assert sorted(one.payload for one in Reader(tmp_path).read(found).values) == payloads
    assert all(Reader(tmp_path).find("demo", "CP.1", other) for other in others)


async def test_a_file_that_is_full_is_followed_by_another_one(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "FILE_TEXT", 1)
    monkeypatch.setattr(archiver, "_TEXT_AT_ONCE", 1)
    for _ in range(3):
        await finish(store, "CP.1")
    assert await run_turn(store, tmp_path) == Turn(files=3, written=3, marked=3, changed=0)


async def test_a_turn_after_a_crash_before_the_marks_writes_nothing_twice(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await finish(store, "CP.1", b"[1]")

    async def crash(*_: object) -> None:
        await trio.lowlevel.checkpoint()
        raise KeyError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(archiving, "mark", crash)
        with pytest.raises(KeyError):
            await run_turn(store, tmp_path)
    second = await finish(store, "CP.2", b"[2]")
    assert await run_turn(store, tmp_path) == Turn(files=1, written=1, marked=2, changed=0)
    assert await find_file(store, first) == entries(tmp_path)[0].file
    assert await find_file(store, second, "CP.2") == entries(tmp_path)[1].file


async def test_a_transaction_that_changed_is_archived_again_and_the_newest_record_is_read(
    store: Store, tmp_path: Path
) -> None:
    number = await finish(store, "CP.1", b"[1]")
    await run_turn(store, tmp_path)
    of = ChargePointKeys("demo", "CP.1")
    await store.execute("HSET", of.transaction(number), "contradicted", 1)
    await queue(store, of, number, FIRST_MS + 9)
    assert (await run_turn(store, tmp_path)).written == 1
    found = Reader(tmp_path).find("demo", "CP.1", number)
    assert found is not None
    assert Reader(tmp_path).read(found).transaction.contradicting_stops == 1
    assert await find_file(store, number) == found.file == entries(tmp_path)[1].file


async def test_a_transaction_that_was_deleted_during_a_turn_does_not_stop_the_turn(
    store: Store, tmp_path: Path
) -> None:
    gone, kept = await finish(store, "CP.1"), await finish(store, "CP.2")
    await store.execute("UNLINK", *ChargePointKeys("demo", "CP.1").of_transaction(gone))
    assert await run_turn(store, tmp_path) == Turn(files=1, written=1, marked=2, changed=0)
    assert Reader(tmp_path).find("demo", "CP.2", kept) is not None


async def test_a_directory_that_cannot_be_written_is_a_clear_error(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    for directory in (tmp_path / "file", tmp_path / "file" / "archive"):
        with pytest.raises(ArchiveFailed, match=f"{directory} cannot be written"):
            await run_turn(store, directory)


async def test_a_disk_that_is_full_is_a_clear_error_and_leaves_everything_due(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await finish(store, "CP.1")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(ArchiveFailed, match="No space left on device; nothing is dropped"):
            await run_turn(store, tmp_path)
    assert await find_file(store, number) is None
    assert len(await archiving.list_unarchived(store, 5)) == 1
    assert (await run_turn(store, tmp_path)).marked == 1


async def test_an_empty_directory_in_place_of_the_archive_is_refused_until_it_gets_the_id(
    store: Store, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    await finish(store)
    await run_turn(store, first)
    number = await finish(store, "CP.2")
    with pytest.raises(ArchiveFailed, match=r"mount its disk.* archive\.id"):
        await run_turn(store, second)
    note = await archiving.read_note(store)
    assert note is not None
    assert note.directory == str(first)
    (second / archive.ID).write_text(note.id)
    await run_turn(store, second)
    assert Reader(second).find("demo", "CP.2", number) is not None


async def test_the_archive_of_another_store_is_refused_until_its_id_is_removed(
    store: Store, tmp_path: Path
) -> None:
    await finish(store)
    await run_turn(store, tmp_path)
    await store.execute("DEL", keys.ARCHIVE)  # As in another store.
    with pytest.raises(ArchiveFailed, match="another store"):
        await run_turn(store, tmp_path)
    (tmp_path / archive.ID).unlink()
    await run_turn(store, tmp_path)
    await run_turn(store, tmp_path)


async def test_an_archive_that_was_only_begun_is_taken_by_the_store(store: Store, tmp_path: Path) -> None:
    await run_turn(store, tmp_path)
    await store.execute("DEL", keys.ARCHIVE)  # A crash right before the note was stored.
    await finish(store)
    assert (await run_turn(store, tmp_path)).written == 1
    note = await archiving.read_note(store)
    assert note is not None
    assert note.id == (tmp_path / archive.ID).read_text().strip()
