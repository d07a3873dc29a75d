"""Two releases on one store, and the end of the older one."""

from collections.abc import AsyncIterator

import pytest
import trio

from state import keys, meta, upgrade
from state.nodes import nodes
from state.nodes.nodes import NodeRecord
from state.redis import checks
from state.store import Store, StoreConfig, open_store

OLDER = NodeRecord(kind="gateway", host="h", pid=12, started_ms=1)


@pytest.fixture
async def older(store: Store, redis_url: str) -> AsyncIterator[Store]:
    """A store that the release before made."""
    await store.execute("DEL", keys.META)
    await store.execute("HSET", keys.META, "partitions", 256, "schema", 1)
    async with open_store(StoreConfig(url=redis_url)) as opened:
        assert not opened.packs
        yield opened


async def test_an_upgrade_of_the_store_is_seen_by_the_processes_that_use_it(older: Store) -> None:
    done = await upgrade.upgrade(older)
    assert (done.before.readable_from, done.after.readable_from) == (1, meta.FORMAT)
    assert done.after.written_by == meta.release()
    await older._check(older._lanes.listing)
    assert older.packs
    assert await upgrade.upgrade(older) == (done.after, done.after, 0)


async def test_a_living_process_of_the_release_before_is_listed_until_it_has_left(older: Store) -> None:
    this = nodes.describe_process(older, "admin")
    await nodes.beat(older, "new", this)
    await nodes.beat(older, "old", OLDER)
    assert [one.incarnation for one in await upgrade.list_older(older)] == ["old"]
    await nodes.leave(older, "old")
    assert await upgrade.list_older(older) == []


async def test_the_connections_of_an_older_process_that_is_not_listed_are_cut_at_the_upgrade(
    older: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "NAME", checks.OLDER_NAME)
    async with open_store(StoreConfig(url=redis_url)) as unlisted:
        before = unlisted.stats()["reconnects"]
        done = await upgrade.upgrade(older)
        assert done.cut == len(unlisted._lanes.all)
        with trio.fail_after(60):
            while unlisted.stats()["reconnects"] < before + done.cut:
                await unlisted.wait_changed()
    assert older.stats()["reconnects"] == 0
