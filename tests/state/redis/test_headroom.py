from functools import partial

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from state import keys
from state.errors import StoreUnavailable
from state.redis.headroom import (
    LEVELS,
    Headroom,
    Level,
    choose_level,
    find_failures,
    read_disk,
    read_memory,
    scarcer,
    write_disk,
)
from state.store import Store, StoreConfig, open_store
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import until

levels = st.sampled_from(LEVELS)


@pytest.mark.parametrize(
    ("ratio", "before", "level"),
    [
        (0.0, "ok", "ok"),
        (0.799, "ok", "ok"),
        (0.80, "ok", "low"),
        (0.90, "ok", "scarce"),
        (0.95, "low", "full"),
        (1.2, "ok", "full"),
        (0.94, "full", "full"),
        (0.92, "full", "scarce"),
        (0.79, "low", "low"),
        (0.77, "full", "ok"),
    ],
)
def test_a_level_begins_at_its_share_of_the_limit_and_ends_2_points_below(
    ratio: float, before: Level, level: Level
) -> None:
    assert choose_level(ratio, before) == level


@given(ratio=st.floats(0, 2), before=levels)
def test_a_level_is_never_lower_than_without_a_history_and_stays_if_nothing_changes(
    ratio: float, before: Level
) -> None:
    chosen = choose_level(ratio, before)
    assert LEVELS.index(chosen) >= LEVELS.index(choose_level(ratio))
    assert choose_level(ratio, chosen) == chosen


def test_memory_that_does_not_count_for_the_limit_of_the_server_does_not_count_for_the_headroom() -> None:
    info = {"used_memory": "1000", "mem_not_counted_for_evict": "200", "maxmemory": "1000"}
    assert read_memory(info) == Headroom("low", 800, 1000)
    assert read_memory(info | {"maxmemory": "0"}) == Headroom("ok", 800, 0)


@given(level=levels, used=st.integers(0, 2**62), limit=st.integers(0, 2**62))
def test_the_headroom_of_the_disk_is_read_as_it_was_written(level: Level, used: int, limit: int) -> None:
    disk = Headroom(level, used, limit, "disk")
    assert read_disk(write_disk(disk)) == disk


@given(memory=levels, disk=levels)
def test_the_scarcer_of_memory_and_disk_decides(memory: Level, disk: Level) -> None:
    chosen = scarcer(Headroom(memory), Headroom(disk, resource="disk"))
    assert LEVELS.index(chosen.level) == max(LEVELS.index(memory), LEVELS.index(disk))


def test_each_status_of_the_data_file_that_is_not_ok_is_a_failure() -> None:
    assert find_failures({"aof_last_write_status": "ok", "rdb_last_bgsave_status": "err"}) == {
        "rdb_last_bgsave_status": "err"
    }


def is_at(store: Store, level: Level) -> bool:
    return store.headroom.level == level


async def test_a_store_that_fills_up_and_is_emptied_passes_the_levels_and_says_so_once_for_each(
    private_valkey: ValkeyServer,
) -> None:
    with trio.fail_after(60), capture_logs() as logs:
        async with open_store(StoreConfig(url=private_valkey.url)) as store:
            await store.execute("CONFIG", "SET", "maxmemory", 0, key="")
            await until(lambda: store.headroom_watch.memory.used > 0 and not store.headroom.limit)
            await until(lambda: [log["event"] for log in logs] == ["store.memory_unlimited"])
            await store.execute("CONFIG", "SET", "maxmemory", 20 << 20, key="")
            reached: tuple[tuple[Level, int], ...] = (("low", 15), ("scarce", 17), ("full", 18))
            for level, filled in reached:
                for mib in range(filled):
                    await store.execute("SETRANGE", f"filler{mib}", (1 << 20) - 1000, "x")
                await until(partial(is_at, store, level))
            more = [("SETRANGE", f"more{mib}", 1 << 20, "x") for mib in range(40)]
            with pytest.raises(StoreUnavailable, match="OOM"):
                await store.pipeline(more)
            await store.execute("UNLINK", *(f"filler{mib}" for mib in range(18)))
            await until(lambda: store.headroom.level == "ok")
    crossings = [(log["event"], log["level"]) for log in logs if "level" in log]
    assert crossings == [
        ("store.filling", "low"),
        ("store.filling", "scarce"),
        ("store.filling", "full"),
        ("store.emptied", "ok"),
    ]


async def test_what_the_supervisor_reports_about_the_disk_counts_like_the_memory(
    private_valkey: ValkeyServer,
) -> None:
    with trio.fail_after(60):
        async with open_store(StoreConfig(url=private_valkey.url)) as store:
            scarce = Headroom("scarce", 900, 1000, "disk")
            await store.execute("SET", keys.DISK, write_disk(scarce))
            await until(lambda: store.headroom == scarce)
            await store.execute("DEL", keys.DISK)
            await until(lambda: store.headroom.level == "ok")
