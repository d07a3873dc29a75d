"""A batch to 200 charge points, of which some do not answer, while the process that works on it is killed."""

import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio

from state.nodes import nodes
from state.store import Store, StoreConfig, open_store
from tests.support.charge_point_peer import Peer, Serve, charge_point
from tests.support.waiting import until
from tests.system.central import Central, Process, Tenant

pytestmark = pytest.mark.slow  # Another process goes on after 10 s.

GROUPS: dict[str, tuple[int, Serve | None]] = {
    "accepts": (130, lambda *_: {"status": "Accepted"}),
    "errs": (10, lambda *_: ["NotSupported", "not here", {}]),
    "offline": (20, None),
    "rejects": (20, lambda *_: {"status": "Rejected"}),
    "silent": (20, lambda *_: None),
}
"""How many charge points behave in each way."""
OUTCOMES = {
    "accepts": ("accepted", "Accepted"),
    "errs": ("call_error", "NotSupported"),
    "offline": ("offline", None),
    "rejects": ("rejected", "Rejected"),
    "silent": ("no_answer", "timeout"),
}
RESET: dict[str, Any] = {"action": "Reset", "payload": {"type": "Soft"}, "filter": {}, "timeout": 60}


@asynccontextmanager
async def fleet(tenant: Tenant, gateway: Process) -> AsyncIterator[dict[str, Peer]]:
    """Connect all charge points but those that are offline, which are only registered."""
    peers: dict[str, Peer] = {}

    async def stay(id_: str, serve: Serve, task_status: trio.TaskStatus[None]) -> None:
        async with charge_point(tenant.url(gateway, id_), serve) as peer:
            await peer.call("BootNotification", {"chargePointVendor": "v", "chargePointModel": "m"})
            peers[id_] = peer
            task_status.started()
            await peer.ended.wait()

    async with tenant.api() as api, trio.open_nursery() as nursery:
        for group, (number, serve) in GROUPS.items():
            for index in range(number):
                id_ = f"{group}-{index:03}"
                if serve is None:
                    assert (await api.put(f"/charge-points/{id_}", json={})).status_code == 201
                else:
                    await nursery.start(_starting(stay, id_, serve))
        yield peers
        nursery.cancel_scope.cancel()


def _starting(stay: Callable[..., Any], id_: str, serve: Serve) -> Callable[..., Any]:
    async def start(task_status: trio.TaskStatus[None]) -> None:
        await stay(id_, serve, task_status)

    return start


async def begin(api: httpx.AsyncClient, **changes: Any) -> str:
    response = await api.post("/batches", json=RESET | changes)
    assert response.status_code == 202, response.text
    id_: str = response.json()["id"]
    return id_


async def read(api: httpx.AsyncClient, batch: str) -> dict[str, Any]:
    response = await api.get(f"/batches/{batch}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def until_ended(api: httpx.AsyncClient, batch: str) -> dict[str, Any]:
    async def has_ended() -> bool:
        return (await read(api, batch))["ended_at"] is not None

    await until(has_ended, 300, every_s=0.5)
    return await read(api, batch)


async def read_items(api: httpx.AsyncClient, batch: str) -> dict[str, dict[str, Any]]:
    page = (await api.get(f"/batches/{batch}/items", params={"limit": 1000})).json()
    assert page["next"] is None
    return {item["charge_point"]: item for item in page["items"]}


async def find_other_admin(store: Store, own: Process) -> int:
    """Return the pid of the admin process that is not `own`."""
    found = [one.node for one in await nodes.list_nodes(store) if one.node is not None]
    [pid] = {node.pid for node in found if node.kind == "admin"} - {own.pid}
    return pid


async def test_each_charge_point_that_is_online_gets_the_command_once_although_the_process_is_killed(
    central: Central, gateways: tuple[Process, Process]
) -> None:
    tenant = await trio.to_thread.run_sync(central.tenant)
    with trio.fail_after(600):
        async with (
            open_store(StoreConfig(url=central.valkey.url)) as store,
            fleet(tenant, gateways[0]) as peers,
            tenant.api() as api,
        ):

            def count_asked() -> int:
                return sum(len(peer.asked) for peer in peers.values())

            async with central.second_admin(central.valkey.url) as admin, tenant.api(admin) as of_admin:
                # The other admin process is paused, so this one works on the batch.
                other = await find_other_admin(store, admin)
                os.kill(other, signal.SIGSTOP)
                try:
                    batch = await begin(of_admin, per_second=20)
                    await until(lambda: count_asked() >= 60)
                    await trio.to_thread.run_sync(admin.kill)
                finally:
                    os.kill(other, signal.SIGCONT)
            assert count_asked() < len(peers)
            ended = await until_ended(api, batch)
            assert ended["phase"] == "finished"
            assert {id_: len(peer.asked) for id_, peer in peers.items()} == dict.fromkeys(peers, 1)
            items = await read_items(api, batch)
            for id_, item in items.items():
                assert (item["outcome"], item["detail"]) == OUTCOMES[id_.partition("-")[0]], id_
                if id_ in peers:
                    assert item["command"] == peers[id_].asked[0][0]
            counted = Counter(item["outcome"] for item in items.values())
            assert counted.total() == ended["counts"]["total"] == 200
            assert {name: ended["counts"][name] for name in counted} == dict(counted)


async def test_a_cancelled_batch_sends_nothing_more_and_its_counts_add_up(
    central: Central, gateways: tuple[Process, Process]
) -> None:
    tenant = await trio.to_thread.run_sync(central.tenant)
    with trio.fail_after(600):
        async with fleet(tenant, gateways[1]) as peers, tenant.api() as api:

            def count_asked() -> int:
                return sum(len(peer.asked) for peer in peers.values())

            batch = await begin(api, per_second=20)
            await until(lambda: count_asked() >= 40)
            response = await api.post(f"/batches/{batch}/cancel")
            assert response.status_code == 202, response.text
            ended = await until_ended(api, batch)
            assert ended["phase"] == "cancelled"
            asked = count_asked()
            assert 40 <= asked < len(peers)
            counts = ended["counts"]
            assert counts["waiting"] == 0
            assert counts["total"] - counts["to_do"] - counts["offline"] - counts["not_sent"] == asked
            items = await read_items(api, batch)
            assert {id_ for id_, item in items.items() if item["outcome"] == "to_do"} >= {
                id_ for id_, peer in peers.items() if not peer.asked
            } - {id_ for id_, item in items.items() if item["outcome"] == "not_sent"}
            await trio.sleep(1)
            assert count_asked() == asked
