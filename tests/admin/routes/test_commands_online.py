"""Commands with `when=online` over HTTP, and how they are cancelled."""

from typing import Any

import httpx
import pytest
import trio

from admin.http import times
from state import charge_points, commands
from state.charge_points import Settings
from state.keys import ChargePointKeys
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import connected, is_silent
from tests.admin.problem import is_problem
from tests.support.waiting import until

KEYS = ChargePointKeys(TENANT, "CP-1")
PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1/commands"
COMMANDS = f"/v1/tenants/{TENANT}/commands"
DAY_MS = 86_400_000
BOOT = {"requestedMessage": "BootNotification"}


@pytest.fixture
async def api(api: Api) -> Api:
    """Return an API for which the charge point is registered."""
    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    return api


async def send(api: Api, action: str = "ClearCache", query: str = "", **given: Any) -> httpx.Response:
    with trio.fail_after(60):
        return await api.client.post(f"{PATH}/{action}?when=online{query}", **given)


async def waits(api: Api, action: str = "ClearCache", query: str = "", **given: Any) -> dict[str, Any]:
    response = await send(api, action, query, **given)
    assert response.status_code == 202, response.text
    answer: dict[str, Any] = response.json()
    assert (answer["status"], answer["when"], answer["sent_at"]) == ("waiting", "online", None)
    return answer


async def read(api: Api, id_: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api.client.get(f"{COMMANDS}/{id_}")).json()
    return found


@pytest.mark.parametrize(("query", "lasts_ms"), [("", DAY_MS), ("&online_within=2592000", 30 * DAY_MS)])
async def test_a_command_for_an_offline_charge_point_is_recorded_and_answered_202_at_once(
    api: Api, query: str, lasts_ms: int
) -> None:
    answer = await waits(api, query=query)
    found = await commands.get(api.store, TENANT, answer["id"])
    assert found is not None
    assert found.deadline_ms - found.created_ms == lasts_ms
    assert answer["deadline_at"] == times.text(found.deadline_ms)
    assert await read(api, answer["id"]) == answer
    assert (await api.read_all(PATH)) == [answer]


async def test_a_command_for_an_online_charge_point_is_sent_now_and_a_request_may_wait_for_its_answer(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        response = await send(api, query="&wait=300")
        assert response.status_code == 200, response.text
        answer = response.json()
    assert (answer["status"], answer["when"]) == ("answered", "online")
    assert answer["deadline_at"] < times.text(api.store.server_time_ms() + 60_000)


async def test_at_most_32_commands_wait_for_a_charge_point_and_a_further_one_is_answered_429(
    api: Api,
) -> None:
    for _ in range(32):
        await waits(api)
    response = await send(api)
    document = is_problem(response, 429, "busy")
    assert "32 commands wait already until this charge point is online" in document["detail"]
    assert response.headers["Retry-After"] == "300"
    assert (await read(api, document["id"]))["status"] == "busy"


async def test_a_repeated_idempotency_key_gets_the_command_that_waits(api: Api) -> None:
    key = {"Idempotency-Key": "once"}
    first = await waits(api, headers=key)
    assert (await waits(api, headers=key))["id"] == first["id"]
    # The parameters of a request do not count.
    now = await api.client.post(f"{PATH}/ClearCache?wait=0", headers=key)
    assert (now.status_code, now.json()["id"]) == (202, first["id"])
    is_problem(await send(api, "Reset", json={"type": "Soft"}, headers=key), 422, "idempotency-key-reused")
    assert len((await commands.read_lists(api.store, KEYS)).waiting) == 1


async def test_a_command_that_waits_can_be_cancelled(api: Api) -> None:
    answer = await waits(api)
    for _ in range(2):
        response = await api.client.post(f"{COMMANDS}/{answer['id']}/cancel")
        assert response.status_code == 200, response.text
        assert (response.json()["status"], response.json()["sent_at"]) == ("cancelled", None)
    assert await commands.read_lists(api.store, KEYS) == ([], [])
    key = {"Idempotency-Key": "k"}
    again = await waits(api, headers=key)
    await api.client.post(f"{COMMANDS}/{again['id']}/cancel")
    is_problem(await send(api, headers=key), 409, "cancelled")


async def test_a_command_that_was_sent_or_has_ended_cannot_be_cancelled(api: Api) -> None:
    offline = is_problem(await api.client.post(f"{PATH}/ClearCache"), 409, "offline")
    document = is_problem(await api.client.post(f"{COMMANDS}/{offline['id']}/cancel"), 409, "already-ended")
    assert "ended as offline" in document["detail"]
    async with connected(api.store, TENANT, "CP-1", is_silent):
        sent = (await send(api, query="&wait=0.3")).json()
        while sent["status"] == "waiting":
            sent = await read(api, sent["id"])
        document = is_problem(await api.client.post(f"{COMMANDS}/{sent['id']}/cancel"), 409, "already-sent")
        assert document["command"]["status"] == "sent"
    unknown = f"{offline['id'][:2]}.AAAAAAAAAAAAAAAAAAAAAA"
    is_problem(await api.client.post(f"{COMMANDS}/{unknown}/cancel"), 404, "not-found")


async def test_a_queued_command_can_be_cancelled_and_the_request_that_waits_is_answered_409(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1", deaf=True), trio.open_nursery() as nursery:

        async def cancel() -> None:
            async def is_listed() -> bool:
                return await api.read_all(PATH) != []

            await until(is_listed)
            listed = await api.read_all(PATH)
            response = await api.client.post(f"{COMMANDS}/{listed[0]['id']}/cancel")
            assert response.status_code == 200, response.text

        nursery.start_soon(cancel)
        with trio.fail_after(60):
            is_problem(await api.client.post(f"{PATH}/ClearCache?timeout=60"), 409, "cancelled")


async def test_a_request_that_waits_is_answered_504_when_its_command_has_waited_too_long(api: Api) -> None:
    async with trio.open_nursery() as nursery:

        async def expire() -> None:
            async def is_waiting() -> bool:
                return (await commands.read_lists(api.store, KEYS)).waiting != []

            await until(is_waiting)
            [id_] = (await commands.read_lists(api.store, KEYS)).waiting
            await commands.settle(api.store, KEYS, id_, status="expired")  # As the sweep of a gateway does.

        nursery.start_soon(expire)
        document = is_problem(await send(api, query="&wait=60"), 504, "deadline-passed")
    assert "longer `online_within`" in document["detail"]
    assert document["command"]["sent_at"] is None


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
async def test_a_command_for_later_is_not_judged_by_the_present_registration(api: Api, status: str) -> None:
    await api.store.execute("HSET", KEYS.record, "boot_status", status)
    stop = {"transactionId": 7}
    is_problem(await api.client.post(f"{PATH}/RemoteStopTransaction", json=stop), 409, "not-accepted")
    answer = await waits(api, "RemoteStopTransaction", json=stop)
    assert answer["warnings"] == ["csms knows no transaction 7 of this charge point."]
    # The command is sent after a BootNotification was accepted, and csms must not request another one then.
    is_problem(await send(api, "TriggerMessage", json=BOOT), 409, "already-accepted")


async def test_a_reservation_that_may_be_over_before_the_charge_point_is_online_is_warned_of(
    api: Api,
) -> None:
    expires = times.text(api.store.server_time_ms() + 3_600_000)
    body = {"connectorId": 1, "expiryDate": expires, "idTag": "TAG", "reservationId": 1}
    warning = "The expiryDate may have passed when the charge point is online."
    assert warning in (await waits(api, "ReserveNow", json=body))["warnings"]
    soon = await waits(api, "ReserveNow", "&online_within=60", json=body)
    assert warning not in soon["warnings"]


async def test_the_secret_in_a_command_that_waits_is_stored_only_encrypted(api: Api) -> None:
    body = {"key": "SomePassword", "value": "opensesame"}
    answer = await waits(api, "ChangeConfiguration", json=body)
    stored = await api.store.execute("HGETALL", KEYS.command(answer["id"]))
    assert b"opensesame" not in b" ".join([*stored.keys(), *stored.values()])
    assert b"sealed" in stored
    await api.client.post(f"{COMMANDS}/{answer['id']}/cancel")
    assert await api.store.execute("HEXISTS", KEYS.command(answer["id"]), "sealed") == 0


@pytest.mark.parametrize(
    "query",
    ["when=later", "online_within=60", "when=online&online_within=0", "when=online&online_within=2592001"],
)
async def test_a_wrong_time_to_wait_is_answered_422(api: Api, query: str) -> None:
    response = await api.client.post(f"{PATH}/ClearCache?{query}")
    is_problem(response, 422, "invalid-request")
    assert await api.read_all(PATH) == []
