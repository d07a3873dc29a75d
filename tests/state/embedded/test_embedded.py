import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs

from state import keys
from state.embedded import embedded
from state.embedded.embedded import Disk, run_embedded
from state.errors import StoreRefused, StoreUnavailable
from state.store import Store, StoreConfig, open_store
from tests.support.pace import Pace
from tests.support.processes import gone
from tests.support.server_info import ask_info
from tests.support.waiting import until


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="csms test ") as path:
        yield Path(path) / "data"


async def server_pid(url: str) -> int:
    async with open_store(StoreConfig(url=url)) as store:
        return int((await ask_info(store, "server"))["process_id"])


async def test_the_embedded_server_finds_all_its_data_when_it_is_started_again(directory: Path) -> None:
    with trio.fail_after(60):
        for expected in (None, b"1"):
            async with trio.open_nursery() as nursery:
                url = await nursery.start(run_embedded, directory)
                async with open_store(StoreConfig(url=url)) as store:
                    assert await store.execute("GET", "k") == expected
                    await store.execute("SET", "k", 1)
                pid = await server_pid(url)
                nursery.cancel_scope.cancel()
            assert gone(pid)
    assert (await trio.Path(directory).stat()).st_mode & 0o777 == 0o700


async def test_an_embedded_server_that_is_killed_runs_again_within_2_s_with_all_its_data(
    directory: Path, pace: Pace
) -> None:
    with trio.fail_after(90):
        async with trio.open_nursery() as nursery:
            url = await nursery.start(run_embedded, directory)
            pid = await server_pid(url)
            async with open_store(StoreConfig(url=url)) as store:
                for value in range(2):
                    await store.execute("SET", "k", value)
                    os.kill(await server_pid(url), signal.SIGKILL)
                    with pace.within(2.5):
                        while store.available:
                            await store.wait_changed()
                        await store.wait_available()
                    assert await store.execute("GET", "k") == str(value).encode()
            assert await server_pid(url) != pid
            nursery.cancel_scope.cancel()


async def test_writes_are_refused_while_the_free_disk_space_is_below_the_limit(
    directory: Path,
) -> None:
    free = 1000
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:

            async def run(*, task_status: trio.TaskStatus[str]) -> None:
                await run_embedded(
                    directory, floor_bytes=500, disk=lambda _: Disk(free, 10_000), task_status=task_status
                )

            url = await nursery.start(run)
            async with open_store(StoreConfig(url=url)) as store:

                async def can_write() -> bool:
                    try:
                        await store.execute("SET", "k", 1)
                    except StoreUnavailable as error:
                        return "NOREPLICAS" not in str(error) or error.sent
                    return True

                async def cannot_write() -> bool:
                    return not await can_write()

                assert await can_write()
                free = 499
                # The server's free disk space is checked once a second.
                await until(cannot_write, every_s=0.05)
                # If the disk has too little free space when a server starts, the server refuses writes from
                # the beginning.
                os.kill(await server_pid(url), signal.SIGKILL)
                while store.available:
                    await store.wait_changed()
                await store.wait_available()
                assert not await can_write()
                assert await store.execute("GET", "k") == b"1"
                free = 1000
                await until(can_write, every_s=0.05)
            nursery.cancel_scope.cancel()


async def test_a_start_on_a_disk_with_too_little_room_says_how_much_is_free_and_how_much_is_needed(
    directory: Path,
) -> None:
    with trio.fail_after(60), capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(run_embedded, directory, disk=lambda _: Disk(100 << 20, 1 << 30)))
            nursery.cancel_scope.cancel()
    [said] = [log for log in logs if log["event"] == "valkey.writes_stopped"]
    assert (said["free_mib"], said["needed_mib"]) == (100, 256)


async def test_the_supervisor_reports_a_disk_that_fills_up_before_the_server_refuses_writes(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "LOOK_EVERY_S", 0.05)
    free = 4000
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:

            async def run(*, task_status: trio.TaskStatus[str]) -> None:
                await run_embedded(
                    directory, floor_bytes=1000, disk=lambda _: Disk(free, 10_000), task_status=task_status
                )

            def reported(store: Store) -> tuple[str, str]:
                store.headroom_watch.look_soon()
                return store.headroom.level, store.headroom.resource

            url = await nursery.start(run)
            async with open_store(StoreConfig(url=url)) as store:
                for left, level in ((1999, "scarce"), (1400, "full"), (2300, "low")):
                    free = left
                    await until(lambda level=level: reported(store) == (level, "disk"), every_s=0.1)  # type: ignore[misc]
                    await store.execute("SET", "k", 1)
                free = 20_000
                await until(lambda: reported(store) == ("ok", "memory"), every_s=0.1)
                assert await store.execute("EXISTS", keys.DISK) == 0
            nursery.cancel_scope.cancel()


async def test_the_server_refuses_writes_beyond_its_limit_of_memory(directory: Path) -> None:
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(run_embedded, directory, max_memory=20 << 20))
            async with open_store(StoreConfig(url=url)) as store:
                big = [("SETRANGE", f"k{number}", 1 << 20, "x") for number in range(30)]
                with pytest.raises(StoreUnavailable, match="OOM"):
                    await store.pipeline(big)
                await until(lambda: store.headroom.level == "full")
                assert store.headroom_watch.memory.limit == 20 << 20
            nursery.cancel_scope.cancel()


async def test_the_error_for_a_killed_server_does_not_give_the_last_log_line_as_the_reason(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await trio.Path(directory).mkdir()
    await trio.Path(directory / "valkey.log").write_text("1:M 01 Jan 2026 00:00:00.000 # all is well\n")
    killed = ["/bin/sh", "-c", "kill -KILL $$"]
    monkeypatch.setattr(embedded, "server_arguments", lambda _: killed)
    with (
        trio.fail_after(60),
        pytest.raises(StoreRefused, match="does not start: it was killed by SIGKILL; see"),
    ):
        await run_embedded(directory)


async def test_a_data_directory_that_another_server_uses_is_refused(directory: Path) -> None:
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(run_embedded, directory)
            with pytest.raises(StoreRefused, match="in use by another process"):
                await run_embedded(directory)
            nursery.cancel_scope.cancel()


async def test_a_data_directory_that_cannot_be_created_is_refused(directory: Path) -> None:
    directory.parent.joinpath("file").touch()
    with pytest.raises(StoreRefused, match="cannot be written: Not a directory"):
        await run_embedded(directory.parent / "file" / "data")


async def test_the_error_for_damaged_data_contains_a_line_from_the_log_of_the_embedded_server(
    directory: Path,
) -> None:
    appendonly = directory / "appendonlydir"
    appendonly.mkdir(parents=True)
    (appendonly / "appendonly.aof.manifest").write_text("nonsense\n")
    with trio.fail_after(60), pytest.raises(StoreRefused, match=r"cannot read its data in .*AOF manifest"):
        await run_embedded(directory)


async def test_the_embedded_server_starts_even_if_the_path_of_its_data_directory_is_too_long_for_a_socket(
    directory: Path,
) -> None:
    deep = directory / ("d" * 100)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            url = await nursery.start(run_embedded, deep)
            assert await server_pid(url)
            assert (deep / "appendonlydir").is_dir()
            nursery.cancel_scope.cancel()
    assert not Path(url.removeprefix("unix://")).parent.exists()


PARENT = """
import sys, trio
from pathlib import Path
from state.embedded import embedded
from state.embedded.embedded import run_embedded
async def main():
    async with trio.open_nursery() as nursery:
        print(await nursery.start(run_embedded, Path(sys.argv[1])), flush=True)
trio.run(main)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
async def test_the_embedded_server_ends_and_unlocks_the_data_directory_if_its_parent_gets_kill_9(
    directory: Path,
) -> None:
    with trio.fail_after(60):
        parent = subprocess.Popen(  # noqa: ASYNC220  Its only line of output is read below.
            [sys.executable, "-c", PARENT, str(directory)], stdout=subprocess.PIPE
        )
        assert parent.stdout is not None
        pid = await server_pid(parent.stdout.readline().decode().strip())
        parent.kill()
        parent.wait()
        parent.stdout.close()
        await until(lambda: gone(pid))
        async with trio.open_nursery() as nursery:
            await nursery.start(run_embedded, directory)
            nursery.cancel_scope.cancel()


async def test_a_new_embedded_server_waits_for_a_previous_server_that_is_still_ending(
    directory: Path,
) -> None:
    directory.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240  A single call on a local directory.
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)

    async def die() -> None:
        await trio.sleep(0.3)
        os.close(lock)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(die)
            await nursery.start(run_embedded, directory)
            nursery.cancel_scope.cancel()
