"""Gateways that are killed or paused: what the others and the charge points notice of it."""

import os
import signal
import time

import pytest
import trio

from state import keys
from state.keys import PARTITIONS, ChargePointKeys
from state.nodes import leases, nodes
from state.nodes.nodes import NodeRecord
from state.store import Store, StoreConfig, open_store
from tests.support.charge_point_peer import charge_point
from tests.support.server_info import count_calls
from tests.support.waiting import until
from tests.system.central import Central

pytestmark = pytest.mark.slow  # A node is judged dead after 10 s.

DEAD = NodeRecord(kind="gateway", host="gone", pid=1, started_ms=1, format=2)
CONNECTION = b'{"address":"192.0.2.7","tls":null,"since_ms":1,"node":"x","token_id":"abcdefgh"}'


async def count_online(store: Store, charge_points: list[ChargePointKeys]) -> int:
    return sum(bool(one and one.online) for one in await leases.list_holdings(store, charge_points))


async def test_no_charge_point_stays_online_that_left_while_its_gateway_was_paused(central: Central) -> None:
    tenant = await trio.to_thread.run_sync(central.tenant)
    all_ = [ChargePointKeys(tenant.id, f"cp-{number}") for number in range(60)]
    with trio.fail_after(180):
        async with (
            open_store(StoreConfig(url=central.valkey.url)) as store,
            central.gateway(),
            central.gateway() as paused,
        ):

            async def connect_until_cancelled(number: int, connected: list[int]) -> None:
                async with charge_point(tenant.url(paused, f"cp-{number}")) as peer:
                    connected.append(number)
                    await peer.ended.wait()

            async def is_offline() -> bool:
                return await count_online(store, all_) == 0

            async with trio.open_nursery() as nursery:
                connected: list[int] = []
                for number in range(len(all_)):
                    nursery.start_soon(connect_until_cancelled, number, connected)
                await until(lambda: len(connected) == len(all_))
                os.kill(paused.pid, signal.SIGSTOP)
                await until(is_offline)
                nursery.cancel_scope.cancel()  # All charge points leave.
            os.kill(paused.pid, signal.SIGCONT)
            await trio.sleep(5)  # Time for a heartbeat, so that the gateway is not dead any more.
            # A lease that nobody holds, as if a late step of the paused gateway had taken it back.
            own = next(
                one.incarnation
                for one in await nodes.list_nodes(store)
                if one.node is not None and one.node.pid == paused.pid
            )
            ghost = ChargePointKeys(tenant.id, "ghost")
            await hold(store, own, [ghost])
            await trio.sleep(25)
            assert await count_online(store, [*all_, ghost]) == 0


async def test_many_dead_nodes_are_reaped_once_and_then_cost_almost_nothing(central: Central) -> None:
    """A gateway that has just started takes no living gateway for dead."""
    tenant = await trio.to_thread.run_sync(central.tenant)
    dead, each = [nodes.new_incarnation() for _ in range(8)], 1_000
    with trio.fail_after(240):
        async with (
            open_store(StoreConfig(url=central.valkey.url)) as store,
            central.gateway() as one,
            central.gateway() as two,
            charge_point(tenant.url(one, "live-1")) as first,
            charge_point(tenant.url(two, "live-2")) as second,
        ):
            for incarnation in dead:
                all_ = [ChargePointKeys(tenant.id, f"{incarnation}-{number}") for number in range(each)]
                await hold(store, incarnation, all_)
                await nodes.beat(store, incarnation, DEAD)
            await store.execute("CONFIG", "RESETSTAT")
            async with central.gateway():
                await until(lambda: nothing_is_held(store, dead), 120)
                steps = (await count_calls(store)).get(
                    "srem", 0
                ) / 2  # A step that reaps a lease calls it twice.
                assert len(dead) * each <= steps < 1.2 * len(dead) * each
                living = [ChargePointKeys(tenant.id, name) for name in ("live-1", "live-2")]
                assert await count_online(store, living) == 2
                await first.call("Heartbeat", {})
                await second.call("Heartbeat", {})
                await trio.sleep(5)  # Each gateway looks once more at each dead node.
                await store.execute("CONFIG", "RESETSTAT")
                began = time.monotonic()
                await trio.sleep(12)
                read = (await count_calls(store)).get("smembers", 0) / (time.monotonic() - began)
                assert read < len(dead) * PARTITIONS / 10


async def test_a_charge_point_is_admitted_after_its_gateway_was_killed_again_and_again(
    central: Central,
) -> None:
    tenant = await trio.to_thread.run_sync(central.tenant)
    with trio.fail_after(180):
        for _ in range(7):
            async with (
                central.gateway() as gateway,
                charge_point(tenant.url(gateway, "survivor")) as peer,
            ):
                await peer.call("Heartbeat", {})
                await trio.to_thread.run_sync(gateway.kill)


async def hold(store: Store, incarnation: str, charge_points: list[ChargePointKeys]) -> None:
    """Give the leases to a node, as its claims would."""
    commands: list[tuple[str | int | bytes, ...]] = []
    for number, one in enumerate(charge_points):
        fields = ("epoch", 1, "holder", f"{incarnation}/{number + 10_000}", "node", incarnation)
        commands += [
            ("HSET", one.lease, *fields, "connection", CONNECTION),
            ("SADD", one.held(incarnation), one.member),
        ]
    await store.pipeline(commands)


async def nothing_is_held(store: Store, dead: list[str]) -> bool:
    sets = [keys.held(partition, one) for partition in range(PARTITIONS) for one in dead]
    return not any(await store.pipeline([("EXISTS", key) for key in sets]))
