"""A gateway and an admin process start while the store is away, and `csms up` ends before it is back."""

import signal
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import trio

from tests.support.charge_point_peer import charge_point
from tests.support.fault_proxy import fault_proxy
from tests.support.up_process import UpProcess
from tests.support.waiting import until, wait_until
from tests.system.central import Central, Process


def free_ports(count: int) -> Sequence[int]:
    with ExitStack() as stack:
        found = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in found]


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


async def probe(port: int, path: str) -> tuple[int, str]:
    async with httpx.AsyncClient(timeout=60, verify=False) as client:
        answer = await client.get(f"http://127.0.0.1:{port}{path}")
        return answer.status_code, answer.text


async def test_processes_that_start_while_their_store_is_away_wait_for_it_alive_and_not_ready(
    central: Central,
) -> None:
    tenant = central.tenant()
    ws, ws_health, api, api_health = free_ports(4)
    processes: list[Process] = []
    with trio.fail_after(120):
        async with fault_proxy(central.valkey.path) as proxy:
            proxy.refuse = True
            url = f"redis://127.0.0.1:{proxy.port}"
            try:
                processes += [
                    central.start_gateway(store_url=url, listen__ws_port=ws, listen__health_port=ws_health),
                    central.start_admin(store_url=url, listen__port=api, listen__health_port=api_health),
                ]
                for port in (ws_health, api_health):
                    await until(partial(listens, port))
                    status, says = await probe(port, "/livez")
                    assert status == 200
                    assert says.startswith("ok, but ")
                    assert str(proxy.port) in says
                    status, says = await probe(port, "/readyz")
                    assert status == 503
                    assert says.startswith("not ready: ")
                    assert str(proxy.port) in says
                assert not listens(ws)
                assert not listens(api)
                proxy.refuse = False
                gateway, admin = processes
                for process in processes:
                    await trio.to_thread.run_sync(process.wait_ready)
                for port in (ws_health, api_health):
                    assert await probe(port, "/readyz") == (200, "ok\n")
                async with charge_point(tenant.url(gateway, "cp")), tenant.api(admin) as client:
                    assert (await client.get("/charge-points/cp")).status_code == 200
            finally:
                for process in processes:
                    await trio.to_thread.run_sync(process.stop)


def test_csms_up_waits_for_a_store_that_is_away_and_ends_at_once_after_a_signal(tmp_path: Path) -> None:
    [port] = free_ports(1)
    url = f"redis://:hunter2@127.0.0.1:{port}/0"
    started = UpProcess(tmp_path / "data", env={"CSMS__STORE__URL": url})
    try:
        wait_until(lambda: "store.awaited" in started.errors())
        assert str(port) in started.errors()
        assert started.stop(signal.SIGTERM) == 0
        assert "hunter2" not in started.errors()
    finally:
        started.close()
