"""No lease is held for a session that has ended, whatever was still on its way when the session ended."""

from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from gateway.session.link import Link
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.nodes import leases
from state.store import Store
from tests.support.charge_point_peer import charge_point
from tests.support.inner_gateway import InnerGateway, inner_gateway
from tests.support.leases import held_by, kinds

KEYS = ChargePointKeys("t", "cp")


@pytest.fixture
async def gateway(store: Store, redis_url: str) -> AsyncIterator[InnerGateway]:
    with trio.fail_after(60):
        async with inner_gateway(store, redis_url) as found:
            yield found


def link_of(gateway: InnerGateway) -> Link:
    [session] = gateway.hub
    return session.link


async def wait_ended(link: Link) -> None:
    """Wait until the session has ended and its release is stored."""
    await link.wait_ended()
    await trio.testing.wait_all_tasks_blocked()
    await link.node.wait_until_seen_through()


async def nobody_is_online(gateway: InnerGateway) -> bool:
    holding = await leases.get_holding(gateway.node.store, KEYS.tenant, KEYS.id)
    return not (holding and holding.online) and not await held_by(
        gateway.node.store, gateway.node.incarnation, [KEYS.partition]
    )


async def lose_lease(gateway: InnerGateway) -> None:
    """Do what a wipe of the store does to the lease."""
    await gateway.node.store.execute("DEL", KEYS.lease, KEYS.held(gateway.node.incarnation))


async def test_a_session_that_is_still_connected_takes_its_lost_lease_again(gateway: InnerGateway) -> None:
    async with charge_point(f"{gateway.url}/cp") as cp:
        await cp.call("Heartbeat", {})
        await lose_lease(gateway)
        await link_of(gateway).apply_fence("lost")
        assert not await nobody_is_online(gateway)


async def test_a_session_that_ends_before_its_turn_to_take_its_lost_lease_again_takes_no_lease(
    gateway: InnerGateway,
) -> None:
    readoptions = gateway.node.readoptions
    async with trio.open_nursery() as nursery:
        async with charge_point(f"{gateway.url}/cp") as cp:
            await cp.call("Heartbeat", {})
            link = link_of(gateway)
            await lose_lease(gateway)
            taken = 0
            while readoptions.value:
                await readoptions.acquire()
                taken += 1
            nursery.start_soon(link.apply_fence, "lost")
            await trio.testing.wait_all_tasks_blocked()
        await wait_ended(link)
        for _ in range(taken):
            readoptions.release()
    await gateway.node.wait_until_seen_through()
    assert await nobody_is_online(gateway)
    assert await kinds(gateway.node.store, KEYS) == ["registered", "connected"]


@pytest.mark.parametrize("reply", ["arrives", "is lost"])
async def test_a_lease_that_is_taken_again_after_its_session_ended_is_released(
    gateway: InnerGateway, monkeypatch: pytest.MonkeyPatch, reply: str
) -> None:
    """The step was still on its way when the session ended. Its reply may be lost."""
    readopt, ended = leases.readopt, trio.Event()

    async def readopt_late(*args: object, **options: object) -> bool:
        await ended.wait()
        taken = await readopt(*args, **options)  # type: ignore[arg-type]  # The arguments of the caller.
        if reply == "is lost":
            raise StoreUnavailable("the store did not answer", sent=True)
        return taken

    monkeypatch.setattr(leases, "readopt", readopt_late)
    async with trio.open_nursery() as nursery:
        async with charge_point(f"{gateway.url}/cp") as cp:
            await cp.call("Heartbeat", {})
            link = link_of(gateway)
            await lose_lease(gateway)
            nursery.start_soon(link.apply_fence, "lost")
            await trio.testing.wait_all_tasks_blocked()
        await wait_ended(link)
        ended.set()
    await gateway.node.wait_until_seen_through()
    assert await nobody_is_online(gateway)
