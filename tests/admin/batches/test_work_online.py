"""A batch whose commands wait until their charge points are online."""

import pytest
import trio

from admin.batches import work
from admin.batches.sending import command_id
from admin.batches.work import Work
from state import charge_points, commands
from state.batches import batches
from state.charge_points import Settings
from state.keys import ChargePointKeys
from state.nodes import inbox
from state.store import Store
from tests.admin.api import TENANT, Api, serving
from tests.admin.batches.running import begin, expire_lease, read, read_outcomes, until_ended, working
from tests.admin.fake_session import connected, is_silent
from tests.support.waiting import until


async def register(store: Store, *ids: str) -> None:
    for id_ in ids:
        await charge_points.put(store, TENANT, id_, Settings())


async def status_of(store: Store, id_: str) -> str | None:
    [status] = await commands.read_statuses(store, [command_id(await read(store), id_)])
    return status


async def waits_for(store: Store, id_: str) -> bool:
    return await status_of(store, id_) == "waiting"


async def test_a_charge_point_that_comes_later_gets_the_command_and_is_counted(api: Api) -> None:
    await register(api.store, "CP-1", "CP-2")
    async with connected(api.store, TENANT, "CP-1"), working(api):
        await begin(api.store, ["CP-1", "CP-2"], when="online")
        await until(lambda: waits_for(api.store, "CP-2"))
        await until(lambda: has_outcomes(api.store, [("accepted", "Accepted"), ("waiting", "")]))
        async with connected(api.store, TENANT, "CP-2") as late:
            await wake(api.store, "CP-2", late.incarnation)
            ended = await until_ended(api.store)
        assert len(late.claimed) == 1
    assert (ended.phase, ended.counts) == ("finished", batches.Counts(accepted=2))


async def has_outcomes(store: Store, wanted: list[tuple[str, str]]) -> bool:
    return await read_outcomes(store) == wanted


async def wake(store: Store, id_: str, incarnation: str) -> None:
    """Tell a session that commands wait, as a gateway finds out by itself."""
    keys = ChargePointKeys(TENANT, id_)
    assert await inbox.wake(store, incarnation, inbox.CommandQueued(keys.member))


async def test_charge_points_that_are_offline_hold_up_nobody(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "IN_FLIGHT_MAX", 2)
    ids = [f"CP-{number}" for number in range(8)]
    await register(api.store, *ids)
    async with connected(api.store, TENANT, ids[-1]) as last, working(api):
        await begin(api.store, ids, when="online")
        await until(lambda: len(last.claimed) == 1)
    assert (await read(api.store)).counts.ended <= 1


async def test_the_next_process_waits_for_the_same_commands(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(api.store, "CP-1")

    async def release_nothing(_work: Work) -> None:
        await trio.lowlevel.checkpoint()

    async with serving(api.store) as other:
        with monkeypatch.context() as changed:
            changed.setattr(Work, "_release", release_nothing)
            async with working(api) as scope:
                await begin(api.store, ["CP-1"], when="online")
                await until(lambda: waits_for(api.store, "CP-1"))
                scope.cancel()
        await expire_lease(api.store)
        async with working(other), connected(api.store, TENANT, "CP-1") as late:
            await wake(api.store, "CP-1", late.incarnation)
            ended = await until_ended(api.store)
        assert len(late.claimed) == 1
    assert ended.counts == batches.Counts(accepted=1)


async def test_a_cancelled_batch_cancels_what_waits_and_sends_it_to_nobody(api: Api) -> None:
    await register(api.store, "CP-1", "CP-2")
    async with connected(api.store, TENANT, "CP-1", is_silent) as silent, working(api):
        await begin(api.store, ["CP-1", "CP-2"], when="online", timeout_s=1.0)
        await until(lambda: waits_for(api.store, "CP-2"))
        await until(lambda: len(silent.claimed) == 1)
        await batches.cancel(api.store, TENANT, "one", "key-2")
        ended = await until_ended(api.store)
        assert await status_of(api.store, "CP-2") == "cancelled"
        async with connected(api.store, TENANT, "CP-2") as late:
            await wake(api.store, "CP-2", late.incarnation)
            await late.hear(inbox.CommandQueued)
            assert late.claimed == []
    assert ended.phase == "cancelled"
    assert await read_outcomes(api.store) == [("no_answer", "timeout"), ("not_sent", "cancelled")]


async def test_one_turn_cancels_all_commands_that_wait(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "GATHERING_S", 60.0)
    monkeypatch.setattr(work, "_CANCELLED_AT_ONCE", 10)
    ids = [f"CP-{number:02}" for number in range(35)]
    await register(api.store, *ids)
    left = list[int]()
    turn = Work._turn

    async def record(self: Work) -> bool:
        is_done = await turn(self)
        if self._progress.phase == "cancelling":
            left.append(len(self._for_connection))
        return is_done

    monkeypatch.setattr(Work, "_turn", record)
    async with working(api):
        await begin(api.store, ids, when="online")
        await until(lambda: waits_for(api.store, ids[-1]))
        await batches.cancel(api.store, TENANT, "one", "key-2")
        ended = await until_ended(api.store)
    assert ended.counts == batches.Counts(not_sent=len(ids))
    # The first turn only hears that the batch was cancelled.
    assert not any(left[1:])


async def test_outcomes_that_need_more_than_a_turn_are_gathered_in_the_next_turns(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "GATHERING_S", 0.0)
    monkeypatch.setattr(work, "_READ_AT_ONCE", 4)
    monkeypatch.setattr(work, "_RECORDS_AT_ONCE", 3)
    ids = [f"CP-{number:02}" for number in range(10)]
    await register(api.store, *ids)
    async with working(api) as scope:
        await begin(api.store, ids, when="online")
        await until(lambda: waits_for(api.store, ids[-1]))
        scope.cancel()
    batch = await read(api.store)
    await commands.cancel(api.store, [(ChargePointKeys(TENANT, id_), command_id(batch, id_)) for id_ in ids])
    async with working(api):
        ended = await until_ended(api.store)
    assert (ended.phase, ended.counts) == ("finished", batches.Counts(not_sent=len(ids)))
    assert await read_outcomes(api.store) == [("not_sent", "cancelled")] * len(ids)


async def test_a_command_that_expires_while_it_waits_was_not_sent(api: Api) -> None:
    await register(api.store, "CP-1")
    async with working(api):
        await begin(api.store, ["CP-1"], when="online")
        await until(lambda: waits_for(api.store, "CP-1"))
        keys = ChargePointKeys(TENANT, "CP-1")
        await commands.settle(api.store, keys, command_id(await read(api.store), "CP-1"), status="expired")
        ended = await until_ended(api.store)
    assert ended.counts == batches.Counts(not_sent=1)
    assert await read_outcomes(api.store) == [("not_sent", "expired")]
