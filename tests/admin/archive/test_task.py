"""An admin process archives in turns, one process for the whole store, and its metrics say how far it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.lowlevel
from structlog.testing import capture_logs

from admin.archive.failures import ArchiveFailed
from admin.archive.task import Archiving
from admin.config import ArchiveConfig, RetentionConfig
from gateway.service.config import ConfigError
from state import keys
from state.keys import ChargePointKeys
from state.nodes.duty import hold_duty
from state.store import Store
from state.transactions import archiving, get
from tests.support.archives import entries
from tests.support.finished import STOPPED_MS, finish, queue
from tests.support.full_store import full
from tests.support.waiting import until


def make(store: Store, directory: Path | None, name: str = "a", **retention: float) -> Archiving:
    where = None if directory is None else str(directory)
    return Archiving(
        store,
        name,
        ArchiveConfig(directory=where, every_s=1),
        RetentionConfig(**retention),  # type: ignore[arg-type]
    )


@asynccontextmanager
async def running(*tasks: Archiving) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        for one in tasks:
            nursery.start_soon(one.run)
        yield
        nursery.cancel_scope.cancel()


def metric(one: Archiving, name: str) -> object:
    return {reading.name: reading.value for reading in one.readings()}[name]


async def test_a_finished_transaction_is_archived_and_leaves_the_store_after_its_hot_hours(
    store: Store, tmp_path: Path
) -> None:
    old = await finish(store)
    recent = await finish(store, received_ms=store.server_time_ms())
    one = make(store, tmp_path, transactions_hot_h=1)
    await one.turn()
    assert await get(store, "demo", f"CP.1.{old}") is None
    assert await get(store, "demo", f"CP.1.{recent}") is not None
    assert (one.archived, one.dropped, one.errors) == (2, 1, 0)
    note = await archiving.read_note(store)
    assert note is not None
    assert note.directory == str(tmp_path)
    assert note.through_ms <= store.server_time_ms()


async def test_the_note_says_up_to_which_time_everything_is_archived(store: Store, tmp_path: Path) -> None:
    await finish(store)
    waiting = await finish(store, "CP.2", queued=False)
    of = ChargePointKeys("demo", "CP.2")
    await store.execute("ZADD", keys.unpacked(of.partition), STOPPED_MS, of.queued(waiting))
    await make(store, tmp_path).turn()
    note = await archiving.read_note(store)
    assert note is not None
    assert note.through_ms == STOPPED_MS


async def test_only_one_of_several_processes_archives(store: Store, tmp_path: Path) -> None:
    await hold_duty(store, "archive", "b", 60_000)
    one, other = make(store, tmp_path), make(store, tmp_path, "b")
    await finish(store)
    async with running(one, other):
        await until(lambda: other.archived == 1)
    assert one.archived == 0


async def test_a_failed_turn_is_counted_and_logged_and_the_next_turn_goes_on(
    store: Store, tmp_path: Path
) -> None:
    number = await finish(store)
    (tmp_path / "archive").write_text("not a directory")
    one = make(store, tmp_path / "archive")
    with capture_logs() as logs:
        async with running(one):
            await until(lambda: one.errors > 0)
            assert metric(one, "csms_archive_errors") == one.errors
            assert await get(store, "demo", f"CP.1.{number}") is not None
            (tmp_path / "archive").unlink()
            await until(lambda: one.archived == 1)
    assert "cannot be written" in next(line["error"] for line in logs if line["event"] == "archive.failed")


async def test_the_lag_is_the_age_of_the_oldest_transaction_that_is_not_archived(
    store: Store, tmp_path: Path
) -> None:
    number = await finish(store, queued=False)
    one = make(store, tmp_path)
    await hold_duty(store, "archive", "another", 60_000)
    await queue(store, ChargePointKeys("demo", "CP.1"), number, store.server_time_ms() - 7_200_000)
    async with running(one):
        await until(lambda: one.lag_s > 0)
    assert 7_200 <= one.lag_s < 7_300


async def test_a_store_of_an_old_form_is_not_archived_and_one_warning_says_what_to_do(
    store: Store, tmp_path: Path
) -> None:
    await finish(store)
    store.packs = False
    one = make(store, tmp_path)
    with capture_logs() as logs:
        async with running(one):
            await until(lambda: any(line["event"] == "archive.waiting" for line in logs))
            await trio.lowlevel.checkpoint()
    assert entries(tmp_path) == []


async def test_without_an_archive_old_transactions_are_deleted_only_if_a_setting_says_so(
    store: Store,
) -> None:
    number = await finish(store)
    await make(store, None).run()  # Returns at once, because there is nothing to do.
    assert await get(store, "demo", f"CP.1.{number}") is not None
    one = make(store, None, transactions_days=1)
    async with running(one):
        await until(lambda: one.dropped == 1)
    assert await get(store, "demo", f"CP.1.{number}") is None


async def test_nothing_is_deleted_by_its_age_if_the_store_has_an_archive(
    store: Store, tmp_path: Path
) -> None:
    await make(store, tmp_path).turn()
    number = await finish(store)
    with pytest.raises(ArchiveFailed, match="has an archive"):
        await make(store, None, transactions_days=1).turn()
    assert await get(store, "demo", f"CP.1.{number}") is not None


async def test_an_archive_together_with_a_deletion_by_age_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="transactions_days"):
        make(store, tmp_path, transactions_days=1)


async def test_a_file_of_the_archive_that_is_gone_is_counted_and_named(store: Store, tmp_path: Path) -> None:
    one = make(store, tmp_path, transactions_hot_h=87_600)
    await finish(store)
    await one.turn()
    [entry] = entries(tmp_path)
    (tmp_path / entry.file).unlink()
    with capture_logs() as logs:
        await make(store, tmp_path, transactions_hot_h=1).turn()
    [line] = [line for line in logs if line["event"] == "archive.files_missing"]
    assert (line["files"], line["first"]) == (1, entry.file)


async def test_a_full_store_is_emptied_by_the_archive(store: Store, tmp_path: Path) -> None:
    one = make(store, tmp_path)
    await one.turn()
    await finish(store)
    async with full(store):
        await one.turn()
    assert (one.archived, one.dropped, one.errors) == (1, 1, 0)
