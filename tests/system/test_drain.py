"""SIGTERM to a gateway: running calls are answered, and each charge point gets CLOSE 1012."""

from contextlib import AsyncExitStack
from itertools import pairwise
from statistics import fmean
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import trio

from tests.support.charge_point_peer import Peer, charge_point, now
from tests.support.fault_proxy import fault_proxy
from tests.support.pace import Pace
from tests.support.waiting import GENEROUS_S, until
from tests.system.central import Central, Process
from tests.system.raw_upgrade import dial, read_answer, request

RESTART = 1012
FLEET = 20


async def exit_code(gateway: Process) -> int:
    with trio.fail_after(GENEROUS_S):
        return await trio.to_thread.run_sync(gateway.child.wait, abandon_on_cancel=True)


async def online(api: httpx.AsyncClient) -> list[str]:
    found = await api.get("/charge-points", params={"online": "true", "limit": "200"})
    return [item["id"] for item in found.json()["items"]]


async def test_calls_that_are_being_handled_are_answered_before_a_drain_closes_the_connection(
    central: Central,
) -> None:
    """The store answers only after the signal."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            fault_proxy(central.valkey.path) as proxy,
            central.gateway(
                store_url=f"redis://127.0.0.1:{proxy.port}", store__timeout_s=60, drain__window_s=0
            ) as gateway,
            AsyncExitStack() as stack,
        ):
            fleet = [
                await stack.enter_async_context(charge_point(tenant.url(gateway, f"cp-{number}")))
                for number in range(FLEET)
            ]
            assert len(await online(api)) == FLEET
            answers: dict[int, Any] = {}

            async def start(number: int, cp: Peer) -> None:
                payload = {"connectorId": 1, "idTag": "X", "meterStart": number, "timestamp": now()}
                answers[number] = await cp.call("StartTransaction", payload)

            async def shows(metric: str, value: float) -> bool:
                return (await gateway.read_metrics())[metric,] == value

            async with trio.open_nursery() as nursery:
                proxy.requests_wait_for = trio.Event()
                for number, cp in enumerate(fleet):
                    nursery.start_soon(start, number, cp)
                await until(lambda: shows("csms_messages_total", FLEET))
                gateway.terminate()
                await until(lambda: shows("csms_draining", 1))
                assert answers == {}
                proxy.requests_wait_for.set()
            for cp in fleet:
                assert await cp.wait_closed() == (RESTART, "peer")
            assert await exit_code(gateway) == 0
            assert await online(api) == []
            stored = (await api.get("/transactions", params={"limit": "200"})).json()["items"]
            assert {one["transaction_id"] for one in stored} == {
                answer["transactionId"] for answer in answers.values()
            }
            assert len(stored) == FLEET


async def test_a_drain_spreads_its_close_frames_over_the_drain_window(central: Central, pace: Pace) -> None:
    """The CLOSE frames are spread evenly, and charging sessions get theirs last.

    An unanswered CLOSE delays no other CLOSE.
    """
    tenant, window_s = central.tenant(), 3.0
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            central.gateway(drain__window_s=window_s) as gateway,
            AsyncExitStack() as stack,
        ):
            url = tenant.url(gateway, "mute")
            mute = stack.enter_context(dial(url))
            mute.sendall(request(urlsplit(url).path))
            assert (await trio.to_thread.run_sync(read_answer, mute)).status == 101
            fleet = []
            for number in range(FLEET):
                cp = await stack.enter_async_context(charge_point(tenant.url(gateway, f"cp-{number}")))
                if number < 5:
                    await cp.start()
                elif number < 10:
                    await cp.stop((await cp.start())["transactionId"])
                fleet.append(cp)
            closed: dict[int, float] = {}

            async def note(number: int, cp: Peer) -> None:
                assert await cp.wait_closed() == (RESTART, "peer")
                closed[number] = trio.current_time() - signalled

            async with trio.open_nursery() as nursery:
                for number, cp in enumerate(fleet):
                    nursery.start_soon(note, number, cp)
                signalled = trio.current_time()
                gateway.terminate()
            assert await exit_code(gateway) == 0
            assert await online(api) == []
            charging, others = [closed[n] for n in range(5)], [closed[n] for n in range(5, FLEET)]
            assert fmean(charging) - fmean(others) > 0.2 * window_s
            if pace.judged:
                times = sorted(closed.values())
                assert 0.7 * window_s < times[-1] - times[0]
                assert times[-1] < window_s + 1.5
                assert max(later - earlier for earlier, later in pairwise(times)) < 1.0
                assert min(charging) > max(others)


async def test_a_drain_waits_until_answers_to_commands_are_stored(central: Central) -> None:
    """The outcome of a command is stored, even if the gateway stops right after the answer arrives."""
    tenant = central.tenant()
    commands = "/charge-points/cp/commands"
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            fault_proxy(central.valkey.path) as proxy,
            central.gateway(store_url=f"redis://127.0.0.1:{proxy.port}", drain__window_s=0) as gateway,
            charge_point(tenant.url(gateway, "cp"), lambda *_: None) as cp,
        ):
            for _ in range(3):
                late = await api.post(f"{commands}/GetConfiguration?timeout=1", json={})
                assert late.status_code == 504, late.text
            asked = [id_ for id_, _, _ in cp.asked]
            proxy.delay_s = 0.3
            for id_ in asked:
                await cp.send([3, id_, {"configurationKey": [{"key": "K", "readonly": True}]}])
            await cp.call("Heartbeat", {})
            gateway.terminate()
            assert await cp.wait_closed() == (RESTART, "peer")
            assert await exit_code(gateway) == 0
            found = [(await api.get(f"/commands/{id_}")).json()["status"] for id_ in asked]
            assert found == ["answered"] * 3


@pytest.mark.slow  # The gateway waits for the store twice, for 5 s each time.
async def test_a_drain_ends_even_without_a_store(central: Central) -> None:
    """The gateway cannot report its end to a store that is away.

    It waits for the store only for a limited time.
    """
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            fault_proxy(central.valkey.path) as proxy,
            central.gateway(store_url=f"redis://127.0.0.1:{proxy.port}") as gateway,
            charge_point(tenant.url(gateway, "cp")) as cp,
        ):
            await cp.call("Heartbeat", {})
            proxy.refuse = True
            proxy.cut()
            gateway.terminate()
            assert await cp.wait_closed() == (RESTART, "peer")
            assert await exit_code(gateway) == 0


async def test_a_second_signal_to_a_gateway_ends_its_drain_at_once(central: Central) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            central.gateway(drain__window_s=60) as gateway,
            charge_point(tenant.url(gateway, "cp-1")) as first,
            charge_point(tenant.url(gateway, "cp-2")) as second,
        ):
            gateway.terminate()

            async def one_has_left() -> bool:
                return first.ended.is_set() or second.ended.is_set()

            await until(one_has_left)  # The other charge point would be closed half a minute later.
            gateway.terminate()
            assert await exit_code(gateway) == 1
            closed = {await first.wait_closed(), await second.wait_closed()}
            assert closed == {(RESTART, "peer"), (1006, "lost")}
