"""Batches over HTTP: begun with a filter, tried without sending, read, listed and cancelled."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio

from admin.batches import selection, work
from admin.batches.task import Batches
from state import charge_points
from state.batches import batches
from state.batches.items import OUTCOMES
from state.charge_points import Settings
from state.commands import Go
from state.events import events
from state.events.cursor import Cursor
from state.keys import BatchKeys
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import FakeSession, accepts, connected, is_silent, refuses
from tests.admin.problem import is_problem
from tests.support.headroom import pretend
from tests.support.waiting import until

BASE = f"/v1/tenants/{TENANT}/batches"
RESET: dict[str, Any] = {"action": "Reset", "payload": {"type": "Soft"}, "filter": {}}


@pytest.fixture(autouse=True)
def no_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here no gateway ends overdue commands, so the batch does it."""
    monkeypatch.setattr(work, "OVERDUE_S", 0.2)
    monkeypatch.setattr(work, "TURN_S", 0.2)


async def rejects(session: FakeSession, command: str, _: Go) -> None:
    await session.answer(command, b'{"status":"Rejected"}')


@asynccontextmanager
async def working(api: Api) -> AsyncIterator[None]:
    """Work on batches, as an admin process does."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Batches(api.services).run)
        yield
        nursery.cancel_scope.cancel()


async def register(api: Api, *ids: str) -> None:
    for id_ in ids:
        await charge_points.put(api.store, TENANT, id_, Settings())


async def begin(api: Api, headers: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    response = await api.client.post(BASE, json=RESET | changes, headers=headers)
    assert response.status_code == 202, response.text
    found: dict[str, Any] = response.json()
    return found


async def read(api: Api, batch: str) -> dict[str, Any]:
    response = await api.client.get(f"{BASE}/{batch}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def until_ended(api: Api, batch: str) -> dict[str, Any]:
    async def has_ended() -> bool:
        return (await read(api, batch))["ended_at"] is not None

    await until(has_ended, every_s=0.1)
    return await read(api, batch)


async def read_outcomes(api: Api, batch: str) -> dict[str, tuple[str, str | None]]:
    items = await api.read_all(f"{BASE}/{batch}/items", limit=2)
    return {item["charge_point"]: (item["outcome"], item["detail"]) for item in items}


async def read_events(api: Api) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the events of batches: kind, charge point and data."""
    found = (await events.read(api.store, TENANT, Cursor(0, {}), 512)).events
    return [
        (event.kind, event.charge_point, msgspec.json.decode(event.data))
        for event in found
        if event.kind.startswith("batch.")
    ]


async def test_a_batch_reaches_each_charge_point_once_and_says_what_became_of_each(api: Api) -> None:
    await register(api, "off", "deaf-not")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(working(api))
        sessions = {
            id_: await stack.enter_async_context(connected(api.store, TENANT, id_, answering))
            for id_, answering in (
                ("agrees", accepts),
                ("disagrees", rejects),
                ("errs", refuses),
                ("silent", is_silent),
            )
        }
        begun = await begin(api, timeout=1)
        assert begun["phase"] == "running"
        assert begun["counts"]["total"] == begun["counts"]["to_do"] == 6
        ended = await until_ended(api, begun["id"])
    assert ended["phase"] == "finished"
    assert ended["counts"] == {
        "total": 6,
        "to_do": 0,
        "waiting": 0,
        "accepted": 1,
        "rejected": 1,
        "rejected_statuses": {"Rejected": 1},
        "call_error": 1,
        "no_answer": 1,
        "offline": 2,
        "not_sent": 0,
    }
    assert await read_outcomes(api, begun["id"]) == {
        "agrees": ("accepted", "Accepted"),
        "deaf-not": ("offline", None),
        "disagrees": ("rejected", "Rejected"),
        "errs": ("call_error", "NotSupported"),
        "off": ("offline", None),
        "silent": ("no_answer", "timeout"),
    }
    for session in sessions.values():
        assert len(session.claimed) == 1
    items = {item["charge_point"]: item for item in await api.read_all(f"{BASE}/{begun['id']}/items")}
    assert items["agrees"]["command"] == sessions["agrees"].claimed[0]
    assert items["agrees"]["ended_at"] <= ended["ended_at"]
    command = (await api.client.get(f"/v1/tenants/{TENANT}/commands/{items['agrees']['command']}")).json()
    assert command["api_key"] == begun["api_key"]
    charge_points_of = {"batch": begun["id"], "action": "Reset", "charge_points": 6}
    charge_points_of["api_key"] = begun["api_key"]
    counts = {name: ended["counts"][name] for name in (*OUTCOMES, "to_do")}
    assert await read_events(api) == [
        ("batch.started", "", charge_points_of),
        ("batch.finished", "", charge_points_of | counts),
    ]


async def test_a_dry_run_counts_the_charge_points_and_sends_nothing(api: Api) -> None:
    ids = [f"CP-{number:03}" for number in range(120)]
    await register(api, *ids, "other")
    async with connected(api.store, TENANT, "CP-007") as session, working(api):
        response = await api.client.post(f"{BASE}?dry_run=true", json=RESET | {"filter": {"prefix": "CP-"}})
        assert response.status_code == 200
        assert response.json() == {"total": 120, "charge_points": ids[:100]}
        assert (await api.client.get(BASE)).json() == {"items": [], "next": None}
        assert session.claimed == []
    assert await read_events(api) == []


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ({}, ["A-1", "A-2", "B-1"]),
        ({"online": True}, ["A-2"]),
        ({"online": False, "prefix": "A"}, ["A-1"]),
        ({"boot_status": "Pending"}, []),
        ({"charge_points": ["B-1", "A-2", "B-1"]}, ["A-2", "B-1"]),
        ({"charge_points": ["B-1", "A-2"], "online": False}, ["B-1"]),
        ({"charge_points": ["B-1", "A-2"], "prefix": "A"}, ["A-2"]),
        ({"charge_points": ["B-1", "A-2"], "trouble": "any"}, []),
        ({"trouble": "offline"}, []),
    ],
)
async def test_a_batch_reaches_the_charge_points_that_pass_each_part_of_its_filter(
    api: Api, filter_: dict[str, Any], found: list[str]
) -> None:
    await register(api, "A-1", "B-1")
    async with connected(api.store, TENANT, "A-2"):
        response = await api.client.post(f"{BASE}?dry_run=true", json=RESET | {"filter": filter_})
        assert response.json() == {"total": len(found), "charge_points": found}
        begun = await begin(api, filter=filter_)
    assert begun["filter"] == filter_
    assert begun["counts"]["total"] == len(found)
    items = await api.read_all(f"{BASE}/{begun['id']}/items")
    assert [(item["charge_point"], item["outcome"], item["command"]) for item in items] == [
        (id_, "to_do", None) for id_ in found
    ]


async def test_a_batch_that_reaches_nobody_finishes(api: Api) -> None:
    async with working(api):
        ended = await until_ended(api, (await begin(api))["id"])
    assert (ended["phase"], ended["counts"]["total"]) == ("finished", 0)


@pytest.mark.parametrize(
    ("changes", "kind", "pointer"),
    [
        ({"action": "Rest"}, "invalid-request", "/action"),
        ({"action": "StatusNotification"}, "invalid-request", "/action"),
        ({"payload": {"type": "soft"}}, "invalid-payload", "/payload/type"),
        ({"payload": {}}, "invalid-payload", "/payload/type"),
        ({"filter": {"charge_points": ["CP-1", "CP-2"]}}, "invalid-request", "/filter/charge_points/1"),
        ({"filter": {"charge_points": []}}, "invalid-request", "/filter/charge_points"),
        ({"filter": {"prefx": "CP"}}, "invalid-request", "/filter/prefx"),
        ({"per_second": 0}, "invalid-request", "/per_second"),
        ({"per_second": 101}, "invalid-request", "/per_second"),
        ({"timeout": 0.5}, "invalid-request", "/timeout"),
        ({"when": "later"}, "invalid-request", "/when"),
        (
            {"action": "ChangeConfiguration", "payload": {"key": "AuthorizationKey", "value": "x" * 16}},
            "invalid-request",
            "/payload/key",
        ),
    ],
)
@pytest.mark.parametrize("query", ["", "?dry_run=true"])
async def test_a_wrong_batch_is_refused_with_the_place_of_its_error(
    api: Api, changes: dict[str, Any], kind: str, pointer: str, query: str
) -> None:
    await register(api, "CP-1")
    problem = is_problem(await api.client.post(f"{BASE}{query}", json=RESET | changes), 422, kind)
    assert problem["errors"][0]["pointer"] == pointer
    assert (await api.client.get(BASE)).json()["items"] == []


async def test_a_batch_without_a_filter_is_refused_so_that_nobody_reaches_all_by_mistake(api: Api) -> None:
    response = await api.client.post(BASE, json={"action": "Reset", "payload": {"type": "Soft"}})
    assert "filter" in is_problem(response, 422, "invalid-request")["detail"]


async def test_too_many_charge_points_are_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "CHARGE_POINTS_MAX", 2)
    await register(api, "CP-1", "CP-2")
    assert (await api.client.post(f"{BASE}?dry_run=true", json=RESET)).status_code == 200
    await register(api, "CP-3")
    is_problem(await api.client.post(BASE, json=RESET), 422, "too-many-charge-points")


async def test_a_repeated_request_with_the_same_key_begins_no_other_batch(api: Api) -> None:
    await register(api, "CP-1")
    key = {"Idempotency-Key": "nightly"}
    first = await begin(api, key)
    await register(api, "CP-2")
    again = await begin(api, key)
    assert again == first
    refused = await api.client.post(BASE, json=RESET | {"per_second": 5}, headers=key)
    assert is_problem(refused, 422, "idempotency-key-reused")["id"] == first["id"]
    wrong = await api.client.post(BASE, json=RESET, headers={"Idempotency-Key": "a b"})
    is_problem(wrong, 422, "invalid-request")
    assert len((await api.client.get(BASE)).json()["items"]) == 1


async def test_a_tenant_with_ten_running_batches_gets_429(api: Api) -> None:
    for _ in range(batches.RUNNING_MAX):
        await begin(api)
    refused = await api.client.post(BASE, json=RESET)
    is_problem(refused, 429, "too-many-batches")
    assert refused.headers["Retry-After"] == "60"


async def test_a_store_with_little_room_takes_no_new_batch(api: Api) -> None:
    with trio.fail_after(60):
        await pretend(api.store, "scarce")
        is_problem(await api.client.post(BASE, json=RESET), 507, "store-full")


async def test_a_cancelled_batch_sends_nothing_more_and_records_the_answers_to_what_it_sent(api: Api) -> None:
    other = await api.as_key(None)
    ids = [f"CP-{number}" for number in range(6)]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(working(api))
        sessions = [
            await stack.enter_async_context(connected(api.store, TENANT, id_, is_silent)) for id_ in ids
        ]
        begun = await begin(api, per_second=0.5, timeout=600)
        await until(lambda: bool(sessions[0].claimed))
        cancelled = await api.client.post(f"{BASE}/{begun['id']}/cancel", headers=other)
        assert cancelled.status_code == 202
        assert cancelled.json()["phase"] == "cancelling"

        async def has_stopped() -> bool:
            return bool((await read(api, begun["id"]))["counts"]["to_do"] == 5)

        await until(has_stopped)
        now = await read(api, begun["id"])
        assert (now["phase"], now["counts"]["waiting"]) == ("cancelling", 1)
        assert (await api.client.post(f"{BASE}/{begun['id']}/cancel")).status_code == 202
        await sessions[0].answer(sessions[0].claimed[0], b'{"status":"Accepted"}')
        ended = await until_ended(api, begun["id"])
        assert [len(session.claimed) for session in sessions] == [1, 0, 0, 0, 0, 0]
    assert ended["phase"] == "cancelled"
    assert (ended["counts"]["accepted"], ended["counts"]["to_do"], ended["counts"]["waiting"]) == (1, 5, 0)
    assert ended["cancelled_by"] not in {None, begun["api_key"]}
    assert ended["cancelled_at"] <= ended["ended_at"]
    outcomes = await read_outcomes(api, begun["id"])
    assert outcomes == {"CP-0": ("accepted", "Accepted")} | dict.fromkeys(ids[1:], ("to_do", None))
    kind, _, data = (await read_events(api))[-1]
    assert kind == "batch.cancelled"
    assert (data["to_do"], data["accepted"], data["cancelled_by"]) == (5, 1, ended["cancelled_by"])
    is_problem(await api.client.post(f"{BASE}/{begun['id']}/cancel"), 409, "already-ended")


async def test_what_a_single_command_would_be_refused_for_is_not_sent(api: Api) -> None:
    await charge_points.put(api.store, TENANT, "held-back", Settings(registration="Pending"))
    await register(api, "deleted")
    async with connected(api.store, TENANT, "held-back") as session:
        begun = await begin(api, action="RemoteStopTransaction", payload={"transactionId": 7})
        assert await charge_points.delete(api.store, TENANT, "deleted") is True
        async with working(api):
            ended = await until_ended(api, begun["id"])
        assert session.claimed == []
    assert ended["counts"]["not_sent"] == 2
    assert await read_outcomes(api, begun["id"]) == {
        "deleted": ("not_sent", "not-found"),
        "held-back": ("not_sent", "not-accepted"),
    }
    items = (await api.client.get(f"{BASE}/{begun['id']}/items")).json()["items"]
    assert [item["command"] for item in items] == [None, None]


async def test_credentials_in_a_payload_are_stored_encrypted_and_reach_the_charge_point(api: Api) -> None:
    location = "ftp://user:pass@logs.example/up"
    sent: list[bytes] = []

    async def remember(session: FakeSession, command: str, go: Go) -> None:
        sent.append(go.payload)
        await session.answer(command, b"{}")

    async with connected(api.store, TENANT, "CP-1", remember):
        begun = await begin(api, action="GetDiagnostics", payload={"location": location})
        assert begun["payload"] == {"location": "ftp://***@logs.example/up"}
        stored = await api.store.execute("HGETALL", BatchKeys(TENANT, begun["id"]).record)
        assert not any(b"pass" in value for value in stored.values())
        assert stored[b"sealed"]
        async with working(api):
            ended = await until_ended(api, begun["id"])
        stored = await api.store.execute("HGETALL", BatchKeys(TENANT, begun["id"]).record)
    assert ended["counts"]["accepted"] == 1
    assert [msgspec.json.decode(payload) for payload in sent] == [{"location": location}]
    assert b"sealed" not in stored


async def test_the_list_shows_batches_of_the_tenant_and_filters_by_whether_they_run(api: Api) -> None:
    async with working(api):
        ended = await until_ended(api, (await begin(api))["id"])
    await register(api, "CP-1")
    running = await begin(api)
    assert await api.read_all(BASE, limit=1) == [running, ended]
    assert await api.read_all(BASE, running="true") == [running]
    assert await api.read_all(BASE, running="false") == [ended]


@pytest.mark.parametrize("path", ["none", "none/items"])
async def test_an_unknown_batch_is_404(api: Api, path: str) -> None:
    is_problem(await api.client.get(f"{BASE}/{path}"), 404, "not-found")


async def test_an_unknown_batch_cannot_be_cancelled(api: Api) -> None:
    is_problem(await api.client.post(f"{BASE}/none/cancel"), 404, "not-found")


async def test_items_can_be_filtered_by_their_outcome(api: Api) -> None:
    await register(api, "CP-1")
    async with connected(api.store, TENANT, "CP-2"), working(api):
        begun = await begin(api)
        await until_ended(api, begun["id"])
    found = await api.read_all(f"{BASE}/{begun['id']}/items", outcome="offline")
    assert [item["charge_point"] for item in found] == ["CP-1"]
    wrong = await api.client.get(f"{BASE}/{begun['id']}/items?outcome=lost")
    is_problem(wrong, 422, "invalid-request")
    is_problem(await api.client.get(f"{BASE}/{begun['id']}/items?cursor=eA"), 422, "invalid-request")


async def test_a_batch_whose_commands_wait_for_charge_points_says_how_long(api: Api) -> None:
    async def begin_with(**more: Any) -> tuple[str, float | None]:
        response = await api.client.post(BASE, json=RESET | more)
        assert response.status_code == 202, response.text
        return response.json()["when"], response.json()["online_within"]

    assert await begin_with(when="online", online_within=60) == ("online", 60)
    assert await begin_with(when="online") == ("online", 86_400)
    assert await begin_with() == ("now", None)
    refused = await api.client.post(BASE, json=RESET | {"online_within": 60})
    problem = is_problem(refused, 422, "invalid-request")
    assert problem["errors"][0]["pointer"] == "/online_within"
