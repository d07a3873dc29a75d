"""SIGTERM to a gateway: running calls are answered, and each charge point gets CLOSE 1012."""

import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
import trio

from gateway.config import DrainConfig
from gateway.drain import LAST_WORDS_S, LEAVE_S, TAIL_S
from tests.support.charge_point_peer import Peer, charge_point, now
from tests.support.fault_proxy import fault_proxy
from tests.support.pace import Pace
from tests.support.processes import handles
from tests.support.raw_upgrade import dial, read_answer, request
from tests.support.waiting import GENEROUS_S, until
from tests.system.central import Central, Process, central_system

RESTART = 1012
FLEET = 20
STORE_AWAY_S = 1 + LAST_WORDS_S + LEAVE_S + 1
"""A call that waits for 1 s, the last writes, and the exit itself."""

DEFAULT_GRACE_S = 30


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
                proxy.requests.wait_for = trio.Event()
                for number, cp in enumerate(fleet):
                    nursery.start_soon(start, number, cp)
                await until(lambda: shows("csms_websocket_messages_total", FLEET))
                gateway.terminate()
                await until(lambda: shows("csms_draining", 1))
                assert answers == {}
                proxy.requests.wait_for.set()
            for cp in fleet:
                assert await cp.wait_closed() == (RESTART, "peer")
            assert await exit_code(gateway) == 0
            assert await online(api) == []
            stored = (await api.get("/transactions", params={"limit": "200"})).json()["items"]
            assert {one["ocpp_transaction_id"] for one in stored} == {
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
            proxy.replies.delay_s = 0.3
            for id_ in asked:
                await cp.send([3, id_, {"configurationKey": [{"key": "K", "readonly": True}]}])
            await cp.call("Heartbeat", {})
            gateway.terminate()
            assert await cp.wait_closed() == (RESTART, "peer")
            assert await exit_code(gateway) == 0
            found = [(await api.get(f"/commands/{id_}")).json()["status"] for id_ in asked]
            assert found == ["answered"] * 3


class Subject(NamedTuple):
    """A process that gets SIGTERM, and the greatest number of seconds until its end, on an idle machine."""

    process: Process
    within_s: float


async def end_all(subjects: Sequence[Subject], pace: Pace) -> None:
    """Send SIGTERM to all processes at the same time, and check their ends."""

    async def end(subject: Subject) -> None:
        began = trio.current_time()
        subject.process.terminate()
        assert await exit_code(subject.process) == 0
        if pace.judged:
            assert trio.current_time() - began < subject.within_s

    async with trio.open_nursery() as nursery:
        for subject in subjects:
            nursery.start_soon(end, subject)


async def ask(api: httpx.AsyncClient) -> None:
    """Send a request that the process may cut off when it ends."""
    with suppress(httpx.TransportError):
        assert (await api.get("/charge-points")).status_code == 503


async def waits_for_its_store(process: Process) -> bool:
    metrics = await process.read_metrics()
    return any(metrics.get(name, 0) > 0 for name in (("csms_store_in_flight",), ("csms_store", "in_flight")))


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Central]:
    """A central system of one test, which may pause its store."""
    with central_system(tmp_path) as system:
        yield system


async def test_processes_whose_store_does_not_answer_any_more_end_in_time_after_a_signal(
    own: Central, pace: Pace
) -> None:
    """The store is paused while it has a call to store. Nothing can be written before the process ends."""
    tenant = own.tenant()
    with trio.fail_after(120):
        async with (
            own.gateway(drain__window_s=0, store__timeout_s=1) as gateway,
            own.second_admin(own.valkey.url, store__timeout_s=1, limits__graceful_s=0.5) as admin,
            charge_point(tenant.url(gateway, "idle")) as idle,
            charge_point(tenant.url(gateway, "busy")) as busy,
            tenant.api(admin) as api,
            trio.open_nursery() as nursery,
        ):
            assert (await api.get("/charge-points")).status_code == 200
            own.valkey.pause()
            try:
                nursery.start_soon(busy.send, [2, "1", "Authorize", {"idTag": "X"}])
                nursery.start_soon(ask, api)
                await until(partial(waits_for_its_store, gateway))
                await until(partial(waits_for_its_store, admin))
                await end_all([Subject(gateway, STORE_AWAY_S), Subject(admin, 5)], pace)
                assert await idle.wait_closed() == (RESTART, "peer")
                assert await busy.wait_closed() == (RESTART, "peer")
            finally:
                own.valkey.resume()


@pytest.mark.slow
@pytest.mark.parametrize("state", ["gone", "slow"])
async def test_processes_whose_store_has_gone_or_answers_slowly_end_in_time_after_a_signal(
    central: Central, pace: Pace, state: str
) -> None:
    """A slow store needs 2 s for each answer. The drain then has no time for everything, and ends anyway."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with fault_proxy(central.valkey.path) as proxy:
            url = f"redis://127.0.0.1:{proxy.port}"
            async with (
                central.gateway(store_url=url) as gateway,
                central.second_admin(url) as admin,
                charge_point(tenant.url(gateway, "cp")) as cp,
            ):
                await cp.call("Heartbeat", {})
                if state == "slow":
                    proxy.replies.delay_s = 2
                else:
                    proxy.refuse = True
                    proxy.cut()
                await end_all([Subject(gateway, 0.2 + TAIL_S + 1), Subject(admin, 5)], pace)
                assert await cp.wait_closed() == (RESTART, "peer")


@pytest.mark.slow
async def test_a_default_gateway_ends_within_30_seconds_even_if_store_and_charge_points_are_mute(
    own: Central, pace: Pace
) -> None:
    """30 s is the grace of Kubernetes. The last charge points get their CLOSE at the end of the window."""
    tenant = own.tenant()
    with trio.fail_after(120), ExitStack() as stack:
        async with own.gateway(drain__window_s=DrainConfig().window_s) as gateway:
            for number in range(FLEET):
                url = tenant.url(gateway, f"mute-{number}")
                mute = stack.enter_context(dial(url))
                mute.sendall(request(urlsplit(url).path))
                assert (await trio.to_thread.run_sync(read_answer, mute)).status == 101
            own.valkey.pause()
            try:
                await end_all([Subject(gateway, DEFAULT_GRACE_S)], pace)
            finally:
                own.valkey.resume()


async def test_processes_that_wait_for_their_store_at_the_start_end_at_once_after_a_signal(
    central: Central, pace: Pace
) -> None:
    """One store does not exist. The other one accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        urls = "unix:///does/not/exist.sock", f"redis://127.0.0.1:{silent.getsockname()[1]}"
        processes = [
            start(store_url=url) for url in urls for start in (central.start_gateway, central.start_admin)
        ]
        try:
            async with trio.open_nursery() as nursery:
                for process in processes:
                    nursery.start_soon(until, lambda p=process: handles(p.pid, signal.SIGTERM))
            await end_all([Subject(process, 2) for process in processes], pace)
        finally:
            for process in processes:
                process.kill()


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
