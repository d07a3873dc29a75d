"""Two connections of one charge point: the newest wins on every node, and no command is sent twice."""

import os
import signal
from contextlib import AsyncExitStack
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import trio

from gateway.upkeep import AUDIT_S
from gateway.websocket.client import UpgradeRefused
from state.keys import ChargePointKeys
from state.nodes import leases
from state.store import StoreConfig, open_store
from state.tenants import tokens
from tests.support.charge_point_peer import Peer, charge_point
from tests.support.pace import Pace
from tests.support.raw_upgrade import dial, read_answer, request
from tests.support.waiting import until
from tests.system.central import Central, Process

type Gateways = tuple[Process, Process]

POLICY = 1008
SAME_AND_OTHER = pytest.mark.parametrize("other", [0, 1], ids=["one process", "two processes"])


@SAME_AND_OTHER
async def test_the_newest_connection_of_a_charge_point_replaces_the_older_one(
    central: Central, gateways: Gateways, other: int, pace: Pace
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp")) as old:
            await old.call("Heartbeat", {})
            async with charge_point(tenant.url(gateways[other], "cp")) as new:
                # If the other node did not report the end of the old session, the new session would wait for
                # 2 s.
                with pace.within(1.5):
                    assert await old.wait_closed() == (POLICY, "peer")
                    await new.call("Heartbeat", {})
                    connection = (await api.get("/charge-points/cp")).json()["connection"]
                    assert connection["online"] is True
                    answer = await api.post("/charge-points/cp/commands/ClearCache", json={})
                    assert answer.status_code == 200, answer.text
                assert [action for _, action, _ in new.asked] == ["ClearCache"]
                assert new.closed is None
            await until(lambda: is_offline(api, "cp"))


async def is_offline(api: httpx.AsyncClient, charge_point: str) -> bool:
    found = (await api.get(f"/charge-points/{charge_point}")).json()
    return found["connection"]["online"] is False


@SAME_AND_OTHER
async def test_a_queued_command_is_sent_once_by_the_new_session_after_a_takeover(
    central: Central, gateways: Gateways, other: int
) -> None:
    """The old session waits for the answer to a call, and the next command is queued."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            charge_point(tenant.url(gateways[0], "cp"), lambda *_: None) as old,
        ):
            first = await send(api, "ClearCache", {})
            await old.wait_asked()
            second = await send(api, "ChangeAvailability", {"connectorId": 0, "type": "Operative"})
            async with charge_point(tenant.url(gateways[other], "cp")) as new:
                await until(lambda: has_status(api, second, "answered"))
                assert [id_ for id_, _, _ in new.asked] == [second]
                # The outcome of the first command is unknown, so csms does not send it again.
                assert await has_status(api, first, "unknown")
            assert [id_ for id_, _, _ in old.asked] == [first]


async def send(api: httpx.AsyncClient, action: str, payload: Any) -> str:
    answer = await api.post(f"/charge-points/cp/commands/{action}?wait=0", json=payload)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def has_status(api: httpx.AsyncClient, command: str, status: str) -> bool:
    return bool((await api.get(f"/commands/{command}")).json()["status"] == status)


async def test_exactly_one_of_several_simultaneous_connections_of_a_charge_point_stays_open(
    central: Central, gateways: Gateways
) -> None:
    """Each charge point opens four connections at once, over two processes."""
    tenant = central.tenant()
    ids = [f"cp-{number}" for number in range(10)]
    peers: dict[str, list[Peer]] = {id_: [] for id_ in ids}
    with trio.fail_after(120):
        async with tenant.api() as api, trio.open_nursery() as nursery:

            async def live(id_: str, gateway: Process, task_status: trio.TaskStatus[None]) -> None:
                async with charge_point(tenant.url(gateway, id_)) as peer:
                    peers[id_].append(peer)
                    task_status.started()
                    await trio.sleep_forever()

            async with trio.open_nursery() as racing:
                for id_ in ids:
                    for number in range(4):
                        racing.start_soon(nursery.start, live, id_, gateways[number % 2])

            async def decided() -> bool:
                alive = [[peer for peer in peers[id_] if not peer.ended.is_set()] for id_ in ids]
                return all(len(of_one) == 1 for of_one in alive)

            await until(decided)
            for id_ in ids:
                [winner] = [peer for peer in peers[id_] if not peer.ended.is_set()]
                answer = await api.post(f"/charge-points/{id_}/commands/ClearCache", json={})
                assert answer.status_code == 200, answer.text
                assert [len(peer.asked) for peer in peers[id_] if peer is not winner] == [0, 0, 0]
                assert len(winner.asked) == 1
            nursery.cancel_scope.cancel()


@pytest.mark.slow  # A node audits its leases every 10 s.
async def test_the_audit_of_leases_finds_takeovers_and_revoked_tokens_even_if_an_inbox_message_was_lost(
    central: Central, gateways: Gateways
) -> None:
    """The inbox messages about a takeover and about a revoked token are lost."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            open_store(StoreConfig(url=central.valkey.url)) as store,
            tenant.api() as api,
            charge_point(tenant.url(gateways[0], "taken")) as taken,
        ):
            other = (await api.post("/tokens", json={})).json()
            url = tenant.url(gateways[1], "revoked").replace(tenant.token, other["secret"])
            async with charge_point(url) as revoked:
                await revoked.call("Heartbeat", {})
                attachment = leases.Attachment(
                    address="192.0.2.1", tls=None, since_ms=0, node="nowhere", token_id=tenant.token_id
                )
                claimed = await leases.claim(
                    store,
                    ChargePointKeys(tenant.id, "taken"),
                    holder="nowhere/1",
                    not_after_ms=store.server_time_ms() + 5000,
                    attachment=attachment,
                    register=False,
                )
                assert isinstance(claimed, leases.Claimed)
                assert await tokens.revoke(store, tenant.id, other["id"])
                assert await taken.wait_closed() == (POLICY, "peer")
                assert await revoked.wait_closed() == (POLICY, "peer")


async def test_a_charge_point_that_reconnects_too_often_is_refused(
    central: Central, gateways: Gateways
) -> None:
    """After five takeovers within a minute the present connection stays."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with AsyncExitStack() as stack:
            peers: list[Peer] = []
            store = await stack.enter_async_context(open_store(StoreConfig(url=central.valkey.url)))

            async def has_counted(takeovers: int) -> bool:
                lease = ChargePointKeys(tenant.id, "cp").lease
                return int(await store.execute("HGET", lease, "takeovers") or 0) == takeovers

            for number in range(6):
                url = tenant.url(gateways[number % 2], "cp")
                peers.append(await stack.enter_async_context(charge_point(url)))
                # The node of the former session counts, so the next connection may come earlier.
                await until(partial(has_counted, number))
            with pytest.raises(UpgradeRefused) as refused:
                await stack.enter_async_context(charge_point(tenant.url(gateways[0], "cp")))
            assert refused.value.status == 429
            assert 0 < int(dict(refused.value.headers)["retry-after"]) <= 60
            await peers[-1].call("Heartbeat", {})
            for old in peers[:-1]:
                assert await old.wait_closed() == (POLICY, "peer")


async def test_a_connection_ends_if_its_charge_point_is_disconnected_or_deleted_or_if_its_token_is_revoked(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            charge_point(tenant.url(gateways[0], "bye")) as bye,
            charge_point(tenant.url(gateways[1], "gone")) as gone,
            charge_point(tenant.url(gateways[0], "one")) as one,
            charge_point(tenant.url(gateways[1], "two")) as two,
        ):
            assert (await api.post("/charge-points/bye/disconnect")).status_code == 202
            assert await bye.wait_closed() == (1000, "peer")
            await until(lambda: is_offline(api, "bye"))
            assert (await api.post("/charge-points/bye/disconnect")).status_code == 409
            assert (await api.delete("/charge-points/gone")).status_code == 204
            assert await gone.wait_closed() == (POLICY, "peer")
            assert (await api.get("/charge-points/gone")).status_code == 404
            assert (await api.delete(f"/tokens/{tenant.token_id}")).status_code == 204
            assert await one.wait_closed() == (POLICY, "peer")
            assert await two.wait_closed() == (POLICY, "peer")
            with pytest.raises(UpgradeRefused) as refused:
                async with charge_point(tenant.url(gateways[0], "one")):
                    pass
            assert refused.value.status == 401


async def test_a_tenant_that_has_charge_points_is_not_deleted(central: Central, gateways: Gateways) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp")) as cp:
            await cp.call("Heartbeat", {})
            itself = f"{tenant.admin}/v1/tenants/{tenant.id}"
            assert (await api.delete(itself)).status_code == 409  # The tenant still has charge points.
            await cp.call("Heartbeat", {})


async def test_charge_points_of_a_dead_gateway_go_offline_and_come_back(
    central: Central, gateways: Gateways, pace: Pace
) -> None:
    """Soon its charge points are marked offline, and commands to them are answered 409.

    Living charge points reconnect.
    """
    tenant = central.tenant()
    with trio.fail_after(180):
        async with (
            tenant.api() as api,
            central.gateway() as doomed,
            charge_point(tenant.url(doomed, "cp")) as cp,
            charge_point(tenant.url(doomed, "lost")) as lost,
            charge_point(tenant.url(gateways[0], "bystander")) as bystander,
        ):
            await cp.call("Heartbeat", {})
            await lost.call("Heartbeat", {})
            doomed.kill()
            # The gateway is judged dead after 10 s. The turns before and after that take 3 s each.
            with pace.within(20):
                await until(lambda: refuses_commands(api), every_s=0.5)
            async with charge_point(tenant.url(gateways[1], "cp")) as back:
                answer = await api.post("/charge-points/cp/commands/ClearCache", json={})
                assert answer.status_code == 200, answer.text
                await until(lambda: is_offline(api, "lost"))
                connection = (await api.get("/charge-points/cp")).json()["connection"]
                assert connection["online"] is True
                assert back.closed is None
            await bystander.call("Heartbeat", {})


async def refuses_commands(api: httpx.AsyncClient) -> bool:
    answer = await api.post("/charge-points/lost/commands/ClearCache?timeout=1&wait=0", json={})
    assert answer.status_code in {202, 409}, answer.text
    return answer.status_code == 409


@SAME_AND_OTHER
async def test_a_dead_socket_of_a_charge_point_delays_its_next_connection_by_two_seconds_at_most(
    central: Central, gateways: Gateways, other: int, pace: Pace
) -> None:
    """A charge point lost its network and reconnects.

    The dead socket delays the new connection by at most 2 s.
    """
    tenant = central.tenant()
    with trio.fail_after(120):
        url = tenant.url(gateways[0], "cp")
        with dial(url) as mute:
            mute.sendall(request(urlsplit(url).path))
            assert (await trio.to_thread.run_sync(read_answer, mute)).status == 101
            async with tenant.api() as api, charge_point(tenant.url(gateways[other], "cp")) as new:
                with pace.within(4):
                    answer = await api.post("/charge-points/cp/commands/ClearCache", json={})
                assert answer.status_code == 200, answer.text
                assert len(new.asked) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("gateways")
async def test_charge_points_that_left_while_their_gateway_was_paused_stay_offline(
    central: Central,
) -> None:
    """Other processes have reaped the leases of the paused gateway.

    When that gateway goes on, it takes back only the leases of charge points that are still connected.
    """
    tenant = central.tenant()
    left = [f"left-{number}" for number in range(40)]
    with trio.fail_after(180):
        async with (
            tenant.api() as api,
            central.gateway() as paused,
            charge_point(tenant.url(paused, "stays")) as stays,
        ):
            try:
                async with trio.open_nursery() as leaving:
                    for name in left:
                        await leaving.start(stay_connected, tenant.url(paused, name))
                    os.kill(paused.pid, signal.SIGSTOP)
                    for name in ("stays", *left):
                        await until(partial(is_offline, api, name))
                    leaving.cancel_scope.cancel()
            finally:
                os.kill(paused.pid, signal.SIGCONT)
            await until(lambda: is_online(api, "stays"))
            await until(lambda: has_sessions(paused, 1))
            await trio.sleep(AUDIT_S + 2)  # Time for one more audit.
            assert [name for name in left if not await is_offline(api, name)] == []
            await stays.call("Heartbeat", {})


async def stay_connected(url: str, *, task_status: trio.TaskStatus[None]) -> None:
    async with charge_point(url):
        task_status.started()
        await trio.sleep_forever()


async def has_sessions(gateway: Process, count: int) -> bool:
    return (await gateway.read_metrics())["csms_sessions",] == count


@pytest.mark.slow
async def test_sessions_go_on_after_a_pause_of_their_gateway_process(
    central: Central, gateways: Gateways
) -> None:
    """Other processes have judged the paused gateway to be dead.

    The sessions of the paused gateway take their leases back, and no session ends.
    """
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            central.gateway() as paused,
            charge_point(tenant.url(paused, "talks")) as talks,
            charge_point(tenant.url(paused, "silent")) as silent,
            charge_point(tenant.url(gateways[0], "bystander")) as bystander,
        ):
            number = (await talks.start())["transactionId"]
            os.kill(paused.pid, signal.SIGSTOP)
            try:
                await until(lambda: is_offline(api, "talks"))
                await until(lambda: is_offline(api, "silent"))
            finally:
                os.kill(paused.pid, signal.SIGCONT)
            await talks.stop(number)
            assert not await is_offline(api, "talks")  # The Lua step for the stop took back this lease.
            await until(lambda: is_online(api, "silent"))  # The node's audit took back the other lease.
            for id_ in ("talks", "silent", "bystander"):

                async def answers(id_: str = id_) -> bool:
                    answer = await api.post(f"/charge-points/{id_}/commands/ClearCache?timeout=5", json={})
                    return answer.status_code == 200

                await until(answers, every_s=0.5)
            assert [cp.closed for cp in (talks, silent, bystander)] == [None, None, None]


async def is_online(api: httpx.AsyncClient, charge_point: str) -> bool:
    return not await is_offline(api, charge_point)
