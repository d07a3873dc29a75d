import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs

from state.embedded.data_files import DataFiles
from state.embedded.embedded import run_embedded
from state.errors import StoreRefused
from state.redis.connection import pack
from state.store import Store, StoreConfig, open_store
from tests.state.embedded.damages import (
    DAMAGES,
    HALF,
    LOSSES,
    add_zeros,
    break_length,
    break_length_into_too_long,
    commands_of,
    cut,
    empty_note,
)
from tests.support.server_info import ask_info
from tests.support.waiting import until


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="csms test ") as path:
        yield Path(path) / "data"


@pytest.fixture(autouse=True)
def _notes_are_taken_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("state.embedded.embedded.LOOK_EVERY_S", 0.05)


@asynccontextmanager
async def embedded(directory: Path, *, accept_lost_data: bool = False) -> AsyncIterator[Store]:
    """Yield the store of an embedded server that is killed at the end, as if the machine had no power."""
    async with trio.open_nursery() as nursery:
        url = await nursery.start(partial(run_embedded, directory, accept_lost_data=accept_lost_data))
        async with open_store(StoreConfig(url=url)) as store:
            yield store
            pid = await server_pid(store)
        os.kill(pid, signal.SIGKILL)
        nursery.cancel_scope.cancel()


async def server_pid(store: Store) -> int:
    return int((await ask_info(store, "server"))["process_id"])


async def write(store: Store, directory: Path, first: int = 0) -> None:
    """Write 50 keys, and wait until they are noted."""
    for number in range(first, first + 50):
        await store.execute("SET", f"key{number}", number)
    files = DataFiles(directory)
    await until(lambda: files.read_note() == files.measure())


@pytest.mark.parametrize(("damage", "words"), DAMAGES, ids=lambda value: getattr(value, "__name__", ""))
async def test_damaged_data_files_are_refused_at_the_start_with_the_file_and_what_to_do(
    directory: Path, damage: Callable[[Path], None], words: str
) -> None:
    with trio.fail_after(60):
        async with embedded(directory) as store:
            await write(store, directory)
        damage(commands_of(directory))
        with pytest.raises(StoreRefused, match=words) as refused:
            await run_embedded(directory)
        assert "from a backup" in str(refused.value)
        assert "--accept-lost-data" in str(refused.value)


@pytest.mark.parametrize(("damage", "words"), LOSSES, ids=lambda value: getattr(value, "__name__", ""))
async def test_data_files_that_only_a_backup_can_mend_are_refused_with_or_without_accept_lost_data(
    directory: Path, damage: Callable[[Path], None], words: str
) -> None:
    with trio.fail_after(60):
        async with embedded(directory) as store:
            await write(store, directory)
        commands = commands_of(directory)
        damage(commands)
        with pytest.raises(StoreRefused, match=words) as refused:
            await run_embedded(directory)
        with pytest.raises(StoreRefused) as refused_again:
            await run_embedded(directory, accept_lost_data=True)
        for error in (refused, refused_again):
            assert "from a backup" in str(error.value)
            assert re.search(r"move \S.*/data elsewhere", str(error.value))
            assert "--accept-lost-data" not in str(error.value)
        assert commands.stat().st_size > 1000


async def test_a_server_that_crashes_while_it_loads_its_files_is_not_started_again_for_ever(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashing = [sys.executable, "-c", "import os; os.abort()"]
    with trio.fail_after(60):
        async with embedded(directory) as store:
            await write(store, directory)
        monkeypatch.setattr("state.embedded.embedded.server_arguments", lambda _: crashing)
        with pytest.raises(StoreRefused, match="killed by SIGABRT 3 times") as refused:
            await run_embedded(directory)
    assert "from a backup" in str(refused.value)


async def test_a_server_that_crashes_before_it_made_any_file_is_refused_without_words_about_data(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashing = [sys.executable, "-c", "import os; os.abort()"]
    monkeypatch.setattr("state.embedded.embedded.server_arguments", lambda _: crashing)
    with trio.fail_after(60), pytest.raises(StoreRefused, match=r"does not start: .*SIGABRT") as refused:
        await run_embedded(directory)
    assert "backup" not in str(refused.value)


async def test_a_note_that_was_taken_in_the_middle_of_a_value_that_looks_like_a_command_is_no_damage(
    directory: Path,
) -> None:
    with trio.fail_after(60):
        async with embedded(directory) as store:
            await store.execute("SET", "key", "*3\r\nnothing")
            await write(store, directory)
        files = DataFiles(directory)
        in_the_middle = commands_of(directory).read_bytes().index(b"*3\r\nnothing")
        files.write_note(
            tuple(
                each._replace(size=in_the_middle) if each.kind == "i" else each for each in files.read_note()
            )
        )
        async with embedded(directory) as store:
            assert await store.execute("GET", "key49") == b"49"


@pytest.mark.parametrize(("damage", "words"), [DAMAGES[0], DAMAGES[1], LOSSES[1]])
async def test_data_files_that_are_damaged_while_the_killed_server_is_down_end_the_supervisor(
    directory: Path, damage: Callable[[Path], None], words: str
) -> None:
    refused = pytest.RaisesExc(StoreRefused, match=words)
    with trio.fail_after(60), pytest.RaisesGroup(refused, flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            url = await nursery.start(run_embedded, directory)
            async with open_store(StoreConfig(url=url)) as store:
                await write(store, directory)
                pid = await server_pid(store)
            os.kill(pid, signal.SIGKILL)
            damage(commands_of(directory))


@pytest.mark.parametrize("with_note", [True, False])
async def test_half_a_command_at_the_end_is_kept_aside_and_cut_off_and_nothing_else_is_lost(
    directory: Path, *, with_note: bool
) -> None:
    with trio.fail_after(60), capture_logs() as logs:
        async with embedded(directory) as store:
            await write(store, directory)
        path = commands_of(directory)
        whole = path.read_bytes()
        path.write_bytes(whole + HALF)
        if not with_note:
            DataFiles(directory).forget_note()
        async with embedded(directory) as store:
            assert await store.execute("GET", "key49") == b"49"
            assert await store.execute("EXISTS", "half") == 0
            await write(store, directory, 50)
        [log] = [log for log in logs if log["event"] == "valkey.torn_end_cut"]
        assert log["torn_bytes"] == len(HALF)
        assert Path(log["kept"]).read_bytes() == HALF  # noqa: ASYNC240  A small local file.
        assert path.read_bytes().startswith(whole)


async def test_a_killed_server_whose_file_ends_with_half_a_command_is_started_again_with_all_its_data(
    directory: Path,
) -> None:
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            url = await nursery.start(run_embedded, directory)
            async with open_store(StoreConfig(url=url)) as store:
                for number in range(100):
                    await store.execute("SET", f"key{number}", number)
                os.kill(await server_pid(store), signal.SIGKILL)
                with commands_of(directory).open("ab") as file:
                    file.write(HALF)
                while store.available:
                    await store.wait_changed()
                await store.wait_available()
                assert await store.execute("GET", "key99") == b"99"
            nursery.cancel_scope.cancel()


async def test_the_supervisor_bears_with_a_killed_server_that_loads_its_files_for_a_while(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("state.embedded.embedded.LOOK_EVERY_S", 0.01)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            url = await nursery.start(run_embedded, directory)
            async with open_store(StoreConfig(url=url)) as store:
                await write(store, directory)
                os.kill(await server_pid(store), signal.SIGKILL)
                with commands_of(directory).open("ab") as file:
                    file.write(b"".join(pack(["INCR", "loaded"]) for _ in range(200_000)))
                while store.available:
                    await store.wait_changed()
                await store.wait_available()
                assert await store.execute("GET", "loaded") == b"200000"
            nursery.cancel_scope.cancel()


async def test_a_server_that_rewrote_its_files_after_the_last_note_is_started_again(directory: Path) -> None:
    with trio.fail_after(60):
        async with embedded(directory) as store:
            await write(store, directory)
            before = DataFiles(directory).read_note()
            await store.execute("BGREWRITEAOF", key="")
            await until(lambda: DataFiles(directory).read_note() > before)
            await until(lambda: len(DataFiles(directory).read_note()) == len(before))
            await write(store, directory, 50)
        DataFiles(directory).write_note(before)
        async with embedded(directory) as store:
            assert await store.execute("GET", "key99") == b"99"


async def test_a_file_that_became_shorter_while_the_server_ran_is_refused_at_the_next_start(
    directory: Path,
) -> None:
    with trio.fail_after(60):
        async with embedded(directory) as store:
            await write(store, directory)
            before = DataFiles(directory).read_note()
            cut(commands_of(directory))
            await trio.sleep(0.3)  # Notes are taken each 0.05 s.
            assert DataFiles(directory).read_note() == before
        with pytest.raises(StoreRefused, match="bytes were on disk before"):
            await run_embedded(directory)


async def test_files_that_are_older_than_the_note_are_refused(directory: Path) -> None:
    with trio.fail_after(60):
        async with embedded(directory) as store:
            await write(store, directory)
        files = DataFiles(directory)
        later = tuple(
            each._replace(name=each.name.replace(".1.", ".2."), number=2) for each in files.measure()
        )
        files.write_note(later)
        with pytest.raises(StoreRefused, match=r"2\.base\.rdb is missing"):
            await run_embedded(directory)


@pytest.mark.parametrize("damage", [cut, add_zeros, break_length, break_length_into_too_long, empty_note])
async def test_the_server_starts_with_what_is_left_if_the_operator_accepts_the_loss(
    directory: Path, damage: Callable[[Path], None]
) -> None:
    with trio.fail_after(60):
        async with embedded(directory) as store:
            await write(store, directory)
        damage(commands_of(directory))
        async with embedded(directory, accept_lost_data=True) as store:
            assert await store.execute("GET", "key0") == b"0"
            await write(store, directory, 50)
        async with embedded(directory) as store:
            assert await store.execute("GET", "key99") == b"99"


async def test_accepting_the_loss_cuts_everything_after_the_first_damage_and_keeps_it_aside(
    directory: Path,
) -> None:
    with trio.fail_after(60), capture_logs() as logs:
        async with embedded(directory) as store:
            await write(store, directory)
        files = DataFiles(directory)
        first = commands_of(directory)
        second = first.with_name("appendonly.aof.2.incr.aof")
        second.write_bytes(pack(["SET", "after the damage", 1]))
        with first.with_name("appendonly.aof.manifest").open("a") as manifest:
            manifest.write(f"file {second.name} seq 2 type i\n")
        add_zeros(first)
        files.write_note(files.measure())
        async with embedded(directory, accept_lost_data=True) as store:
            assert await store.execute("GET", "key49") == b"49"
            assert await store.execute("EXISTS", "after the damage") == 0
        kept = [log["kept"] for log in logs if log["event"] == "valkey.loss_accepted"]
        assert [Path(each).read_bytes() for each in kept] == [  # noqa: ASYNC240  Small local files.
            bytes(4096),
            pack(["SET", "after the damage", 1]),
        ]


async def test_a_missing_file_of_commands_counts_as_empty_if_the_operator_accepts_the_loss(
    directory: Path,
) -> None:
    with trio.fail_after(60):
        async with embedded(directory) as store:
            await write(store, directory)
        commands_of(directory).unlink()
        async with embedded(directory, accept_lost_data=True) as store:
            assert await store.execute("EXISTS", "key0") == 0
