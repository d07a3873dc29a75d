"""The rules of the lease, one by one, on a real server; test_leases_model.py tests them in combination."""

import pytest
import trio

from state import charge_points
from state.errors import LeaseLost, Superseded
from state.keys import ChargePointKeys
from state.nodes import leases
from state.nodes.leases import Claimed, Flapping, LateClaim, Lease, UnknownChargePoint
from state.store import Store, StoreConfig, open_store
from tests.support.leases import KEYS, attachment, claim, claimed, events, held_by, kinds
from tests.support.valkey_server import ValkeyServer


async def audit(store: Store, lease: Lease) -> str:
    [fence] = await leases.audit(store, [lease])
    return fence


async def test_a_claim_takes_the_lease_from_the_previous_holder_and_names_that_holder(store: Store) -> None:
    first = await claimed(store, "a/1")
    second = await claimed(store, "b/7")
    assert (first.lease.epoch, first.previous_holder, first.previous_node) == (1, None, None)
    assert (second.lease.epoch, second.previous_holder, second.previous_node) == (2, "a/1", "a")
    assert (second.lease.holder, second.lease.node) == ("b/7", "b")
    assert await held_by(store, "a") == set()
    assert await held_by(store, "b") == {KEYS.member}
    assert await audit(store, first.lease) == "newer"
    assert await audit(store, second.lease) == "ok"


async def test_a_lease_stays_with_its_node_when_another_session_of_that_node_takes_it_over(
    store: Store,
) -> None:
    await claimed(store, "a/1")
    second = await claimed(store, "a/2")
    assert (second.lease.epoch, second.previous_node) == (2, "a")
    assert await held_by(store, "a") == {KEYS.member}


async def test_a_repeated_claim_of_a_lease_changes_nothing_and_gets_the_same_answer_as_the_first_claim(
    store: Store,
) -> None:
    await claimed(store, "a/1")
    first = await claimed(store, "b/1")
    again = await claimed(store, "b/1")
    assert again.lease.epoch == first.lease.epoch == 2
    assert again.lease.claimed_ms == first.lease.claimed_ms
    assert again.previous_holder == "a/1"
    assert await kinds(store) == ["registered", "connected", "connected"]


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_claim_is_not_late_only_because_the_clock_of_the_server_was_set(
    store: Store, hours: int
) -> None:
    store.clock.offset_ms -= hours * 3_600_000  # To this process it looks as if the server's clock was set.
    await claimed(store, "a/1", not_after_ms=store.server_time_ms() + 60_000)
    seconds, _ = await store.execute("TIME")
    assert abs(store.server_time_ms() / 1000 - int(seconds)) < 60


async def test_a_claim_that_arrives_after_a_newer_claim_of_the_lease_changes_nothing(store: Store) -> None:
    assert await claim(store, "a/1", not_after_ms=store.server_time_ms() - 5_000) == LateClaim()
    assert await store.execute("DBSIZE") == 1  # No key but the record about the store itself exists.
    await claimed(store, "a/1")
    before = await store.execute("DUMP", KEYS.lease)
    assert await claim(store, "b/1", not_after_ms=store.server_time_ms() - 5_000) == LateClaim()
    assert await store.execute("DUMP", KEYS.lease) == before
    assert await held_by(store, "a") == {KEYS.member}


async def test_the_claim_of_a_lease_registers_an_unknown_charge_point_only_with_the_option_register(
    store: Store,
) -> None:
    assert await claim(store, "a/1", register=False) == UnknownChargePoint()
    assert await store.execute("EXISTS", KEYS.lease, KEYS.record, KEYS.charge_points) == 0
    got = await claimed(store, "a/1", register=True)
    assert got.record.auto_registered
    assert got.record.registered_ms == pytest.approx(store.server_time_ms(), abs=5_000)
    assert await store.execute("ZRANGE", KEYS.charge_points, 0, -1) == [b"CP-1"]
    assert (await events(store))[0] == ("charge_point.registered", {"auto_registered": True})
    assert isinstance(await claim(store, "a/2", register=False), Claimed)


async def test_a_session_that_claims_a_lease_gets_the_last_transaction_id_and_the_pending_commands(
    store: Store,
) -> None:
    await claimed(store, "a/1")
    await store.execute("HSET", KEYS.record, "last_transaction_id", 41)
    await store.execute("RPUSH", KEYS.pending, "00.first", "00.second")
    got = await claimed(store, "a/2")
    assert got.lease.last_transaction_id == 41
    assert got.pending == ("00.first", "00.second")


async def test_after_five_counted_takeovers_in_one_minute_the_present_holder_keeps_the_lease(
    store: Store,
) -> None:
    got = await claimed(store, "n0/0")
    for number in range(1, 6):
        former, got = got, await claimed(store, f"n{number % 2}/{number}")
        assert await leases.count_takeover(store, KEYS, former.lease.holder)
    refused = await claim(store, "n9/9")
    assert isinstance(refused, Flapping)
    assert 50 <= refused.retry_after_s <= 60
    assert await audit(store, got.lease) == "ok"
    # Let a minute pass by the server's clock.
    since = int(await store.execute("HGET", KEYS.lease, "takeovers_since"))
    await store.execute("HSET", KEYS.lease, "takeovers_since", since - 60_000)
    former, got = got, await claimed(store, "n9/10")
    assert got.lease.epoch == former.lease.epoch + 1
    assert await leases.count_takeover(store, KEYS, former.lease.holder)
    assert await store.execute("HGET", KEYS.lease, "takeovers") == b"1"


async def test_takeovers_from_nodes_that_died_never_keep_a_charge_point_from_its_lease(store: Store) -> None:
    """A dead node counts nothing. A gateway that crashes in a loop must not shut its charge points out."""
    for number in range(20):
        await claimed(store, f"n{number}/1")
    assert await store.execute("HGET", KEYS.lease, "takeovers") is None


async def test_a_takeover_is_not_counted_if_no_other_session_holds_the_lease(store: Store) -> None:
    assert not await leases.count_takeover(store, KEYS, "a/1")
    assert await store.execute("EXISTS", KEYS.lease) == 0
    await claimed(store, "a/1")
    assert not await leases.count_takeover(store, KEYS, "a/1")
    await leases.release_if_holder(store, KEYS, "a/1", "1000")
    assert not await leases.count_takeover(store, KEYS, "a/1")


async def test_exactly_one_session_holds_the_lease_after_many_concurrent_claims(store: Store) -> None:
    got: dict[str, object] = {}

    async def race(holder: str) -> None:
        got[holder] = await claim(store, holder)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for number in range(40):
                nursery.start_soon(race, f"n{number % 4}/{number}")
    won = [one for one in got.values() if isinstance(one, Claimed)]
    # A claim gives up if each of its four attempts finds a new holder.
    assert won
    assert sorted(one.lease.epoch for one in won) == list(range(1, len(won) + 1))
    assert sum(isinstance(one, Flapping) for one in got.values()) == 40 - len(won)
    fences = await leases.audit(store, [one.lease for one in won])
    assert fences.count("ok") == 1
    latest = won[fences.index("ok")].lease
    assert latest.epoch == len(won)
    for node in ("n0", "n1", "n2", "n3"):
        assert await held_by(store, node) == ({KEYS.member} if node == latest.node else set())


async def test_a_new_claim_after_the_release_of_the_lease_does_not_count_as_a_takeover(store: Store) -> None:
    for number in range(20):
        got = await claimed(store, f"a/{number}")
        assert got.lease.epoch == number + 1
        await leases.release_if_holder(store, got.lease.keys, got.lease.holder, "1000")


async def test_releasing_a_lease_keeps_its_epoch_and_emits_an_event(store: Store) -> None:
    got = await claimed(store, "a/1")
    await leases.release_if_holder(store, got.lease.keys, got.lease.holder, 'closed "1000"')
    holding = await leases.get_holding(store, "acme", "CP-1")
    assert holding is not None
    assert (holding.online, holding.epoch, holding.node) == (False, 1, None)
    assert holding.until_ms is not None
    assert await held_by(store, "a") == set()
    kind, data = (await events(store))[-1]
    assert kind == "charge_point.disconnected"
    assert (data["reason"], data["node"], data["address"]) == ('closed "1000"', "a", "192.0.2.7")
    await leases.release_if_holder(store, got.lease.keys, got.lease.holder, "again")
    assert len(await events(store)) == 3


async def test_a_late_audit_does_not_give_a_released_lease_back_to_its_former_holder(
    store: Store,
) -> None:
    got = await claimed(store, "a/1")
    await leases.release_if_holder(store, got.lease.keys, got.lease.holder, "1000")
    assert await audit(store, got.lease) == "newer"
    holding = await leases.get_holding(store, "acme", "CP-1")
    assert holding is not None
    assert not holding.online


async def test_a_lease_that_was_reaped_before_its_session_ended_is_not_taken_back_by_a_late_audit(
    store: Store,
) -> None:
    """The node was paused for so long that its lease was reaped, and the charge point left meanwhile."""
    got = await claimed(store, "a/1")
    assert await leases.reap(store, "a") == 1
    assert not await leases.release_if_holder(store, got.lease.keys, got.lease.holder, "1000")
    assert await audit(store, got.lease) == "newer"
    assert await kinds(store) == ["registered", "connected", "disconnected"]
    assert await held_by(store, "a") == set()
    newer = await claimed(store, "b/1")
    assert not newer.previous_lost  # The session ended properly, although its node was judged dead.


async def test_the_release_of_an_older_session_does_not_keep_a_reaped_session_from_its_lease(
    store: Store,
) -> None:
    older = await claimed(store, "a/1")
    got = await claimed(store, "a/2")
    assert await leases.reap(store, "a") == 1
    assert not await leases.release_if_holder(store, older.lease.keys, older.lease.holder, "1000")
    assert await audit(store, got.lease) == "ok"


async def test_only_the_holder_of_a_lease_can_release_the_lease(store: Store) -> None:
    await claimed(store, "a/1")
    await claimed(store, "b/1")
    assert not await leases.release_if_holder(store, KEYS, "a/1", "claim not confirmed")
    assert await held_by(store, "b") == {KEYS.member}
    assert await leases.release_if_holder(store, KEYS, "b/1", "claim not confirmed")
    assert await held_by(store, "b") == set()


async def test_a_charge_point_whose_lease_was_removed_is_offline_until_the_next_audit_restores_the_lease(
    store: Store,
) -> None:
    others = [ChargePointKeys("acme", f"CP-{number}") for number in range(2, 40)]
    got = await claimed(store, "a/1")
    for keys in others:
        await claimed(store, "a/2", keys)
    bystander = await claimed(store, "b/1", ChargePointKeys("acme", "other"))
    assert await leases.reap(store, "a") == 39
    assert await held_by(store, "a") == set()
    holding = await leases.get_holding(store, "acme", "CP-1")
    assert holding is not None
    assert (holding.online, holding.epoch) == (False, 1)
    assert (await events(store))[-1][1]["reason"] == "node lost"
    assert await audit(store, bystander.lease) == "ok"

    assert await audit(store, got.lease) == "ok"
    holding = await leases.get_holding(store, "acme", "CP-1")
    assert holding is not None
    assert (holding.online, holding.node, holding.until_ms) == (True, "a", None)
    assert await held_by(store, "a") == {KEYS.member}
    assert await kinds(store) == ["registered", "connected", "disconnected", "connected"]


async def test_a_session_whose_lease_was_removed_does_not_take_the_lease_from_a_newer_session(
    store: Store,
) -> None:
    got = await claimed(store, "a/1")
    await leases.reap(store, "a")
    newer = await claimed(store, "b/1")
    assert newer.previous_holder is None
    assert await audit(store, got.lease) == "newer"
    await leases.release_if_holder(store, newer.lease.keys, newer.lease.holder, "1000")
    assert await audit(store, got.lease) == "newer"


async def test_the_audit_of_leases_returns_the_fence_of_each_lease(store: Store) -> None:
    mine = await claimed(store, "a/1")
    lost = await claimed(store, "a/2", ChargePointKeys("acme", "CP-2"))
    taken = await claimed(store, "a/3", ChargePointKeys("acme", "CP-3"))
    await claimed(store, "b/1", ChargePointKeys("acme", "CP-3"))
    await store.execute("UNLINK", lost.lease.keys.lease)
    assert await leases.audit(store, [mine.lease, lost.lease, taken.lease]) == ["ok", "lost", "newer"]
    assert await leases.audit(store, []) == []


async def test_the_release_of_a_lease_stores_when_the_charge_point_was_last_heard(store: Store) -> None:
    await claimed(store, "a/1")
    seen_s = store.server_time_ms() // 1000 + 100
    await leases.release_if_holder(store, KEYS, "a/1", "1000", seen_s)
    assert (await last_seen_ms(store)) == seen_s * 1000
    # A session that lost its lease stores nothing.
    await claimed(store, "a/2")
    await claimed(store, "b/1")
    await leases.release_if_holder(store, KEYS, "a/2", "1000", seen_s + 50)
    assert (await last_seen_ms(store)) == seen_s * 1000


async def test_the_later_of_the_two_stored_times_is_when_a_charge_point_was_last_seen(store: Store) -> None:
    """The release before stores the time in the lease."""
    await claimed(store, "a/1")
    await store.execute("HSET", KEYS.seen, KEYS.member, 2_000)
    await store.execute("HSET", KEYS.lease, "last_seen_ms", 1_999_000)
    assert (await last_seen_ms(store)) == 2_000_000
    await store.execute("HSET", KEYS.lease, "last_seen_ms", 2_000_001)
    assert (await last_seen_ms(store)) == 2_000_001


async def test_a_lease_can_be_released_while_the_memory_of_the_store_is_full(
    private_valkey: ValkeyServer,
) -> None:
    async with open_store(StoreConfig(url=private_valkey.url)) as store:
        await claimed(store, "a/1")
        await store.execute("CONFIG", "SET", "maxmemory", 1)
        assert await leases.release_if_holder(store, KEYS, "a/1", "1000", 5)
        holding = await leases.get_holding(store, KEYS.tenant, KEYS.id)
        assert holding is not None
        assert not holding.online


async def last_seen_ms(store: Store) -> int | None:
    holding = await leases.get_holding(store, KEYS.tenant, KEYS.id)
    return None if holding is None else holding.last_seen_ms


async def test_a_session_restores_its_lease_in_a_store_that_was_wiped(store: Store) -> None:
    got = [await claimed(store, f"a/{number}") for number in range(3)][-1]
    got.lease.last_transaction_id = 99
    await store.execute("FLUSHALL")
    assert await audit(store, got.lease) == "lost"
    assert await leases.readopt(store, got.lease, attachment("a/2"))
    assert got.lease.epoch == 4
    assert await audit(store, got.lease) == "ok"
    assert await held_by(store, "a") == {KEYS.member}
    assert (await claimed(store, "b/1")).lease.last_transaction_id == 99
    assert await kinds(store) == ["registered", "connected", "connected"]


async def test_a_session_that_restores_its_lease_in_a_wiped_store_also_restores_the_registration_policy(
    store: Store,
) -> None:
    got = await claimed(store, "a/1")
    await store.execute("FLUSHALL")
    assert await leases.readopt(store, got.lease, attachment("a/1"), registration="Rejected")
    record = await charge_points.get(store, KEYS.tenant, KEYS.id)
    assert record is not None
    assert record.registration == "Rejected"


async def test_a_lease_that_is_restored_twice_gets_a_higher_epoch_only_once(store: Store) -> None:
    """The reply to the first readoption may be lost, or a step of the session was sent before it came.

    Such a session knows the old epoch only, and must not take itself for superseded.
    """
    got = await claimed(store, "a/1")
    await store.execute("FLUSHALL")
    twin = Lease(KEYS, "a/1", got.lease.epoch, 0, got.lease.claimed_ms)
    assert await leases.readopt(store, got.lease, attachment("a/1"))
    assert await leases.readopt(store, got.lease, attachment("a/1"))
    assert got.lease.epoch == 2
    assert twin.epoch == 1
    assert await audit(store, twin) == "ok"
    assert await leases.readopt(store, twin, attachment("a/1"))
    assert twin.epoch == 2


async def test_the_newer_session_takes_the_lease_from_the_older_session_after_the_store_lost_recent_writes(
    store: Store,
) -> None:
    await claimed(store, "a/1")
    old = await store.execute("DUMP", KEYS.lease)
    newest = await claimed(store, "b/1")
    # The store comes back with old data. In these data, node a has the lease with epoch 1.
    await store.execute("RESTORE", KEYS.lease, 0, old, "REPLACE")
    await store.execute("SMOVE", KEYS.held("b"), KEYS.held("a"), KEYS.member)
    assert await audit(store, newest.lease) == "lost"
    assert await leases.readopt(store, newest.lease, attachment("b/1"))
    assert newest.lease.epoch == 3
    assert await held_by(store, "a") == set()
    assert await held_by(store, "b") == {KEYS.member}


async def test_a_newer_session_keeps_its_lease_in_a_wiped_store_even_if_an_older_session_has_a_higher_epoch(
    store: Store,
) -> None:
    old = [await claimed(store, f"a/{number}") for number in range(3)][-1]
    await store.execute("FLUSHALL")
    newer = await claimed(store, "b/1")
    assert newer.lease.epoch < old.lease.epoch
    # Claims within one millisecond have no order, so the test makes the second claim later.
    await store.execute("HINCRBY", KEYS.lease, "claimed_ms", 1)
    assert not await leases.readopt(store, old.lease, attachment("a/2"))
    assert await audit(store, newer.lease) == "ok"


async def test_the_answer_newer_raises_the_error_superseded_and_the_answer_lost_raises_the_error_lease_lost(
    store: Store,
) -> None:
    assert [leases.fence_of(word) for word in (b"ok", b"newer", b"lost")] == ["ok", "newer", "lost"]
    with pytest.raises(KeyError):
        leases.fence_of(b"late")
    leases.require(b"ok")
    with pytest.raises(Superseded):
        leases.require(b"newer")
    with pytest.raises(LeaseLost):
        leases.require(b"lost")
    assert await leases.get_holding(store, "acme", "CP-1") is None
