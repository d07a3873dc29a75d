"""A request to RemoteStartTransaction?wait_for=transaction is answered when the charging begins."""

from functools import partial
from typing import Any

import httpx
import pytest
import trio

from admin.commands import send
from admin.http.actions import COMMANDS
from state import transactions
from state.commands import Go
from state.keys import ChargePointKeys
from state.nodes import nodes
from state.transactions import remote_starts
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import FakeSession, connected, is_silent, refuses
from tests.admin.problem import is_problem
from tests.support.pace import Pace
from tests.support.transactions import ANSWER, a_start
from tests.support.waiting import until

KEYS = ChargePointKeys(TENANT, "CP-1")
COMMANDS_PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1/commands"
PATH = f"{COMMANDS_PATH}/RemoteStartTransaction"
ASKED = {"idTag": "Tag", "connectorId": 1}
LONG = "wait=300&timeout=300"


async def promises(session: FakeSession, command: str, _: Go) -> None:
    """Answer Accepted, and store the expected transaction as the gateway does."""
    await remote_starts.expect(session.store, session.lease.keys, command, id_tag="Tag", connector_id=1)
    await session.answer(command, b'{"status":"Accepted"}')


async def rejects(session: FakeSession, command: str, _: Go) -> None:
    await session.answer(command, b'{"status":"Rejected"}')


async def begin(session: FakeSession) -> str:
    """Let the driver plug in, and return the public id of the transaction."""
    store, now = session.store, session.store.server_time_ms()
    start = a_start(started_ms=now, received_ms=now)
    outcome = await transactions.start(store, session.lease, start, ANSWER)
    assert await remote_starts.fulfil(store, session.lease.keys, start, outcome.id) is not None
    return transactions.public_id("CP-1", outcome.id)


async def post(
    api: Api, query: str, answers: list[httpx.Response], headers: dict[str, str] | None = None
) -> None:
    answers.append(await api.client.post(f"{PATH}?{query}", json=ASKED, headers=headers))


async def wait_for_answer(api: Api, session: FakeSession) -> str:
    """Wait until the answer of the charge point is stored, and return the command."""

    async def is_answered() -> bool:
        return bool(session.claimed) and (await read(api, session.claimed[0]))["status"] == "answered"

    await until(is_answered)
    return session.claimed[0]


async def read(api: Api, command: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api.client.get(f"/v1/tenants/{TENANT}/commands/{command}")).json()
    return found


async def test_a_remote_start_request_that_waits_for_the_transaction_returns_the_transaction_id(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "REREAD_S", 3600)  # Now only a wake-up message can end the wait.
    answers: list[httpx.Response] = []
    async with connected(api.store, TENANT, "CP-1", promises) as session:
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(post, api, f"wait_for=transaction&{LONG}", answers)
                command = await wait_for_answer(api, session)
                assert answers == []
                transaction = await begin(session)
        [response] = answers
        assert response.status_code == 200, response.text
        answer = response.json()
        assert (answer["id"], answer["transaction_id"]) == (command, transaction)
        assert answer["response"] == {"status": "Accepted"}
        shown = await api.client.get(f"/v1/tenants/{TENANT}/transactions/{transaction}")
        assert shown.status_code == 200
        assert await read(api, command) == answer | {"warnings": []}


async def test_a_request_that_waits_for_a_transaction_ends_even_if_the_transaction_began_before_the_answer(
    api: Api,
) -> None:
    async def starts(session: FakeSession, command: str, go: Go) -> None:
        await promises(session, command, go)
        await begin(session)

    async with connected(api.store, TENANT, "CP-1", starts):
        with trio.fail_after(60):
            response = await api.client.post(f"{PATH}?wait_for=transaction&{LONG}", json=ASKED)
        assert response.status_code == 200
        assert response.json()["transaction_id"]


async def test_a_request_is_answered_202_if_no_transaction_begins_within_the_wait_time(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1", promises) as session:
        with trio.fail_after(60):
            response = await api.client.post(f"{PATH}?wait_for=transaction&wait=0.3", json=ASKED)
        assert response.status_code == 202, response.text
        answer = response.json()
        assert (answer["status"], answer["response"]) == ("answered", {"status": "Accepted"})
        assert answer["transaction_id"] is None
        transaction = await begin(session)
        assert (await read(api, answer["id"]))["transaction_id"] == transaction


async def test_a_request_that_waits_for_the_answer_to_a_remote_start_does_not_wait_for_the_transaction(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1", promises):
        with trio.fail_after(60):
            response = await api.client.post(f"{PATH}?{LONG}", json=ASKED)
        assert (response.status_code, response.json()["transaction_id"]) == (200, None)


async def test_a_rejected_remote_start_ends_the_wait_for_a_transaction_at_once(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1", rejects):
        with trio.fail_after(60):
            response = await api.client.post(f"{PATH}?wait_for=transaction&{LONG}", json=ASKED)
        assert (response.status_code, response.json()["response"]) == (200, {"status": "Rejected"})


async def test_the_wait_for_a_transaction_ends_at_once_if_a_callerror_comes_or_the_charge_point_is_offline(
    api: Api,
) -> None:
    url = f"{PATH}?wait_for=transaction&{LONG}"
    async with connected(api.store, TENANT, "CP-1", refuses) as session:
        with trio.fail_after(60):
            is_problem(await api.client.post(url, json=ASKED), 502, "call-error")
            await nodes.leave(api.store, session.incarnation)
            is_problem(await api.client.post(url, json=ASKED), 409, "offline")


async def test_a_request_to_a_silent_charge_point_is_answered_504_at_the_deadline(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1", is_silent):
        with trio.fail_after(60):
            response = await api.client.post(f"{PATH}?wait_for=transaction&wait=60&timeout=1", json=ASKED)
        is_problem(response, 504, "deadline-passed")


async def test_the_deadline_of_the_command_does_not_end_the_wait_for_the_transaction(api: Api) -> None:
    answers: list[httpx.Response] = []
    async with connected(api.store, TENANT, "CP-1", promises) as session, trio.open_nursery() as nursery:
        nursery.start_soon(post, api, f"wait_for=transaction&{LONG}", answers)
        command = await wait_for_answer(api, session)
        await api.store.execute("HSET", KEYS.command(command), "deadline_ms", 1)  # Long past.
        await begin(session)
    assert answers[0].status_code == 200, answers[0].text


@pytest.mark.parametrize("action", [name for name in COMMANDS if name != "RemoteStartTransaction"])
async def test_a_request_may_wait_for_a_transaction_only_if_its_action_is_remote_start(
    api: Api, action: str
) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        response = await api.client.post(f"{COMMANDS_PATH}/{action}?wait_for=transaction", json={})
        document = is_problem(response, 422, "invalid-request")
        assert document["errors"][0]["parameter"] == "wait_for"
        assert session.claimed == []


async def test_repeated_requests_with_one_idempotency_key_wait_for_the_same_transaction(api: Api) -> None:
    key, answers = {"Idempotency-Key": "start-1"}, list[httpx.Response]()
    async with connected(api.store, TENANT, "CP-1", promises) as session:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(post, api, f"wait_for=transaction&{LONG}", answers, key)
            await wait_for_answer(api, session)
            transaction = await begin(session)
        await post(api, f"wait_for=transaction&{LONG}", answers, key)
        assert {answer.status_code for answer in answers} == {200}
        assert {answer.json()["transaction_id"] for answer in answers} == {transaction}
        assert len(session.claimed) == 1


async def test_a_lost_wake_up_message_delays_the_answer_to_a_waiting_request_but_does_not_prevent_it(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "REREAD_S", 0.2)
    answers: list[httpx.Response] = []
    async with connected(api.store, TENANT, "CP-1", promises) as session:
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(post, api, f"wait_for=transaction&{LONG}", answers)
                await wait_for_answer(api, session)
                await nodes.leave(api.store, api.services.inbox.incarnation)
                await begin(session)
        assert answers[0].status_code == 200


async def test_five_hundred_waiting_requests_do_not_delay_other_requests(api: Api, pace: Pace) -> None:
    key, answers = {"Idempotency-Key": "start-500"}, list[httpx.Response]()
    wide = httpx.Limits(max_connections=None)
    # Keep no connection open, because the time that the client's pool needs grows with the square of their
    # number.
    headers = dict(api.client.headers) | key | {"Connection": "close"}
    async with (
        connected(api.store, TENANT, "CP-1", promises) as session,
        httpx.AsyncClient(base_url=api.url, timeout=120, limits=wide, headers=headers) as crowd,
        trio.open_nursery() as nursery,
    ):

        async def wait() -> None:
            answers.append(await crowd.post(f"{PATH}?wait_for=transaction&{LONG}", json=ASKED))

        for _ in range(500):
            nursery.start_soon(wait)
        await until(lambda: api.services.inbox.waiting == 500)
        with trio.fail_after(60), pace.within(2):
            assert (await api.client.get(f"/v1/tenants/{TENANT}")).status_code == 200
        transaction = await begin(session)
        await until(lambda: len(answers) == 500)
    assert {(answer.status_code, answer.json()["transaction_id"]) for answer in answers} == {
        (200, transaction)
    }
    assert api.services.inbox.waiting == 0


async def test_a_request_is_answered_202_at_once_if_too_many_requests_are_already_waiting(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "WAITING_MAX", 2)
    answers: list[httpx.Response] = []
    async with connected(api.store, TENANT, "CP-1", is_silent), trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(post, api, LONG, answers)
        await until(lambda: api.services.inbox.waiting == 2)
        with trio.fail_after(60):
            response = await api.client.post(f"{PATH}?{LONG}", json=ASKED)
        assert response.status_code == 202, response.text
        assert answers == []
        nursery.cancel_scope.cancel()


async def test_a_waiting_request_ends_when_the_client_hangs_up(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1", is_silent):
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(partial(post, api, LONG, []))
            await until(lambda: api.services.inbox.waiting == 5)
            nursery.cancel_scope.cancel()
        await until(lambda: api.services.inbox.waiting == 0)
