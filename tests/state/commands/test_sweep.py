"""The sweep ends overdue commands in bounded batches, and changes nothing else."""

import trio

from state import commands
from state.commands import sweep
from state.keys import PARTITIONS, ChargePointKeys, overdue
from state.store import Store
from tests.support.commands import (
    ADMIN,
    KEYS,
    current,
    make_overdue,
    open_inbox,
    seat,
    submitted,
    told,
    waiting,
)


async def test_the_sweep_ends_commands_whose_deadline_has_passed(store: Store) -> None:
    await open_inbox(store)
    lease = await seat(store)
    sent, queued, later = [await submitted(store, ttl_ms=ttl) for ttl in (1200, 1201, 60_000)]
    await commands.claim(store, lease, sent.id, "nonce")
    assert await sweep.sweep_overdue(store) == 0
    # The test waits until the real deadline has passed.
    await trio.sleep((queued.deadline_ms - store.server_time_ms()) / 1000 + 0.1)
    assert await sweep.sweep_overdue(store) == 2
    assert (await current(store, sent)).status == "timeout"
    assert (await current(store, queued)).status == "expired"
    assert await waiting(store) == ([later.id], {later.id})
    assert (await told(store))[-2:] == [(sent.id, "timeout"), (queued.id, "expired")]
    assert await sweep.sweep_overdue(store) == 0


async def test_the_sweep_does_not_end_a_command_before_the_deadline_in_the_record_of_the_command(
    store: Store,
) -> None:
    await open_inbox(store)
    await seat(store)
    command = await submitted(store)
    await store.execute("ZADD", KEYS.overdue, 1, f"{command.id} {KEYS.member}")
    assert await sweep.sweep_overdue(store) == 0
    assert (await current(store, command)).status == "queued"


async def test_the_sweep_ends_all_overdue_commands_in_batches_of_limited_size(store: Store) -> None:
    await open_inbox(store)
    await seat(store)
    ids = [(await submitted(store, limit=100)).id for _ in range(sweep.BATCH * 2 + 3)]
    for id_ in ids:
        await make_overdue(store, id_)
    assert [await sweep.sweep_overdue(store) for _ in range(4)] == [sweep.BATCH, sweep.BATCH, 3, 0]
    assert await waiting(store) == ([], set())


async def test_the_sweep_looks_only_at_the_partitions_that_it_is_given(store: Store) -> None:
    await open_inbox(store)
    charge_points: dict[int, ChargePointKeys] = {}
    number = 0
    while len(charge_points) < PARTITIONS:
        of = ChargePointKeys("t", str(number))
        charge_points.setdefault(of.partition, of)
        number += 1
    for of in charge_points.values():
        await seat(store, of=of)
        outcome = await commands.submit(
            store, "t", of.id, action="ClearCache", payload=b"{}", ttl_ms=60_000, reply_to=ADMIN
        )
        assert isinstance(outcome, commands.Submitted)
        await make_overdue(store, outcome.command.id, of)
    assert await sweep.sweep_overdue(store, range(16)) == 16
    assert await sweep.sweep_overdue(store) == PARTITIONS - 16


async def test_the_sweep_removes_the_remains_of_a_command_whose_record_is_gone(store: Store) -> None:
    await open_inbox(store)
    await seat(store)
    command = await submitted(store)
    await make_overdue(store, command.id)
    await store.execute("DEL", KEYS.command(command.id))
    assert await sweep.sweep_overdue(store) == 0
    assert await waiting(store) == ([], set())
    assert await store.execute("EXISTS", overdue(KEYS.partition)) == 0
