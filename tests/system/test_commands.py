"""Commands of an operator, through the admin API, to an independent charge point."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import trio
from ocpp.exceptions import SecurityError
from ocpp.routing import on
from ocpp.v16 import call_result
from ocpp.v16.enums import Action

from tests.support.charge_point_peer import charge_point as raw_charge_point
from tests.support.csms_up import Running
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
