"""A request to RemoteStartTransaction?wait_for=transaction is answered when the charging begins."""

from functools import partial
from typing import Any

import httpx
import pytest
import trio

from admin.commands import send
from admin.http.actions import COMMANDS
from state import commands, transactions
from state.commands import Conflict, Go, Submitted
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.nodes import inbox, nodes
from state.store import Store
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


class LostReplies:
    """A store that records each command, and whose reply is lost the first `count` times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: float, *, recorded: bool = True) -> None:
        self.left, self.asked = count, list[str]()
        self._recorded, self._submit = recorded, commands.submit
        monkeypatch.setattr(commands, "submit", self)

    async def __call__(self, store: Store, *args: Any, **options: Any) -> Submitted | Conflict:
        self.asked.append(options["id_"])
        if self.left > 0:
            self.left -= 1
            if self._recorded:
                await self._submit(store, *args, **options)
            raise StoreUnavailable("the reply was lost", sent=True)
        return await self._submit(store, *args, **options)


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "start-1"}])
async def test_a_command_is_sent_once_although_the_reply_to_its_submission_was_lost(
    api: Api, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], *, recorded: bool
) -> None:
    lost = LostReplies(monkeypatch, 2, recorded=recorded)
    async with connected(api.store, TENANT, "CP-1", promises) as session:
        with trio.fail_after(60):
            response = await api.client.post(f"{PATH}?{LONG}", json=ASKED, headers=headers)
        assert response.status_code == 200, response.text
        assert session.claimed == [response.json()["id"]]
        assert lost.asked == session.claimed * 3


@pytest.mark.parametrize("query", ["wait=0", "wait=0.6", "timeout=1"])
async def test_a_request_is_answered_503_with_the_id_and_not_told_to_try_again_if_no_reply_comes(
    api: Api, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    LostReplies(monkeypatch, float("inf"))
    async with connected(api.store, TENANT, "CP-1", promises) as session:
        with trio.fail_after(60):
            response = await api.client.post(f"{PATH}?{query}", json=ASKED)
            document = is_problem(response, 503, "command-unconfirmed")
            await until(lambda: len(session.claimed) == 1)
        assert "Retry-After" not in response.headers
        assert "again" not in document["detail"].lower()
        assert session.claimed == [document["id"]]
        assert (await read(api, document["id"]))["id"] == document["id"]


async def test_a_command_that_was_certainly_not_recorded_is_answered_503_store_unavailable(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("away", sent=False)

    async with connected(api.store, TENANT, "CP-1", promises) as session:
        monkeypatch.setattr(commands, "submit", refuse)
        response = await api.client.post(f"{PATH}?{LONG}", json=ASKED)
        is_problem(response, 503, "store-unavailable")
        assert "Retry-After" in response.headers
        assert session.claimed == []


async def test_a_recorded_command_is_not_answered_503_because_its_session_could_not_be_woken(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store goes away between the record and the wake-up message, and the session reads the record."""

    async def refuse(*_: Any) -> bool:
        raise StoreUnavailable("away", sent=False)

    async with connected(api.store, TENANT, "CP-1", promises) as session:
        with monkeypatch.context() as away:
            away.setattr(inbox, "wake", refuse)
            response = await api.client.post(f"{PATH}?wait=0&timeout=60", json=ASKED)
        assert response.status_code == 202, response.text
        assert (await commands.read_lists(api.store, session.lease.keys)).pending == [response.json()["id"]]
