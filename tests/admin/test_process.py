"""The admin process serves, reports its ports, registers as a node and stops in time."""

import io
import json
import logging
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import msgspec
import pytest
import structlog
import trio

from admin.config import (
    AdminConfig,
    AdminLimits,
    AdminListen,
    AdminSecurity,
    ArchiveConfig,
    PackingConfig,
)
from admin.hypercorn import CannotListen, begin_listening, bind
from admin.process import serve_admin
from gateway.service import logs
from gateway.service.log_bound import LINES_PER_SECOND
from state import keys
from state.errors import StoreUnavailable
from state.events.cursor import Cursor
from state.nodes import nodes
from state.store import Store, StoreConfig, open_store
from state.tenants import api_keys, tenants
from tests.admin.api import PEPPER, TENANT
from tests.admin.problem import is_problem
from tests.support.event_stream import event_stream
from tests.support.fault_proxy import fault_proxy
from tests.support.finished import finish
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import until

LIMITS = AdminLimits(graceful_s=0.5)
STALLED = 20


def config_of(url: str, port: int = 0) -> AdminConfig:
    return AdminConfig(
        store=StoreConfig(url=url, timeout_s=1),
        security=AdminSecurity(pepper=PEPPER.decode()),
        listen=AdminListen(port=port, health_port=0),
        limits=LIMITS,
    )


class Running:
    """The admin process as a task of the test."""

    def __init__(self, config: AdminConfig) -> None:
        self.config = config
        self.stop = trio.Event()
        self.ports: dict[str, int] = {}
        self.gone = trio.Event()

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        def ready(ports: dict[str, int]) -> None:
            self.ports = ports
            task_status.started()

        await serve_admin(self.config, self.stop, ready)
        self.gone.set()


async def test_the_admin_process_answers_requests_and_probes_and_removes_its_node_record_when_it_ends(
    store: Store, redis_url: str
) -> None:
    await tenants.put(store, TENANT, name="", auto_register=False)
    made = await api_keys.create(store, PEPPER, "test", None)
    running = Running(config_of(redis_url))
    async with trio.open_nursery() as nursery, httpx.AsyncClient(verify=False) as client:
        await nursery.start(running.run)
        assert [node.kind for node in await nodes.list_nodes(store)] == ["admin"]
        url = f"http://127.0.0.1:{running.ports['admin']}/v1/tenants/{TENANT}"
        response = await client.get(url, headers={"Authorization": f"Bearer {made.secret}"})
        assert response.json()["id"] == TENANT
        health = f"http://127.0.0.1:{running.ports['health']}"
        for path in ("/livez", "/readyz"):
            assert (await client.get(health + path)).status_code == 200
        metrics = (await client.get(f"{health}/metrics")).text
        assert "csms_admin_event_clients 0.0" in metrics
        assert "csms_store_available 1.0" in metrics
        route = "/v1/tenants/{tenant}"
        assert f'csms_admin_requests_total{{method="GET",route="{route}",status="200"}} 1.0' in metrics
        assert 'csms_admin_request_seconds_count{method="GET"} 1.0' in metrics
        running.stop.set()
        with trio.fail_after(60):
            await running.gone.wait()
    assert await nodes.list_nodes(store) == []


async def test_the_admin_process_bounds_the_lines_of_its_log_and_counts_the_others(
    redis_url: str, request: pytest.FixtureRequest
) -> None:
    written = io.StringIO()
    request.addfinalizer(structlog.reset_defaults)
    request.addfinalizer(logging.getLogger().handlers.clear)
    logs.configure("info", "json", written)
    running = Running(config_of(redis_url))
    async with trio.open_nursery() as nursery:
        await nursery.start(running.run)
        for _ in range(LINES_PER_SECOND + 5):
            structlog.get_logger().warning("signing.refused")
        await until(lambda: "lines.left_out" in written.getvalue())
        running.stop.set()
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line["event"] for line in lines].count("signing.refused") == LINES_PER_SECOND
    assert [line["lines"] for line in lines if "lines" in line] == [{"signing.refused": 5}]


async def test_the_admin_process_archives_what_is_finished_and_shows_it_over_the_api(
    store: Store, redis_url: str, tmp_path: Path
) -> None:
    await tenants.put(store, TENANT, name="", auto_register=False)
    made = await api_keys.create(store, PEPPER, "test", None)
    number = await finish(store, "CP-1", tenant=TENANT)
    archive = ArchiveConfig(directory=str(tmp_path / "archive"))
    # The search for what older releases finished may put the transaction into the queue for packing again.
    config = msgspec.structs.replace(config_of(redis_url), archive=archive, packing=PackingConfig(after_s=0))
    running = Running(config)
    async with trio.open_nursery() as nursery, httpx.AsyncClient(verify=False) as client:
        await nursery.start(running.run)
        metrics = f"http://127.0.0.1:{running.ports['health']}/metrics"

        async def has_dropped() -> bool:
            return "csms_dropped_transactions_total 1.0" in (await client.get(metrics)).text

        await until(has_dropped)
        url = f"http://127.0.0.1:{running.ports['admin']}/v1/tenants/{TENANT}/transactions/CP-1.{number}"
        response = await client.get(url, headers={"Authorization": f"Bearer {made.secret}"})
        assert response.json()["archived"] is True
        running.stop.set()
        with trio.fail_after(60):
            await running.gone.wait()


@pytest.mark.parametrize("left", ["unread events", "half a body", "half a head"])
async def test_the_admin_process_stops_after_its_grace_whatever_its_clients_leave_undone(
    store: Store, redis_url: str, left: str
) -> None:
    await tenants.put(store, TENANT, name="", auto_register=False)
    made = await api_keys.create(store, PEPPER, "test", None)
    start = Cursor(store.server_time_ms(), {})
    data = msgspec.json.encode("x" * 30_000)
    stream_key = keys.events(keys.partition_of(TENANT, "CP-1"), TENANT)
    of = ("of", keys.join(TENANT, "CP-1"), "kind", "test", "data", data)
    await store.pipeline([("XADD", stream_key, "*", *of) for _ in range(300)])
    path, key = f"/v1/tenants/{TENANT}", f"Authorization: Bearer {made.secret}"
    sent = {
        "unread events": f"GET {path}/events HTTP/1.1\r\nHost: x\r\n{key}\r\n"
        f"Last-Event-ID: {start.encode()}\r\n\r\n",
        "half a body": f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n{key}\r\n\r\n{{",
        "half a head": "GET /v1/ten",
    }[left]
    # Nothing but the grace may end these connections.
    config = msgspec.structs.replace(
        config_of(redis_url),
        limits=AdminLimits(
            graceful_s=0.5, unacknowledged_s=3600, body_s=3600, response_s=3600, idle_connection_s=3600
        ),
    )
    running = Running(config)
    async with AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(trio.open_nursery())
        await nursery.start(running.run)
        for _ in range(STALLED):
            stalled = stack.enter_context(trio.socket.socket())
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await stalled.connect(("127.0.0.1", running.ports["admin"]))
            await stalled.send(sent.encode())
            if left == "unread events":
                assert await stalled.recv(1) == b"H"
        running.stop.set()
        with trio.fail_after(60):
            await running.gone.wait()


async def test_requests_are_answered_503_while_the_store_is_away_and_succeed_after_its_return(
    valkey: ValkeyServer, store: Store
) -> None:
    made = await api_keys.create(store, PEPPER, "test", None)
    headers = {"Authorization": f"Bearer {made.secret}"}
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(fault_proxy(valkey.url.removeprefix("unix://")))
        nursery = await stack.enter_async_context(trio.open_nursery())
        client = await stack.enter_async_context(httpx.AsyncClient(headers=headers, timeout=60))
        running = Running(config_of(f"redis://127.0.0.1:{proxy.port}"))
        await nursery.start(running.run)
        url = f"http://127.0.0.1:{running.ports['admin']}/v1/tenants"
        assert (await client.get(url)).status_code == 200
        proxy.refuse = True
        proxy.cut()
        response = await client.get(url)
        is_problem(response, 503, "store-unavailable")
        assert response.headers["retry-after"]
        proxy.refuse = False

        async def is_served() -> bool:
            return (await client.get(url)).status_code == 200

        await until(is_served, every_s=0.1)
        running.stop.set()


@pytest.mark.parametrize("cause", ["role change", "unblock"])
async def test_the_admin_process_goes_on_after_the_store_ended_its_blocked_reads(
    private_valkey: ValkeyServer, cause: str
) -> None:
    """A server that becomes a replica ends the blocked reads of all its clients with an error."""
    async with AsyncExitStack() as stack:
        stack.enter_context(trio.fail_after(60))
        # The store of the test is opened first, because a replica would be refused.
        store = await stack.enter_async_context(open_store(StoreConfig(url=private_valkey.url)))
        await tenants.put(store, TENANT, name="", auto_register=False)
        made = await api_keys.create(store, PEPPER, "test", None)
        nursery = await stack.enter_async_context(trio.open_nursery())
        headers = {"Authorization": f"Bearer {made.secret}"}
        client = await stack.enter_async_context(httpx.AsyncClient(headers=headers, timeout=60))
        running = Running(config_of(private_valkey.url))
        await nursery.start(running.run)
        path, port = f"/v1/tenants/{TENANT}", running.ports["admin"]
        base = f"http://127.0.0.1:{port}{path}"
        # The feed polls the store while a client reads events.
        stream = await stack.enter_async_context(event_stream(port, f"{path}/events", headers))
        await until(lambda: find_blocked(store))
        if cause == "role change":
            private_valkey.ask(b"REPLICAOF 127.0.0.1 1")
            with pytest.raises(StoreUnavailable, match="READONLY"):
                await store.execute("SET", "k", "v")
            private_valkey.ask(b"REPLICAOF NO ONE")
            await store.wait_available()
        else:
            [blocked] = await blocked_clients(store)
            assert await store.execute("CLIENT", "UNBLOCK", blocked, "ERROR") == 1

        async def is_served() -> bool:
            return (await client.get(base)).status_code == 200

        await until(is_served, every_s=0.1)
        await until(lambda: find_blocked(store))
        # The stream goes on, too.
        assert (await client.put(f"{base}/charge-points/CP-1", json={})).status_code == 201
        assert (await stream.next())[0] == "charge_point.registered"
        assert not running.gone.is_set()
        running.stop.set()


async def blocked_clients(store: Store) -> list[str]:
    clients: bytes = await store.execute("CLIENT", "LIST")
    found = [dict(pair.split("=", 1) for pair in line.split()) for line in clients.decode().splitlines()]
    return [client["id"] for client in found if "b" in client["flags"]]


async def find_blocked(store: Store) -> bool:
    return bool(await blocked_clients(store))


def test_the_admin_process_reports_an_occupied_port_in_one_line() -> None:
    with bind("127.0.0.1", 0, unacknowledged_s=5) as first:
        port = first.getsockname()[1]
        with bind("127.0.0.1", port, unacknowledged_s=5) as second:
            begin_listening(first)
            occupied = rf"^cannot listen on 127\.0\.0\.1:{port}: Address already in use; choose"
            with pytest.raises(CannotListen, match=occupied):
                begin_listening(second)
            with pytest.raises(CannotListen, match=occupied):
                bind("127.0.0.1", port, unacknowledged_s=5)
