"""The meta record is complete as soon as it exists."""

from collections.abc import Sequence
from typing import Any

import pytest
from redis.exceptions import ResponseError

from state import keys, meta
from state.errors import StoreRefused
from state.redis.connection import Arg
from state.store import Store, StoreConfig, open_store

META = {
    b"partitions": b"256",
    b"schema": b"2",
    b"readable_from": b"2",
    b"written_by": meta.release().encode(),
}


class Asking:
    """Sends each command alone, and lets another process check the meta record after each command."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.checked = 0

    async def ask(self, commands: Sequence[Sequence[Arg]]) -> list[Any]:
        replies = []
        for command in commands:
            replies.append(await self.ask_alone([command]))
            if await self.store.execute("EXISTS", keys.META):
                await meta.check(self.ask_alone)
                self.checked += 1
        return [reply for [reply] in replies]

    async def ask_alone(self, commands: Sequence[Sequence[Arg]]) -> list[Any]:
        try:
            return await self.store.pipeline(commands)
        except ResponseError as error:
            return [error]


async def test_a_process_that_starts_while_another_process_creates_the_meta_record_is_not_refused(
    store: Store,
) -> None:
    await store.execute("DEL", keys.META)
    asking = Asking(store)
    await meta.check(asking.ask)
    assert asking.checked
    assert await store.execute("HGETALL", keys.META) == META


async def test_a_meta_record_that_another_process_created_meanwhile_is_not_overwritten(store: Store) -> None:
    await store.execute("DEL", keys.META)

    async def ask(commands: Sequence[Sequence[Arg]]) -> list[Any]:
        replies = await store.pipeline(commands)
        if commands[0][0] == "HGETALL" and not replies[0]:
            await store.execute("HSET", keys.META, "partitions", 128, "schema", 1)
        return replies

    with pytest.raises(StoreRefused, match="created with partitions 128"):
        await meta.check(ask)
    assert await store.execute("HGETALL", keys.META) == {b"partitions": b"128", b"schema": b"1"}


async def test_a_store_that_the_release_before_made_is_read_but_gets_no_packed_values(
    store: Store, redis_url: str
) -> None:
    await store.execute("DEL", keys.META)
    await store.execute("HSET", keys.META, "partitions", 256, "schema", 1)
    async with open_store(StoreConfig(url=redis_url)) as opened:
        assert not opened.packs
    assert await store.execute("HGETALL", keys.META) == {b"partitions": b"256", b"schema": b"1"}


async def test_a_store_that_this_release_made_gets_packed_values(store: Store) -> None:
    assert store.packs


async def test_a_store_that_only_a_newer_release_can_read_is_refused(store: Store, redis_url: str) -> None:
    await store.execute("HSET", keys.META, "readable_from", 3, "schema", 3, "written_by", "9.0")
    with pytest.raises(StoreRefused, match=r"written by csms 9\.0 and can be read from format 3 on"):
        async with open_store(StoreConfig(url=redis_url)):
            pass


async def test_a_store_that_a_newer_release_wrote_in_a_form_of_this_release_is_used(
    store: Store, redis_url: str
) -> None:
    await store.execute("HSET", keys.META, "readable_from", 1, "schema", 1, "written_by", "9.0")
    async with open_store(StoreConfig(url=redis_url)) as opened:
        assert not opened.packs
    assert await store.execute("HGET", keys.META, "written_by") == b"9.0"


async def test_a_store_whose_meta_record_has_no_number_is_refused(store: Store, redis_url: str) -> None:
    await store.execute("HSET", keys.META, "readable_from", "two")
    with pytest.raises(StoreRefused, match="readable_from two"):
        async with open_store(StoreConfig(url=redis_url)):
            pass
