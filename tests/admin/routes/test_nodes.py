from typing import Any

import msgspec
import pytest

from state import keys
from state.nodes import inbox, nodes
from state.nodes.inbox import Drain, DrainCancelled, Message, Shed
from state.store import Store
from tests.admin.a_gateway import RECORD
from tests.admin.api import TENANT, Api
from tests.admin.problem import is_problem
from tests.support import leases

PATH = "/v1/nodes"
GATEWAY = "a-gateway"
ORDERS: list[tuple[str, str, dict[str, Any] | None, Message]] = [
    ("POST", "drain", None, Drain(None)),
    ("POST", "drain", {"window_s": 20}, Drain(20)),
    ("DELETE", "drain", None, DrainCancelled()),
    ("POST", "shed", {"percent": 33, "window_s": 0}, Shed(33, 0)),
    ("POST", "shed", {"percent": 0.0 + 100}, Shed(100, None)),
]


async def read_inbox(store: Store, incarnation: str = GATEWAY) -> list[Message | None]:
    return [message for _, message in await inbox.read(store, incarnation, "0", 1)]


async def test_the_list_of_nodes_shows_what_each_process_reports_about_itself(api: Api) -> None:
    await nodes.beat(api.store, GATEWAY, RECORD)
    gateway, admin = (await api.client.get(PATH)).json()["items"]
    age = gateway.pop("last_beat_s")
    assert 0 <= age < 60
    assert gateway == {
        "id": GATEWAY,
        "kind": "gateway",
        "host": "pod-1",
        "pid": 7,
        "version": "1.2.3",
        "format": 2,
        "since": "2026-01-01T00:00:00.000Z",
        "alive": True,
        "dead_since": None,
        "sessions": 12,
        "draining": True,
        "lag_ms": 3.5,
    }
    assert (admin["kind"], admin["sessions"], admin["alive"]) == ("admin", None, True)
    assert (await api.client.get(f"{PATH}/{admin['id']}")).json()["pid"] == admin["pid"]
    is_problem(await api.client.get(f"{PATH}/nobody"), 404, "not-found")


async def test_a_node_of_an_older_release_or_without_a_record_is_listed_with_what_is_known(api: Api) -> None:
    old = b'{"kind":"gateway","host":"old","pid":1,"started_ms":0}'
    await api.store.execute("SET", keys.node("old"), old)
    for incarnation in ("old", "forgotten"):
        await api.store.execute("HINCRBY", keys.NODES, incarnation, 1)
    found = {one["id"]: one for one in (await api.client.get(PATH)).json()["items"]}
    members = ("kind", "host", "version", "format", "sessions", "draining")
    assert [found["old"][name] for name in members] == ["gateway", "old", None, 1, None, None]
    assert [found["forgotten"][name] for name in members] == [None] * 6


@pytest.mark.parametrize(("method", "what", "body", "message"), ORDERS)
async def test_an_order_to_a_gateway_reaches_its_inbox(
    api: Api, method: str, what: str, body: dict[str, Any] | None, message: Message
) -> None:
    await nodes.beat(api.store, GATEWAY, RECORD)
    response = await api.client.request(method, f"{PATH}/{GATEWAY}/{what}", json=body)
    assert (response.status_code, response.json()) == (202, {"node": GATEWAY})
    assert await read_inbox(api.store) == [message]


@pytest.mark.parametrize(("method", "what", "body", "_message"), ORDERS)
async def test_an_order_is_refused_by_a_node_that_cannot_obey_it(
    api: Api, method: str, what: str, body: dict[str, Any] | None, _message: Message
) -> None:
    own = api.services.inbox.incarnation
    await nodes.beat(api.store, "old", msgspec.structs.replace(RECORD, format=1))
    await nodes.beat(api.store, "deaf", RECORD)
    await api.store.execute("DEL", keys.inbox("deaf"))
    for node, status, kind in (
        (own, 409, "not-a-gateway"),
        ("old", 409, "gateway-too-old"),
        ("deaf", 503, "gateway-away"),
        ("nobody", 404, "not-found"),
    ):
        is_problem(await api.client.request(method, f"{PATH}/{node}/{what}", json=body), status, kind)
    assert await read_inbox(api.store, "old") == []


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("drain", {"window_s": -1}),
        ("drain", {"window_s": 86_401}),
        ("drain", {"percent": 3}),
        ("shed", {}),
        ("shed", {"percent": 0}),
        ("shed", {"percent": 101}),
    ],
)
async def test_an_order_outside_its_bounds_is_refused(api: Api, what: str, body: dict[str, Any]) -> None:
    await nodes.beat(api.store, GATEWAY, RECORD)
    is_problem(await api.client.post(f"{PATH}/{GATEWAY}/{what}", json=body), 422, "invalid-request")
    assert await read_inbox(api.store) == []


async def test_only_a_key_for_all_tenants_sees_nodes_and_gives_orders(api: Api) -> None:
    headers = await api.as_key([TENANT])
    await nodes.beat(api.store, GATEWAY, RECORD)
    for method, path in (
        ("GET", PATH),
        ("GET", f"{PATH}/{GATEWAY}"),
        *((method, f"{PATH}/{GATEWAY}/{what}") for method, what, _, _ in ORDERS),
    ):
        is_problem(await api.client.request(method, path, headers=headers), 404, "not-found")
    assert await read_inbox(api.store) == []


async def test_a_charge_point_is_shown_with_the_host_of_its_node(api: Api) -> None:
    path = f"/v1/tenants/{TENANT}/charge-points"
    for name in ("CP-1", "CP-2"):
        assert (await api.client.put(f"{path}/{name}", json={})).status_code == 201
    await nodes.beat(api.store, "a", RECORD)
    await leases.claimed(api.store, "a/1", keys.ChargePointKeys(TENANT, "CP-1"))
    await leases.claimed(api.store, "gone/1", keys.ChargePointKeys(TENANT, "CP-2"))
    shown = {one["id"]: one["connection"] for one in (await api.client.get(path)).json()["items"]}
    assert [shown["CP-1"][name] for name in ("node", "node_host")] == ["a", "pod-1"]
    assert [shown["CP-2"][name] for name in ("node", "node_host")] == ["gone", None]
    assert (await api.client.get(f"{path}/CP-1")).json()["connection"]["node_host"] == "pod-1"
