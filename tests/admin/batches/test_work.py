"""The work on a batch: paced, bounded, and taken over by another process without sending anything twice."""

from contextlib import AsyncExitStack
from typing import Any

import pytest
import trio

from admin.batches import sending, work
from admin.batches.sending import command_id
from admin.batches.task import Batches
from admin.batches.work import Work
from state import charge_points
from state.batches import batches, items
from state.batches.batches import Batch
from state.charge_points import Settings
from state.commands import KEPT_MS
from state.store import Store, StoreConfig, open_store
from state.tenants import tenants
from tests.admin.api import TENANT, Api, serving
from tests.admin.batches.running import (
    begin,
    connect_all,
    expire_lease,
    read,
    read_outcomes,
    until_ended,
    working,
)
from tests.admin.fake_session import connected, is_silent
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import until


async def test_two_processes_send_each_command_once(api: Api) -> None:
    ids = [f"CP-{number:02}" for number in range(30)]
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(serving(api.store))
        sessions = await connect_all(stack, api.store, ids)
        await begin(api.store, ids)
        async with working(api), working(other):
            ended = await until_ended(api.store)
        assert [len(session.claimed) for session in sessions] == [1] * 30
    assert ended.counts == batches.Counts(accepted=30)


async def test_another_process_goes_on_where_one_died_and_sends_nothing_twice(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"CP-{number:02}" for number in range(40)]
    dies = trio.Event()

    async def release_nothing(_work: Work) -> None:
        dies.set()
        await trio.lowlevel.checkpoint()

    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(serving(api.store))
        sessions = await connect_all(stack, api.store, ids)
        await begin(api.store, ids, per_second=20.0)
        with monkeypatch.context() as changed:
            changed.setattr(Work, "_release", release_nothing)
            async with working(api) as scope:
                await until(lambda: sum(len(session.claimed) for session in sessions) >= 10)
                scope.cancel()
        assert dies.is_set()
        assert (await read(api.store)).phase == "running"
        await expire_lease(api.store)
        async with working(other):
            ended = await until_ended(api.store)
        assert [len(session.claimed) for session in sessions] == [1] * 40
    assert ended.counts == batches.Counts(accepted=40)


async def test_a_process_that_stops_releases_the_batch_at_once(api: Api) -> None:
    ids = [f"CP-{number}" for number in range(4)]
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(serving(api.store))
        sessions = await connect_all(stack, api.store, ids)
        await begin(api.store, ids, per_second=0.5)
        async with working(api) as scope:
            await until(lambda: bool(sessions[0].claimed))
            scope.cancel()
        now = await read(api.store)
        # Nothing is reserved any more that was not sent.
        assert now.reserved == sum(len(session.claimed) for session in sessions)
        async with working(other):
            await until(lambda: bool(sessions[1].claimed))


async def test_items_that_were_reserved_and_not_sent_are_sent_by_the_next_process(api: Api) -> None:
    async with AsyncExitStack() as stack:
        sessions = await connect_all(stack, api.store, ["CP-1", "CP-2"])
        batch = await begin(api.store, ["CP-1", "CP-2"])
        await api.store.execute("HSET", batch.keys.record, "reserved", 2)
        async with working(api):
            ended = await until_ended(api.store)
        assert [len(session.claimed) for session in sessions] == [1, 1]
    assert ended.counts.accepted == 2


async def test_items_that_were_reserved_and_not_sent_are_never_sent_after_a_cancellation(api: Api) -> None:
    async with AsyncExitStack() as stack:
        sessions = await connect_all(stack, api.store, ["CP-1", "CP-2", "CP-3"])
        batch = await begin(api.store, ["CP-1", "CP-2", "CP-3"])
        await api.store.execute("HSET", batch.keys.record, "reserved", 2)
        await batches.cancel(api.store, TENANT, "one", "key-2")
        async with working(api):
            ended = await until_ended(api.store)
        assert [len(session.claimed) for session in sessions] == [0, 0, 0]
    assert ended.phase == "cancelled"
    assert await read_outcomes(api.store) == [("not_sent", "batch-cancelled")] * 2 + [("to_do", "")]


async def test_what_the_store_may_have_forgotten_is_not_sent_again(api: Api) -> None:
    async with AsyncExitStack() as stack:
        sessions = await connect_all(stack, api.store, ["CP-1", "CP-2"])
        batch = await begin(api.store, ["CP-1", "CP-2"])
        progress_ms = api.store.server_time_ms() - KEPT_MS - 60_000
        await api.store.execute("HSET", batch.keys.record, "reserved", 1, "progress_ms", progress_ms)
        async with working(api):
            ended = await until_ended(api.store)
        assert [len(session.claimed) for session in sessions] == [0, 1]
    assert (ended.counts.no_answer, ended.counts.accepted) == (1, 1)
    assert await read_outcomes(api.store) == [("no_answer", "forgotten"), ("accepted", "Accepted")]


async def test_only_so_many_commands_of_a_batch_wait_at_the_same_time(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "IN_FLIGHT_MAX", 3)
    ids = [f"CP-{number}" for number in range(6)]
    async with AsyncExitStack() as stack:
        sessions = await connect_all(stack, api.store, ids, is_silent)
        await begin(api.store, ids)
        async with working(api):
            await until(lambda: all(session.claimed for session in sessions[:3]))
            # The next turn would send more if it could.
            for _ in range(3):
                progress_ms = (await read(api.store)).progress_ms

                async def has_advanced(before_ms: int = progress_ms) -> bool:
                    return (await read(api.store)).progress_ms > before_ms

                await until(has_advanced)
            assert [len(session.claimed) for session in sessions] == [1, 1, 1, 0, 0, 0]
            await sessions[1].answer(sessions[1].claimed[0], b'{"status":"Accepted"}')
            await until(lambda: bool(sessions[3].claimed))


async def test_slow_charge_points_do_not_hold_up_others(api: Api) -> None:
    ids = [f"CP-{number}" for number in range(20)]
    async with AsyncExitStack() as stack:
        slow = await connect_all(stack, api.store, ids[::2], is_silent)
        quick_ones = await connect_all(stack, api.store, ids[1::2])
        await begin(api.store, ids)
        async with working(api):

            async def has_answers() -> bool:
                return (await read(api.store)).counts.accepted == len(quick_ones)

            await until(has_answers)
        assert all(len(session.claimed) == 1 for session in slow)


async def test_a_batch_sends_no_faster_than_its_pace(api: Api) -> None:
    ids = [f"CP-{number}" for number in range(5)]
    for id_ in ids:
        await charge_points.put(api.store, TENANT, id_, Settings())
    await begin(api.store, ids, per_second=4.0)
    began = trio.current_time()
    async with working(api):
        ended = await until_ended(api.store)
    assert trio.current_time() - began >= (5 - 1) / 4 - 0.1
    assert ended.counts.offline == 5


async def test_a_command_that_fails_because_of_a_bug_does_not_end_the_batch(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_item = sending.send_item

    async def fail_for_one(services: Any, batch: Batch, request: Any, name: str) -> Any:
        if name == "CP-1":
            raise RuntimeError("a bug")
        return await send_item(services, batch, request, name)

    monkeypatch.setattr(work, "send_item", fail_for_one)
    async with connected(api.store, TENANT, "CP-2"):
        await begin(api.store, ["CP-1", "CP-2"])
        async with working(api):
            await until_ended(api.store)
    assert await read_outcomes(api.store) == [("not_sent", "internal-error"), ("accepted", "Accepted")]


@pytest.mark.parametrize(
    "changed", [{"payload": b'{"type":"Never"}'}, {"sealed": b"under another pepper".hex()}]
)
async def test_a_batch_whose_request_cannot_be_read_ends_and_sends_nothing(
    api: Api, changed: dict[str, Any]
) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        await begin(api.store, ["CP-1"], **changed)
        async with working(api):
            ended = await until_ended(api.store)
        assert session.claimed == []
    assert ended.phase == "finished"
    assert await read_outcomes(api.store) == [("not_sent", "internal-error")]


async def test_a_batch_that_is_deleted_while_it_runs_is_given_up(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1", is_silent) as session:
        batch = await begin(api.store, ["CP-1"])
        async with trio.open_nursery() as nursery:
            task = Batches(api.services)
            nursery.start_soon(task.run)
            await until(lambda: bool(session.claimed))
            [running] = task.readings()
            assert running.value == 1
            await batches.delete_all(api.store, TENANT)
            await until(lambda: [one.value for one in task.readings()] == [0])
            nursery.cancel_scope.cancel()
    assert await batches.get(api.store, TENANT, batch.id) is None


async def test_a_batch_of_several_blocks_reaches_each_charge_point(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "BLOCK", 3)
    monkeypatch.setattr("admin.batches.progress.BLOCK", 3)
    ids = [f"CP-{number:02}" for number in range(10)]
    for id_ in ids:
        await charge_points.put(api.store, TENANT, id_, Settings())
    await begin(api.store, ids)
    async with working(api):
        ended = await until_ended(api.store)
    assert ended.counts.offline == 10
    assert await read_outcomes(api.store) == [("offline", "")] * 10


async def test_a_batch_goes_on_after_the_store_was_away(private_valkey: ValkeyServer) -> None:
    ids = [f"CP-{number:02}" for number in range(30)]
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(StoreConfig(url=private_valkey.url, timeout_s=1)))
        await tenants.put(store, TENANT, name="Acme", auto_register=False)
        api = await stack.enter_async_context(serving(store))
        for id_ in ids:
            await charge_points.put(store, TENANT, id_, Settings())
        await begin(store, ids, per_second=10.0)
        await stack.enter_async_context(working(api))

        async def has_begun() -> bool:
            return (await read(store)).counts.offline >= 5

        await until(has_begun)
        private_valkey.kill()
        await until(lambda: not store.available)
        private_valkey.start()
        with trio.fail_after(60):
            await store.wait_available()
        ended = await until_ended(store)
    assert ended.counts == batches.Counts(offline=30)
    assert ended.phase == "finished"


async def test_each_charge_point_has_a_command_id_of_its_own_that_is_always_the_same(store: Store) -> None:
    batch = await begin(store, ["CP-1"])
    assert command_id(batch, "CP-1") == command_id(await read(store), "CP-1")
    assert command_id(batch, "CP-1") != command_id(batch, "CP-2")
