"""Fault counts wait until the store is available. They are written exactly once, even if the store fails."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from gateway import fault_counts
from gateway.fault_counts import FaultCounts
from state import charge_points
from state.charge_points import Settings, faults
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.scripts import SCRIPTS
from state.store import Store, StoreConfig, open_store
from tests.support.fault_proxy import fault_proxy
from tests.support.valkey_server import ValkeyServer

KEYS = ChargePointKeys("demo", "CP")


def nobody(_work: Callable[..., Awaitable[Any]]) -> None:
    raise AssertionError("the fault counts must not be written now")


async def until_written(book: FaultCounts) -> None:
    while True:
        try:
            return await book.write()
        except StoreUnavailable:
            await trio.sleep(0.05)


async def counts(store: Store) -> dict[str, int]:
    return {name: tally.times for name, tally in (await faults.read(store, "demo", "CP")).items()}


async def test_each_counted_fault_is_written_to_the_store_once(store: Store) -> None:
    await charge_points.put(store, "demo", "CP", Settings())
    book = FaultCounts(store, nobody)
    book.write_soon()  # No faults are waiting.
    book.note(KEYS, {"not_json": 2})
    book.note(KEYS, {"not_json": 1, "no_boot": 1})
    assert await counts(store) == {}
    await book.write()
    await book.write()
    assert await counts(store) == {"not_json": 3, "no_boot": 1}
    book.write_soon()


async def test_the_fault_counts_of_sessions_that_end_together_are_stored_in_one_write(store: Store) -> None:
    await charge_points.put(store, "demo", "CP", Settings())
    asked: list[Callable[[], Awaitable[None]]] = []
    book = FaultCounts(store, asked.append)
    for _ in range(3):
        book.note(KEYS, {"not_json": 1})
        book.write_soon()
    [write] = asked
    await write()
    assert await counts(store) == {"not_json": 3}
    book.note(KEYS, {"not_json": 1})
    book.write_soon()
    assert len(asked) == 2


async def test_fault_counts_are_neither_lost_nor_doubled_by_an_outage_of_the_store(
    valkey: ValkeyServer, store: Store
) -> None:
    await charge_points.put(store, "demo", "CP", Settings())
    with trio.fail_after(60):
        async with fault_proxy(valkey.path) as proxy:
            config = StoreConfig(url=f"redis://127.0.0.1:{proxy.port}", timeout_s=0.5)
            async with open_store(config) as ours:
                book = FaultCounts(ours, nobody)
                book.note(KEYS, {"not_json": 2})
                proxy.swallow_from = SCRIPTS[
                    "charge_points/faults_count"
                ].sha.encode()  # The store executes the Lua step, but the reply is lost.
                with pytest.raises(StoreUnavailable):
                    await book.write()
                book.note(KEYS, {"not_json": 1})
                proxy.replies.swallow = False
                await until_written(book)
                assert await counts(store) == {"not_json": 2}
                await book.write()
                assert await counts(store) == {"not_json": 3}


async def test_the_number_of_fault_counts_that_wait_for_the_store_is_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fault_counts, "MEMBERS", 1)
    for name in ("CP", "CP-2"):
        await charge_points.put(store, "demo", name, Settings())
    book = FaultCounts(store, nobody)
    for name in ("CP", "CP-2", "CP"):
        book.note(ChargePointKeys("demo", name), {"not_json": 1})
    await book.write()
    assert await counts(store) == {"not_json": 2}
    assert await faults.read(store, "demo", "CP-2") == {}
