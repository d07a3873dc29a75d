"""Commands of an operator, through the admin API, to an independent charge point."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio
from ocpp.exceptions import SecurityError
from ocpp.routing import on
from ocpp.v16 import call_result
from ocpp.v16.enums import Action

from gateway.websocket.close_codes import Close, ConnectionClosed
from gateway.websocket.limits import Limits
from state.scripts import SCRIPTS
from tests.support.charge_point_peer import charge_point as raw_charge_point
from tests.support.csms_up import Running
from tests.support.fault_proxy import fault_proxy
from tests.support.raw_upgrade import dial, read_answer, request
from tests.support.waiting import until
from tests.system.central import Central, Process
from tests.system.independent import Independent, charge_point

type Gateways = tuple[Process, Process]


class Obedient(Independent):
    """A charge point that answers every call of the Core profile and records it."""

    def __init__(self, id_: str, connection: Any) -> None:
        super().__init__(id_, connection)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    @on(Action.change_availability)
    def on_change_availability(self, **asked: Any) -> Any:
        self.asked.append(("ChangeAvailability", asked))
        return call_result.ChangeAvailability(status="Scheduled")

    @on(Action.change_configuration)
    def on_change_configuration(self, **asked: Any) -> Any:
        self.asked.append(("ChangeConfiguration", asked))
        return call_result.ChangeConfiguration(status="RebootRequired")

    @on(Action.clear_cache)
    def on_clear_cache(self, **asked: Any) -> Any:
        self.asked.append(("ClearCache", asked))
        return call_result.ClearCache(status="Rejected")

    @on(Action.data_transfer)
    def on_data_transfer(self, **asked: Any) -> Any:
        self.asked.append(("DataTransfer", asked))
        return call_result.DataTransfer(status="Accepted", data="pong")

    @on(Action.get_configuration)
    def on_get_configuration(self, **asked: Any) -> Any:
        self.asked.append(("GetConfiguration", asked))
        known = {"key": "HeartbeatInterval", "readonly": False, "value": "300"}
        return call_result.GetConfiguration(configuration_key=[known], unknown_key=["Nothing"])

    @on(Action.remote_start_transaction)
    def on_remote_start(self, **asked: Any) -> Any:
        self.asked.append(("RemoteStartTransaction", asked))
        return call_result.RemoteStartTransaction(status="Accepted")

    @on(Action.remote_stop_transaction)
    def on_remote_stop(self, **asked: Any) -> Any:
        self.asked.append(("RemoteStopTransaction", asked))
        return call_result.RemoteStopTransaction(status="Rejected")

    @on(Action.unlock_connector)
    def on_unlock_connector(self, **_asked: Any) -> Any:
        raise SecurityError("not for you", details={"why": "locked"})

    @on(Action.reset)
    def on_reset(self, **asked: Any) -> Any:
        self.asked.append(("Reset", asked))
        return call_result.Reset(status="Accepted")


# Each row has the action, the payload to send, the payload that arrives, and the charge point's answer.
CORE: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (
        "ChangeAvailability",
        {"connectorId": 1, "type": "Inoperative"},
        {"connector_id": 1, "type": "Inoperative"},
        {"status": "Scheduled"},
    ),
    (
        "ChangeConfiguration",
        {"key": "HeartbeatInterval", "value": "60"},
        {"key": "HeartbeatInterval", "value": "60"},
        {"status": "RebootRequired"},
    ),
    ("ClearCache", {}, {}, {"status": "Rejected"}),
    (
        "DataTransfer",
        {"vendorId": "org.example", "messageId": "ping", "data": "säß"},
        {"vendor_id": "org.example", "message_id": "ping", "data": "säß"},
        {"status": "Accepted", "data": "pong"},
    ),
    (
        "GetConfiguration",
        {"key": ["HeartbeatInterval", "Nothing"]},
        {"key": ["HeartbeatInterval", "Nothing"]},
        {
            "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}],
            "unknownKey": ["Nothing"],
        },
    ),
    (
        "RemoteStartTransaction",
        {"idTag": "DEMO", "connectorId": 2},
        {"id_tag": "DEMO", "connector_id": 2},
        {"status": "Accepted"},
    ),
    ("RemoteStopTransaction", {"transactionId": 7}, {"transaction_id": 7}, {"status": "Rejected"}),
    ("Reset", {"type": "Soft"}, {"type": "Soft"}, {"status": "Accepted"}),
]


def run(work: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work

    asyncio.run(bounded())


def test_every_core_action_reaches_the_charge_point_and_the_operator_gets_the_answer(
    running: Running,
) -> None:
    async def work() -> None:
        async with charge_point(running, "obeys", Obedient) as cp:
            for action, payload, heard, response in CORE:
                answer = await asyncio.to_thread(post, running, f"obeys/commands/{action}", payload)
                assert answer.status_code == 200, answer.text
                assert answer.json()["status"] == "answered"
                assert answer.json()["response"] == response
                assert cp.asked[-1] == (action, heard)
                read = await asyncio.to_thread(get, running, f"/commands/{answer.json()['id']}")
                assert read == answer.json() | {"warnings": []}
            assert len(cp.asked) == len(CORE)

    run(work())


def post(running: Running, path: str, payload: Any) -> Any:
    with running.api() as api:
        return api.post(f"/charge-points/{path}", json=payload)


def get(running: Running, path: str) -> Any:
    with running.api() as api:
        found = api.get(path)
    assert found.status_code == 200, found.text
    return found.json()


def test_a_request_is_answered_502_with_the_error_code_if_the_charge_point_answers_with_a_callerror(
    running: Running,
) -> None:
    async def work() -> None:
        async with charge_point(running, "errs", Obedient):
            answer = await asyncio.to_thread(
                post, running, "errs/commands/UnlockConnector", {"connectorId": 1}
            )
            assert answer.status_code == 502, answer.text
            problem = answer.json()
            assert (problem["code"], problem["details"]) == ("SecurityError", {"why": "locked"})
            assert "not for you" in problem["description"]
            read = await asyncio.to_thread(get, running, f"/commands/{problem['id']}")
            assert (read["status"], read["error"]["code"]) == ("error", "SecurityError")

    run(work())


async def test_an_unreadable_answer_is_reported_as_a_different_error_than_a_callerror_of_the_charge_point(
    central: Central, gateways: Gateways
) -> None:
    """The problem distinguishes an unreadable answer from a CALLERROR, even if the CALLERROR quotes our
    words.
    """
    tenant = central.tenant()
    words = "the answer cannot be read: status: no"
    answers: list[Any] = [{"status": 7}, ["PropertyConstraintViolation", words, {}]]
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            raw_charge_point(tenant.url(gateways[0], "cp"), lambda *_: answers.pop(0)),
        ):
            unreadable = (await api.post("/charge-points/cp/commands/ClearCache", json={})).json()
            refused = (await api.post("/charge-points/cp/commands/ClearCache", json={})).json()
    cause = "status: must be text, not an integer"
    assert unreadable["detail"] == f"The charge point's answer cannot be read: {cause}."
    assert unreadable["description"] == f"the answer cannot be read: {cause}"
    assert refused["detail"] == ("The charge point answered with the error PropertyConstraintViolation.")
    assert refused["description"] == words


async def test_an_answer_that_arrives_after_the_deadline_is_shown_in_the_command(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            raw_charge_point(tenant.url(gateways[0], "cp"), lambda *_: None) as cp,
        ):
            answer = await api.post("/charge-points/cp/commands/ClearCache?timeout=1", json={})
            assert answer.status_code == 504, answer.text
            command = answer.json()["id"]

            async def has(status: str) -> bool:
                return bool((await api.get(f"/commands/{command}")).json()["status"] == status)

            await until(lambda: has("timeout"))
            [(id_, action, _)] = cp.asked
            assert action == "ClearCache"
            await cp.send([3, id_, {"status": "Accepted"}])
            await until(lambda: has("answered"))
            late = (await api.get(f"/commands/{command}")).json()
            assert late["response"] == {"status": "Accepted"}
            assert late["settled_at"] > answer.json()["command"]["settled_at"]
            # The command that timed out does not delay the next one.
            second = await api.post("/charge-points/cp/commands/ClearCache?wait=0", json={})
            await cp.wait_asked(2)
            assert second.status_code == 202


async def test_a_command_goes_on_after_the_wait_time_of_its_request_has_ended(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            raw_charge_point(tenant.url(gateways[0], "cp"), lambda *_: None) as cp,
        ):
            answer = await api.post("/charge-points/cp/commands/ClearCache?wait=1&timeout=60", json={})
            assert answer.status_code == 202, answer.text
            assert answer.json()["status"] == "sent"
            [(id_, _, _)] = cp.asked
            await cp.send([3, id_, {"status": "Accepted"}])
            command = answer.json()["id"]

            async def answered() -> bool:
                return bool((await api.get(f"/commands/{command}")).json()["status"] == "answered")

            await until(answered)


async def test_commands_to_offline_charge_points_and_commands_with_bad_payloads_are_refused(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api:
            assert (await api.put("/charge-points/cp", json={})).status_code == 201
            offline = await api.post("/charge-points/cp/commands/ClearCache", json={})
            assert (offline.status_code, offline.json()["command"]["status"]) == (409, "offline")
            missing = await api.post("/charge-points/nobody/commands/ClearCache", json={})
            assert missing.status_code == 404
            async with raw_charge_point(tenant.url(gateways[0], "cp")) as cp:
                for action, payload, path in (
                    ("Reset", {"type": "Warm"}, "/type"),
                    ("Reset", {}, "/type"),
                    ("ChangeAvailability", {"connectorId": "1", "type": "Operative"}, "/connectorId"),
                    ("RemoteStartTransaction", {"idTag": "x" * 21}, "/idTag"),
                    ("GetConfiguration", {"key": ["a", "b" * 51]}, "/key/1"),
                ):
                    bad = await api.post(f"/charge-points/cp/commands/{action}", json=payload)
                    assert bad.status_code == 422, bad.text
                    assert bad.json()["errors"][0]["pointer"] == path
                unknown = await api.post("/charge-points/cp/commands/Heartbeat", json={})
                assert unknown.status_code == 404
                await cp.call("Heartbeat", {})
                assert cp.asked == []  # None of these commands reached the charge point.


@pytest.mark.parametrize("goodbye", ["close", "drop"])
async def test_a_reset_is_accepted_even_if_the_connection_ends_right_after_the_answer(
    central: Central, gateways: Gateways, goodbye: str
) -> None:
    """The answer and the end of the connection arrive together."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            trio.open_nursery() as nursery,
            raw_charge_point(tenant.url(gateways[0], "cp"), lambda *_: None) as cp,
        ):
            answers: list[Any] = []

            async def ask() -> None:
                answers.append(await api.post("/charge-points/cp/commands/Reset", json={"type": "Hard"}))

            nursery.start_soon(ask)
            await cp.wait_asked()
            await cp.send([3, cp.asked[0][0], {"status": "Accepted"}])
            if goodbye == "close":
                await cp.connection.close(Close.LOAD_TEST_OVER)
            else:
                cp.connection._stream.abort()
        [answer] = answers
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "answered"
    assert answer.json()["response"] == {"status": "Accepted"}


async def test_commands_to_a_charge_point_are_sent_one_at_a_time_in_the_order_of_the_requests(
    central: Central, gateways: Gateways
) -> None:
    """Calls are sent one at a time, in the order of the requests."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, raw_charge_point(tenant.url(gateways[0], "cp")) as cp:
            ids = []
            for number in range(12):
                body = {"connectorId": number, "type": "Operative"}
                answer = await api.post("/charge-points/cp/commands/ChangeAvailability?wait=0", json=body)
                ids.append(answer.json()["id"])
            await cp.wait_asked(12)
            assert [id_ for id_, _, _ in cp.asked] == ids


async def test_an_answer_to_a_command_is_kept_while_the_store_is_away(central: Central) -> None:
    """The gateway keeps the outcome until the store takes it."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            fault_proxy(central.valkey.path) as proxy,
            central.gateway(store_url=f"redis://127.0.0.1:{proxy.port}", store__timeout_s=0.5) as gateway,
            raw_charge_point(tenant.url(gateway, "cp"), lambda *_: None) as cp,
        ):
            sent = await api.post("/charge-points/cp/commands/ClearCache?wait=0", json={})
            command = sent.json()["id"]
            await cp.wait_asked()
            proxy.refuse = True
            proxy.cut()
            await cp.send([3, command, {"status": "Accepted"}])
            refused = await cp.exchange(
                "Authorize", {"idTag": "X"}
            )  # The gateway has read the answer to the command by now.
            assert refused[2] == "InternalError"
            proxy.refuse = False

            async def answered() -> bool:
                return bool((await api.get(f"/commands/{command}")).json()["status"] == "answered")

            await until(answered)
            assert len(cp.asked) == 1


async def test_a_command_is_sent_once_even_if_the_reply_to_the_claim_of_the_command_is_lost(
    central: Central,
) -> None:
    """The store claims the command, but the reply of the store is lost.

    The command is still sent, and only once.
    """
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            fault_proxy(central.valkey.path) as proxy,
            central.gateway(store_url=f"redis://127.0.0.1:{proxy.port}", store__timeout_s=0.5) as gateway,
            raw_charge_point(tenant.url(gateway, "cp")) as cp,
        ):
            await cp.call("Heartbeat", {})
            proxy.swallow_from = SCRIPTS["commands/claim"].sha.encode()
            sent = await api.post("/charge-points/cp/commands/ClearCache?wait=0", json={})
            command = sent.json()["id"]

            async def has(status: str) -> bool:
                return bool((await api.get(f"/commands/{command}")).json()["status"] == status)

            await until(lambda: has("sent"))
            refused = await cp.exchange("Authorize", {"idTag": "X"})
            assert refused[2] == "InternalError"
            assert cp.asked == []
            proxy.replies.swallow = False
            await until(lambda: has("answered"))
            assert [id_ for id_, _, _ in cp.asked] == [command]


async def test_one_remote_start_is_sent_although_the_reply_to_its_submission_was_lost(
    central: Central, gateways: Gateways
) -> None:
    """The admin process asks the store again under the same id."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            fault_proxy(central.valkey.path) as proxy,
            central.second_admin(f"redis://127.0.0.1:{proxy.port}", store__timeout_s=0.5) as admin,
            tenant.api(admin) as api,
            raw_charge_point(tenant.url(gateways[0], "cp")) as cp,
            trio.open_nursery() as nursery,
        ):
            await cp.call("Heartbeat", {})
            answers: list[Any] = []

            async def ask() -> None:
                path = "/charge-points/cp/commands/RemoteStartTransaction?timeout=60"
                answers.append(await api.post(path, json={"idTag": "DRIVER"}))

            proxy.swallow_from = SCRIPTS["commands/submit"].sha.encode()
            nursery.start_soon(ask)
            await cp.wait_asked()  # The gateway has found the command, of which the admin process is unsure.
            assert answers == []
            proxy.replies.swallow = False
            await until(lambda: bool(answers))
            assert answers[0].status_code == 200, answers[0].text
            assert [id_ for id_, _, _ in cp.asked] == [answers[0].json()["id"]]


@pytest.mark.parametrize("goodbye", ["close", "drop"])
async def test_a_request_is_answered_504_outcome_unknown_when_the_charge_point_hangs_up_without_an_answer(
    central: Central, gateways: Gateways, goodbye: str
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, trio.open_nursery() as nursery:
            answers: list[Any] = []

            async def ask() -> None:
                path = "/charge-points/cp/commands/Reset?timeout=600"
                answers.append(await api.post(path, json={"type": "Hard"}, timeout=90))

            async with raw_charge_point(tenant.url(gateways[0], "cp"), lambda *_: None) as cp:
                nursery.start_soon(ask)
                await cp.wait_asked()
                if goodbye == "close":
                    await cp.connection.close(Close.LOAD_TEST_OVER)
                else:
                    cp.connection._stream.abort()
    [answer] = answers
    assert (answer.status_code, answer.json()["type"]) == (504, "urn:csms:problem:outcome-unknown")
    assert answer.json()["detail"].startswith("The connection of the charge point ended before it answered")
    shown = answer.json()["command"]
    assert (shown["status"], shown["reason"]) == ("unknown", "connection_ended")
    assert shown["settled_at"] is not None


async def test_a_request_is_answered_502_when_the_answer_of_the_charge_point_is_over_the_limit(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    long = {"configurationKey": [{"key": "K", "readonly": True, "value": "x" * Limits().message_bytes}]}
    with trio.fail_after(120):
        async with tenant.api() as api, trio.open_nursery() as nursery:
            answers: list[Any] = []

            async def ask() -> None:
                path = "/charge-points/cp/commands/GetConfiguration?timeout=600"
                answers.append(await api.post(path, json={}, timeout=90))

            async with raw_charge_point(tenant.url(gateways[0], "cp"), lambda *_: None) as cp:
                nursery.start_soon(ask)
                await cp.wait_asked()
                with suppress(ConnectionClosed):
                    await cp.send([3, cp.asked[0][0], long])
                await until(lambda: bool(answers))
    [answer] = answers
    assert answer.status_code == 502, answer.text
    assert answer.json()["detail"] == (
        "The charge point's answer cannot be read: the charge point sent a message over the limit, so csms "
        "closed the connection."
    )


async def test_a_command_that_comes_while_a_session_closes_is_sent_on_the_next_connection(
    central: Central, gateways: Gateways
) -> None:
    """The charge point does not answer the CLOSE of csms, so the session lasts some seconds longer."""
    tenant = central.tenant()
    url = tenant.url(gateways[0], "cp")
    with trio.fail_after(120):
        async with tenant.api() as api:
            with dial(url) as slow:
                slow.sendall(request(urlsplit(url).path))
                assert (await trio.to_thread.run_sync(read_answer, slow)).status == 101

                async def online() -> bool:
                    return bool((await api.get("/charge-points/cp")).json()["connection"]["online"])

                await until(online)
                assert (await api.post("/charge-points/cp/disconnect")).status_code == 202
                slow.settimeout(60)
                close = await trio.to_thread.run_sync(slow.recv, 4096)
                assert close[0] == 0x88
                sent = await api.post("/charge-points/cp/commands/ClearCache?timeout=60&wait=0", json={})
                assert sent.json()["status"] == "queued", sent.text
                command = sent.json()["id"]
                async with raw_charge_point(url) as cp:

                    async def answered() -> bool:
                        return bool((await api.get(f"/commands/{command}")).json()["status"] == "answered")

                    await until(answered)
                    assert [id_ for id_, _, _ in cp.asked] == [command]
