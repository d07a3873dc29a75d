"""Commands over HTTP, with a fake session that handles them in a real store."""

from functools import partial

import msgspec
import pytest
import trio

from admin.commands import send
from state import charge_points, commands, keys
from state.charge_points import Settings
from state.commands import Go
from state.commands.record import Why
from state.nodes import leases, nodes
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import FakeSession, connected, is_silent, refuses
from tests.admin.problem import is_problem
from tests.support.waiting import until

PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1/commands"
STOP = {"transactionId": 7}
LONG = "wait=300&timeout=300"


async def test_an_answer_from_the_charge_point_wakes_the_http_request_that_waits_for_the_answer(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "REREAD_S", 3600)
    async with connected(api.store, TENANT, "CP-1") as session:
        with trio.fail_after(60):
            response = await api.client.post(f"{PATH}/RemoteStopTransaction?{LONG}", json=STOP)
        assert response.status_code == 200, response.text
        answer = response.json()
        assert answer["id"] == session.claimed[0]
        assert answer["status"] == "answered"
        assert answer["response"] == {"status": "Accepted"}
        assert answer["action"] == "RemoteStopTransaction"
        assert answer["charge_point"] == "CP-1"
        assert answer["payload"] == STOP
        assert answer["error"] is None
        read = await api.client.get(f"/v1/tenants/{TENANT}/commands/{answer['id']}")
        assert read.json() == answer | {"warnings": []}


async def test_the_commands_of_a_charge_point_are_listed_with_the_api_key_that_sent_them(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        other = await api.as_key([TENANT], "other")
        first = (await api.client.post(f"{PATH}/ClearCache")).json()
        await trio.sleep(0.01)  # The list is in the order of milliseconds.
        second = (await api.client.post(f"{PATH}/Reset", json={"type": "Soft"}, headers=other)).json()
    key_ids = [header["Authorization"].split("_")[1] for header in (api.client.headers, other)]
    assert [first["api_key"], second["api_key"]] == key_ids
    listed = await api.read_all(PATH, limit=1)
    assert listed == [second | {"warnings": []}, first | {"warnings": []}]
    unknown = await api.client.get(f"/v1/tenants/{TENANT}/charge-points/NOBODY/commands")
    is_problem(unknown, 404, "not-found")


@pytest.mark.parametrize("body", [None, b"", b"{}"])
async def test_a_command_whose_action_has_no_fields_needs_no_body(api: Api, body: bytes | None) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        headers = {"Content-Type": "application/json"} if body else {}
        response = await api.client.post(f"{PATH}/ClearCache", content=body, headers=headers)
        assert response.status_code == 200, response.text


async def test_a_request_is_answered_202_after_its_wait_time_and_the_outcome_can_be_read_later(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1", is_silent) as session:
        with trio.fail_after(60):
            response = await api.client.post(f"{PATH}/Reset?wait=0.3", json={"type": "Soft"})
        assert response.status_code == 202, response.text
        answer = response.json()
        assert answer["status"] in {"queued", "sent"}
        assert answer["response"] is None
        await session.answer(answer["id"], b'{"status":"Rejected"}')
        late = (await api.client.get(f"/v1/tenants/{TENANT}/commands/{answer['id']}")).json()
        assert (late["status"], late["response"]) == ("answered", {"status": "Rejected"})
        assert late["settled_at"] >= late["created_at"]


async def test_a_request_is_answered_504_when_the_deadline_of_its_command_has_passed(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1", is_silent) as session:
        with trio.fail_after(60):
            response = await api.client.post(f"{PATH}/Reset?wait=60&timeout=1", json={"type": "Hard"})
        document = is_problem(response, 504, "deadline-passed")
        await session.answer(document["id"], b'{"status":"Accepted"}')
        late = await api.client.get(f"/v1/tenants/{TENANT}/commands/{document['id']}")
        assert late.json()["status"] == "answered"


@pytest.mark.parametrize(("deaf", "status"), [(False, "timeout"), (True, "expired")])
@pytest.mark.parametrize("offset_ms", [-400, 0, 400])
@pytest.mark.parametrize("query", ["timeout=1", "timeout=1&wait=60"])
async def test_a_request_that_is_answered_504_shows_the_end_of_its_command_and_when_it_was_recorded(
    api: Api, query: str, offset_ms: int, status: str, *, deaf: bool
) -> None:
    """No sweep runs here, so the request itself records the end, even if its clock is ahead."""
    async with connected(api.store, TENANT, "CP-1", is_silent, deaf=deaf):
        api.store.clock.offset_ms += offset_ms
        with trio.fail_after(60):
            response = await api.client.post(f"{PATH}/ClearCache?{query}")
        shown = is_problem(response, 504, "deadline-passed")["command"]
        assert shown["status"] == status
        assert shown["settled_at"] >= shown["deadline_at"]
        assert (shown["sent_at"] is None) == deaf
        read = await api.client.get(f"/v1/tenants/{TENANT}/commands/{shown['id']}")
        assert read.json() == shown | {"warnings": []}


async def test_the_time_of_the_end_of_a_command_moves_if_the_answer_comes_late(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1", is_silent) as session:
        with trio.fail_after(60):
            response = await api.client.post(f"{PATH}/ClearCache?timeout=1")
        before = is_problem(response, 504, "deadline-passed")["command"]
        await trio.sleep(0.01)
        await session.answer(before["id"], b'{"status":"Accepted"}')
        after = (await api.client.get(f"/v1/tenants/{TENANT}/commands/{before['id']}")).json()
        assert after["status"] == "answered"
        assert after["settled_at"] > before["settled_at"]


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("connection_ended", "The connection of the charge point ended before it answered"),
        ("node_lost", "The gateway process died"),
    ],
)
async def test_a_request_whose_command_ends_as_unknown_is_answered_504_with_the_reason(
    api: Api, why: Why, words: str
) -> None:
    async def ends(session: FakeSession, command: str, _: Go) -> None:
        await commands.settle(api.store, session.lease.keys, command, status="unknown", why=why)

    async with connected(api.store, TENANT, "CP-1", ends) as session:
        with trio.fail_after(60):
            response = await api.client.post(f"{PATH}/Reset?{LONG}", json={"type": "Hard"})
        document = is_problem(response, 504, "outcome-unknown")
        assert document["detail"].startswith(words)
        shown = document["command"]
        assert (shown["status"], shown["reason"]) == ("unknown", why)
        assert shown["settled_at"] is not None
        await session.answer(shown["id"], b'{"status":"Accepted"}')
        after = (await api.client.get(f"/v1/tenants/{TENANT}/commands/{shown['id']}")).json()
        assert (after["status"], after["reason"]) == ("answered", None)


async def test_a_request_that_waits_until_the_deadline_is_answered_504_and_never_202(api: Api) -> None:
    """The status 202 must not be sent just before the deadline, even if the store's clock and ours differ."""
    async with connected(api.store, TENANT, "CP-1", is_silent):
        api.store.clock.offset_ms -= 400
        with trio.fail_after(60):
            is_problem(await api.client.post(f"{PATH}/ClearCache?timeout=1"), 504, "deadline-passed")


async def test_a_repeated_request_waits_for_its_own_wait_time_and_not_for_that_of_the_first_request(
    api: Api,
) -> None:
    key = {"Idempotency-Key": "long"}
    async with connected(api.store, TENANT, "CP-1", is_silent):
        first = await api.client.post(f"{PATH}/ClearCache?timeout=600&wait=0", headers=key)
        with trio.fail_after(60):
            again = await api.client.post(f"{PATH}/ClearCache?timeout=1", headers=key)
        assert (first.status_code, again.status_code) == (202, 202)


async def test_a_request_is_answered_502_with_the_error_code_if_the_charge_point_answers_with_a_callerror(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1", refuses):
        response = await api.client.post(f"{PATH}/UnlockConnector", json={"connectorId": 1})
        document = is_problem(response, 502, "call-error")
        assert document["code"] == "NotSupported"
        assert document["description"] == "not here"
        read = (await api.client.get(f"/v1/tenants/{TENANT}/commands/{document['id']}")).json()
        assert read["status"] == "error"
        assert read["error"] == {"code": "NotSupported", "description": "not here", "details": {}}


async def test_a_command_to_an_offline_charge_point_is_answered_409(api: Api) -> None:
    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    with trio.fail_after(60):
        document = is_problem(await api.client.post(f"{PATH}/ClearCache?{LONG}"), 409, "offline")
    assert (await api.client.get(f"/v1/tenants/{TENANT}/commands/{document['id']}")).json()[
        "status"
    ] == "offline"


async def test_a_command_to_a_charge_point_on_a_dead_node_is_answered_409(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        await nodes.leave(api.store, session.incarnation)
        with trio.fail_after(60):
            is_problem(await api.client.post(f"{PATH}/ClearCache?{LONG}"), 409, "offline")


async def test_a_waiting_request_is_answered_when_the_gateway_node_dies(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1", deaf=True) as session, trio.open_nursery() as nursery:

        async def die() -> None:
            await trio.sleep(0.2)
            await nodes.leave(api.store, session.incarnation)

        nursery.start_soon(die)
        with trio.fail_after(60):
            is_problem(await api.client.post(f"{PATH}/ClearCache?{LONG}"), 409, "offline")


async def test_a_waiting_request_is_answered_when_the_session_of_the_charge_point_ends(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1", deaf=True) as session, trio.open_nursery() as nursery:

        async def leave() -> None:
            await trio.sleep(0.2)
            await leases.release_if_holder(api.store, session.lease.keys, session.lease.holder, "closed")

        nursery.start_soon(leave)
        with trio.fail_after(60):
            is_problem(await api.client.post(f"{PATH}/ClearCache?{LONG}"), 409, "offline")


async def test_one_command_too_many_for_a_charge_point_is_answered_429(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1", is_silent):
        for _ in range(32):
            assert (await api.client.post(f"{PATH}/ClearCache?wait=0")).status_code == 202
        response = await api.client.post(f"{PATH}/ClearCache?wait=0")
        is_problem(response, 429, "busy")
        assert response.headers["retry-after"]


@pytest.mark.parametrize(
    ("action", "body", "pointer"),
    [
        ("RemoteStopTransaction", {}, "/transactionId"),
        ("RemoteStopTransaction", {"transactionId": "7"}, "/transactionId"),
        ("RemoteStopTransaction", {"transactionId": 7, "more": 1}, "/more"),
        ("RemoteStartTransaction", {"idTag": "x" * 21}, "/idTag"),
        ("Reset", {"type": "Gently"}, "/type"),
        ("GetConfiguration", {"key": ["a", 7]}, "/key/1"),
    ],
)
async def test_an_invalid_command_payload_is_answered_422_with_a_json_pointer(
    api: Api, action: str, body: object, pointer: str
) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        document = is_problem(await api.client.post(f"{PATH}/{action}", json=body), 422, "invalid-payload")
        assert [fault["pointer"] for fault in document["errors"]] == [pointer]
        assert session.claimed == []


async def test_an_unknown_action_or_charge_point_or_command_is_answered_404(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        for action in ("BootNotification", "Nonsense", "NoSuchAction"):
            is_problem(await api.client.post(f"{PATH}/{action}"), 404, "unknown-action")
        document = is_problem(await api.client.post(f"{PATH}/clearcache"), 404, "unknown-action")
        assert "did you mean ClearCache? Use one of " in document["detail"]
    response = await api.client.post(f"/v1/tenants/{TENANT}/charge-points/CP-2/commands/ClearCache")
    is_problem(response, 404, "not-found")
    for command in ("nonsense", "00.AAAAAAAAAAAAAAAAAAAAAA", "zz.AAAAAAAAAAAAAAAAAAAAAA"):
        is_problem(await api.client.get(f"/v1/tenants/{TENANT}/commands/{command}"), 404, "not-found")


async def test_several_requests_with_the_same_idempotency_key_send_the_command_only_once(api: Api) -> None:
    key = {"Idempotency-Key": "again-1"}
    async with connected(api.store, TENANT, "CP-1") as session:
        answers: list[dict[str, object]] = []
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(partial(_post, api, answers, key))
        assert {answer["id"] for answer in answers} == {session.claimed[0]}
        assert {answer["status"] for answer in answers} == {"answered"}
        assert len(session.claimed) == 1
        other = await api.client.post(f"{PATH}/Reset", json={"type": "Hard"}, headers=key)
        is_problem(other, 422, "idempotency-key-reused")
        for bad in ("x" * 256, "two words"):
            response = await api.client.post(f"{PATH}/ClearCache", headers={"Idempotency-Key": bad})
            document = is_problem(response, 422, "invalid-request")
            assert document["errors"][0]["parameter"] == "Idempotency-Key"


async def _post(api: Api, answers: list[dict[str, object]], key: dict[str, str]) -> None:
    response = await api.client.post(f"{PATH}/Reset", json={"type": "Soft"}, headers=key)
    assert response.status_code == 200, response.text
    answers.append(response.json())


async def test_the_value_of_an_authorization_key_cannot_be_read_back_from_a_stored_command(api: Api) -> None:
    body = {"key": "AuthorizationKey", "value": "Zq8kLm2pXv9Rt4Wc7Yb1"}
    async with connected(api.store, TENANT, "CP-1"):
        response = await api.client.post(f"{PATH}/ChangeConfiguration", json=body)
        assert response.status_code == 200
        assert "0123456789abcdef" not in response.text
        read = await api.client.get(f"/v1/tenants/{TENANT}/commands/{response.json()['id']}")
        assert "0123456789abcdef" not in read.text


async def test_an_authorization_key_in_an_answer_of_a_charge_point_is_masked(api: Api) -> None:
    key = "Zq8kLm2pXv9Rt4Wc7Yb1"

    async def tells(session: FakeSession, command: str, go: Go) -> None:
        if go.action == "ChangeConfiguration":
            error = {"code": "InternalError", "description": f"not {key}", "details": {"value": key}}
            await session.refuse(command, msgspec.json.encode(error))
        else:
            told = [{"key": "AuthorizationKey", "readonly": False, "value": key}, {"key": "x", "value": "y"}]
            await session.answer(command, msgspec.json.encode({"configurationKey": told}))

    async with connected(api.store, TENANT, "CP-1", tells):
        body = {"key": "AuthorizationKey", "value": key}
        refused = await api.client.post(f"{PATH}/ChangeConfiguration", json=body)
        told = await api.client.post(f"{PATH}/GetConfiguration", json={})
        assert (refused.status_code, told.status_code) == (502, 200)
        assert refused.json()["code"] == "InternalError"
        assert told.json()["response"]["configurationKey"][1] == {"key": "x", "value": "y"}
        for response in (refused, told):
            read = await api.client.get(f"/v1/tenants/{TENANT}/commands/{response.json()['id']}")
            assert key not in response.text + read.text


async def test_the_answer_comes_about_a_second_late_if_a_wake_up_message_is_lost(api: Api) -> None:
    assert send.REREAD_S == 1

    async def answers_quietly(session: FakeSession, command: str, _: object) -> None:
        await nodes.leave(
            api.store, api.services.inbox.incarnation
        )  # This deletes the inbox of the admin process.
        await session.answer(command, b'{"status":"Accepted"}')

    async with connected(api.store, TENANT, "CP-1", answers_quietly):
        with trio.fail_after(60):
            assert (await api.client.post(f"{PATH}/ClearCache?{LONG}")).status_code == 200


async def test_the_wake_up_message_is_repeated_only_for_the_first_of_several_pending_commands(
    api: Api,
) -> None:
    """The gateway must not get one message per second for each pending command to a silent charge point."""
    async with connected(api.store, TENANT, "CP-1", deaf=True) as session:

        async def wake_ups() -> int:
            return int(await api.store.execute("XLEN", keys.inbox(session.incarnation)))

        before = await wake_ups()
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                waiting = api.services.inbox.waiting
                nursery.start_soon(partial(api.client.post, f"{PATH}/ClearCache?timeout=2"))
                with trio.fail_after(60):
                    await until(lambda before=waiting: api.services.inbox.waiting > before)  # type: ignore[misc]
        # Each of the two commands sent one wake-up message. The first pending one sends it again, after 1 s
        # and perhaps at its deadline.
        assert before + 3 <= await wake_ups() <= before + 5
