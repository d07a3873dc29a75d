"""A session sends the commands that wait for its charge point when the charge point is accepted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from gateway.session import calls
from state import charge_points, commands, keys
from state.charge_points import Settings
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store
from tests.support.charge_point_peer import Peer, charge_point
from tests.support.inner_gateway import inner_gateway
from tests.support.seated import Seated
from tests.support.waiting import until

KEYS = ChargePointKeys("t", "cp")
BOOT = {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
NEVER_S = 3600.0
WAITS_MS = 600_000


@asynccontextmanager
async def seated(store: Store, redis_url: str, policy: Any = "Accepted") -> AsyncIterator[Seated]:
    """Run a gateway for a charge point that is registered and has never connected."""
    with trio.fail_after(120):
        async with inner_gateway(store, redis_url) as gateway:
            await charge_points.put(store, "t", "cp", Settings(registration=policy))
            await store.execute("XADD", keys.inbox(gateway.node.incarnation), "*", "begin", "")
            yield Seated(store, gateway)


@asynccontextmanager
async def peer(seat: Seated) -> AsyncIterator[Peer]:
    async with charge_point(f"{seat.gateway.url}/cp") as cp:
        yield cp


def asked(cp: Peer) -> list[str]:
    return [id_ for id_, _, _ in cp.asked]


async def test_commands_that_wait_are_sent_in_their_order_after_the_boot_notification_is_accepted(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "BOOT_S", NEVER_S)
    async with seated(store, redis_url) as seat:
        ids = [await seat.submit(waits_ms=WAITS_MS) for _ in range(3)]
        async with peer(seat) as cp:
            await cp.call("Heartbeat", {})
            await seat.until_idle()
            assert asked(cp) == []
            assert (await cp.call("BootNotification", BOOT))["status"] == "Accepted"
            ids.append(await seat.submit(waits_ms=WAITS_MS))
            for id_ in ids:
                await seat.until_status(id_, "answered")
            assert asked(cp) == ids


async def test_commands_that_wait_are_sent_to_a_charge_point_that_connects_again_without_a_boot_notification(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "BOOT_S", 0.1)
    async with seated(store, redis_url) as seat:
        id_ = await seat.submit(waits_ms=WAITS_MS)
        async with peer(seat) as cp:
            await seat.until_status(id_, "answered")
            assert asked(cp) == [id_]
            # The charge point is online already.
            later = await seat.submit(waits_ms=WAITS_MS)
            await seat.until_status(later, "answered")


async def test_commands_that_wait_are_held_back_while_the_charge_point_is_not_accepted(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "BOOT_S", 0.0)
    async with seated(store, redis_url, "Pending") as seat:
        id_ = await seat.submit(waits_ms=WAITS_MS)
        async with peer(seat) as cp:
            assert (await cp.call("BootNotification", BOOT))["status"] == "Pending"
            # A command that does not wait is sent although others are held back.
            now = await seat.submit()
            await seat.until_status(now, "answered")
            await seat.until_idle()
            assert (await seat.read(id_)).status == "waiting"
            await charge_points.accept(store, "t", "cp")
            assert (await cp.call("BootNotification", BOOT))["status"] == "Accepted"
            await seat.until_status(id_, "answered")
            assert asked(cp) == [now, id_]


async def test_a_strict_charge_point_must_boot_before_commands_that_wait_are_sent(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "BOOT_S", 0.0)
    async with seated(store, redis_url) as seat:
        await charge_points.put(store, "t", "cp", Settings(strict=True))
        id_ = await seat.submit(waits_ms=WAITS_MS)
        async with peer(seat) as cp:
            await seat.until_idle()
            assert (await seat.read(id_)).status == "waiting"
            await cp.call("BootNotification", BOOT)
            await seat.until_status(id_, "answered")


async def test_commands_that_wait_are_sent_after_an_operator_has_made_the_charge_point_less_strict(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "BOOT_S", 0.0)
    async with seated(store, redis_url) as seat:
        await charge_points.put(store, "t", "cp", Settings(strict=True))
        id_ = await seat.submit(waits_ms=WAITS_MS)
        async with peer(seat):
            await seat.until_idle()
            await charge_points.put(store, "t", "cp", Settings())
            await seat.session.reread_settings()
            await seat.until_status(id_, "answered")


async def test_a_command_that_was_claimed_but_not_written_waits_for_the_next_connection_and_is_sent_once(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "BOOT_S", 0.0)
    claimed, claim = trio.Event(), commands.claim

    async def claim_and_hang(store: Store, lease: Lease, id_: str, nonce: str) -> object:
        await claim(store, lease, id_, nonce)
        claimed.set()
        await trio.sleep_forever()
        return None

    async with seated(store, redis_url) as seat:
        first, second = await seat.submit(waits_ms=WAITS_MS), await seat.submit(waits_ms=WAITS_MS)
        with monkeypatch.context() as patched:
            patched.setattr(commands, "claim", claim_and_hang)
            async with peer(seat) as cp:
                await claimed.wait()
                assert (await seat.read(first)).status == "sent"
                cp.connection._stream.abort()
                await seat.until_status(first, "waiting")
                assert asked(cp) == []
        for _ in range(3):  # The charge point connects again and again.
            async with peer(seat) as cp:
                await seat.until_status(second, "answered")
                answered = asked(cp)
                if answered:
                    assert answered == [first, second]
        assert (await seat.read(first)).status == "answered"


async def test_a_session_for_which_nothing_waits_reads_no_list(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0
    read_lists = commands.read_lists

    async def count(store: Store, of: ChargePointKeys) -> commands.Lists:
        nonlocal read
        read += 1
        return await read_lists(store, of)

    monkeypatch.setattr(commands, "read_lists", count)
    async with seated(store, redis_url) as seat, peer(seat) as cp:
        await cp.call("BootNotification", BOOT)
        await seat.until_idle()
        assert read == 0
        await seat.submit(waits_ms=WAITS_MS)
        await until(lambda: asked(cp) != [])
        assert read > 0
