"""Configuration keys over HTTP: how they are read, refreshed in parts, changed one at a time, and deleted."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import trio

from gateway.ocpp16.configuration_keys import MAX_KEYS
from state import charge_points, commands
from state.charge_points import Settings, configuration
from state.charge_points.configuration import MASK, ReportedKey
from state.commands import Go
from state.keys import ChargePointKeys
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import FakeSession, connected, is_silent, refuses
from tests.admin.problem import is_problem

KEYS = ChargePointKeys(TENANT, "CP-1")
PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1/configuration"
COMMANDS = PATH.replace("configuration", "commands")
SECRET = "3F9A61C07BE2D45814AA0C9D7E52B8F1"


class Station:
    """A charge point that records its calls and the highest number of commands that waited at once."""

    def __init__(self, answer: Callable[[str, dict[str, Any]], dict[str, Any]]) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.at_once = 0
        self._answer = answer

    async def __call__(self, session: FakeSession, command: str, go: Go) -> None:
        payload = msgspec.json.decode(go.payload, type=dict[str, Any])
        self.asked.append((go.action, payload))
        await trio.sleep(0.02)
        self.at_once = max(
            self.at_once, len((await commands.read_lists(session.store, session.lease.keys)).pending)
        )
        await session.answer(command, msgspec.json.encode(self._answer(go.action, payload)))


def changing(**statuses: str) -> Station:
    return Station(lambda _, asked: {"status": statuses.get(asked.get("key", ""), "Accepted")})


async def test_the_stored_configuration_of_a_charge_point_can_be_read_and_deleted(api: Api) -> None:
    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    nothing: dict[str, Any] = {"keys": [], "complete_at": None, "reboot_required_since": None}
    assert (await api.client.get(PATH)).json() == nothing
    told = [
        ReportedKey("HeartbeatInterval", "300", readonly=False),
        ReportedKey("AuthorizationKey", SECRET, readonly=None),
    ]
    await configuration.learn(api.store, KEYS, told, ["Nothing"], complete=True)
    await configuration.change(api.store, KEYS, "HeartbeatInterval", "60", "RebootRequired")
    found = (await api.client.get(PATH)).json()
    assert SECRET not in str(found)
    assert [
        (one["key"], one["value"], one["readonly"], one["supported"], one["source"]) for one in found["keys"]
    ] == [
        ("AuthorizationKey", MASK, None, True, "GetConfiguration"),
        ("HeartbeatInterval", "300", False, True, "GetConfiguration"),
        ("Nothing", None, None, False, "GetConfiguration"),
    ]
    assert [one["pending"] and one["pending"]["value"] for one in found["keys"]] == [None, "60", None]
    assert found["reboot_required_since"] == found["keys"][1]["pending"]["since"]
    assert found["complete_at"].endswith("Z")
    assert all(one["known_at"].endswith("Z") for one in found["keys"])
    assert (await api.client.delete(PATH)).status_code == 204
    assert (await api.client.get(PATH)).json() == nothing


async def test_a_request_for_the_configuration_of_an_unknown_charge_point_is_answered_404(api: Api) -> None:
    is_problem(await api.client.get(PATH), 404, "not-found")
    is_problem(await api.client.patch(PATH, json={"A": "1"}), 404, "not-found")
    is_problem(await api.client.delete(PATH), 404, "not-found")
    is_problem(await api.client.post(f"{PATH}/refresh"), 404, "not-found")


async def test_all_configuration_keys_are_refreshed_with_one_command(api: Api) -> None:
    station = Station(lambda *_: {"configurationKey": []})
    async with connected(api.store, TENANT, "CP-1", station):
        response = await api.client.post(f"{PATH}/refresh")
        assert response.status_code == 200, response.text
        assert station.asked == [("GetConfiguration", {})]
        (command,) = response.json()["commands"]
        assert (command["status"], command["response"]) == ("answered", {"configurationKey": []})


@pytest.mark.parametrize(("most", "parts"), [("2", [2, 2, 1]), ('"5"', [5]), ("many", [5]), ("0", [5])])
async def test_a_refresh_is_split_if_the_charge_point_cannot_return_all_keys_in_one_answer(
    api: Api, most: str, parts: list[int]
) -> None:
    station = Station(lambda *_: {"unknownKey": []})
    wanted = ["A", "B", "C", "D", "E"]
    async with connected(api.store, TENANT, "CP-1", station):
        told = [ReportedKey("GetConfigurationMaxKeys", most, readonly=True)]
        await configuration.learn(api.store, KEYS, told, [], complete=False)
        response = await api.client.post(f"{PATH}/refresh", json={"keys": wanted})
        assert response.status_code == 200, response.text
        assert [len(payload["key"]) for _, payload in station.asked] == parts
        assert [key for _, payload in station.asked for key in payload["key"]] == wanted
        assert len(response.json()["commands"]) == len(parts)
        assert [command["warnings"] for command in response.json()["commands"]] == [[] for _ in parts]
        assert station.at_once == 1


async def test_a_configuration_refresh_that_fails_is_answered_with_the_reason(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1", refuses):
        document = is_problem(await api.client.post(f"{PATH}/refresh"), 502, "call-error")
        assert document["code"] == "NotSupported"
    async with connected(api.store, TENANT, "CP-2", is_silent):
        path = PATH.replace("CP-1", "CP-2")
        with trio.fail_after(60):
            response = await api.client.post(f"{path}/refresh?timeout=1")
        is_problem(response, 504, "deadline-passed")
    await charge_points.put(api.store, TENANT, "CP-3", Settings())
    is_problem(await api.client.post(f"{PATH.replace('CP-1', 'CP-3')}/refresh"), 409, "offline")


async def test_configuration_changes_are_sent_one_at_a_time_in_the_order_of_the_request(api: Api) -> None:
    station = changing(B="RebootRequired")
    values = {"Z": "1", "B": "", "A": "3"}
    async with connected(api.store, TENANT, "CP-1", station) as session:
        response = await api.client.patch(PATH, json=values)
        assert response.status_code == 200, response.text
        assert station.asked == [
            ("ChangeConfiguration", {"key": key, "value": value}) for key, value in values.items()
        ]
        assert station.at_once == 1
        changes = response.json()["changes"]
        assert [(one["key"], one["status"]) for one in changes] == [
            ("Z", "Accepted"),
            ("B", "RebootRequired"),
            ("A", "Accepted"),
        ]
        assert [one["command"] for one in changes] == session.claimed


async def test_a_refused_configuration_change_ends_the_series_of_changes_unless_the_request_says_continue(
    api: Api,
) -> None:
    station = changing(B="Rejected")
    values = {"A": "1", "B": "2", "C": "3"}
    async with connected(api.store, TENANT, "CP-1", station):
        stopped = await api.client.patch(PATH, json=values)
        assert stopped.status_code == 207
        assert [(one["status"], one["command"] is None) for one in stopped.json()["changes"]] == [
            ("Accepted", False),
            ("Rejected", False),
            ("not_sent", True),
        ]
        assert [payload["key"] for _, payload in station.asked] == ["A", "B"]
        all_of_them = await api.client.patch(f"{PATH}?continue=true", json=values)
        assert all_of_them.status_code == 207
        assert [one["status"] for one in all_of_them.json()["changes"]] == [
            "Accepted",
            "Rejected",
            "Accepted",
        ]


async def test_the_option_continue_lets_a_series_of_changes_go_on_after_a_callerror_but_not_without_an_answer(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1", refuses):
        response = await api.client.patch(f"{PATH}?continue=true", json={"A": "1", "B": "2"})
        assert [one["status"] for one in response.json()["changes"]] == ["error", "error"]
    async with connected(api.store, TENANT, "CP-2", is_silent):
        with trio.fail_after(60):
            response = await api.client.patch(
                f"{PATH.replace('CP-1', 'CP-2')}?continue=true&timeout=1", json={"A": "1", "B": "2"}
            )
        first, second = response.json()["changes"]
        assert (response.status_code, second["status"]) == (207, "not_sent")
        assert first["status"] in {"sent", "timeout"}
        assert first["command"]
    await charge_points.put(api.store, TENANT, "CP-3", Settings())
    response = await api.client.patch(
        f"{PATH.replace('CP-1', 'CP-3')}?continue=true", json={"A": "1", "B": "2"}
    )
    assert [one["status"] for one in response.json()["changes"]] == ["offline", "not_sent"]


async def test_new_values_of_secret_keys_are_not_shown_in_answers_or_warnings(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1", changing()):
        response = await api.client.patch(
            PATH, json={"AuthorizationKey": SECRET, "authorizationkey": SECRET[:-1]}
        )
        assert SECRET[:-1] not in response.text
        right, wrong = response.json()["changes"]
        assert (right["status"], right["warnings"]) == ("Accepted", [])
        assert "32 to 40 digits" in wrong["warnings"][0]


async def test_a_password_that_is_too_short_or_can_be_guessed_is_refused_before_anything_is_sent(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1", changing()) as session:
        for value in ("short", "0" * 40, "00112233445566778899AABBCCDDEEFF"):
            body = {"HeartbeatInterval": "60", "AuthorizationKey": value}
            response = await api.client.patch(PATH, json=body)
            problem = is_problem(response, 422, "invalid-request")
            assert [error["pointer"] for error in problem["errors"]] == ["/AuthorizationKey"]
            assert value not in response.text
        assert session.claimed == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"": "1"}, "/"),
        ({"x" * 51: "1"}, "/" + "x" * 51),
        ({"A": "1", "B/~": 60}, "/B~1~0"),
        ({"A": None}, "/A"),
        ({"A": "1" * 501}, "/A"),
        ({f"K{number}": "" for number in range(101)}, ""),
        ([], ""),
    ],
)
async def test_an_invalid_configuration_change_is_answered_422_with_a_json_pointer(
    api: Api, body: object, pointer: str
) -> None:
    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    document = is_problem(await api.client.patch(PATH, json=body), 422, "invalid-request")
    assert document["errors"][0]["pointer"] == pointer


async def test_all_errors_of_a_configuration_change_are_listed_together(api: Api) -> None:
    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    body = {"HeartbeatInterval": 60, "k" * 51: "1", "WebSocketPingInterval": "1"}
    document = is_problem(await api.client.patch(PATH, json=body), 422, "invalid-request")
    assert [error["pointer"] for error in document["errors"]] == ["/HeartbeatInterval", f"/{'k' * 51}"]


async def test_the_error_for_a_value_that_is_not_text_shows_a_valid_body(api: Api) -> None:
    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    body = {"changes": [{"key": "HeartbeatInterval", "value": "60"}]}
    document = is_problem(await api.client.patch(PATH, json=body), 422, "invalid-request")
    assert document["detail"].startswith("changes: the value must be text")
    assert '{"HeartbeatInterval": "60"}' in document["detail"]


async def test_no_further_change_is_sent_after_the_client_disconnects(api: Api) -> None:
    station = changing()
    values = {f"K{number}": "1" for number in range(100)}
    async with connected(api.store, TENANT, "CP-1", station):
        with trio.move_on_after(0.3) as patience:
            await api.client.patch(PATH, json=values)
        assert patience.cancelled_caught
        changes, counted = 0, -1
        with trio.fail_after(60):
            while changes != counted:
                counted = changes
                # Until the last change has been sent, each Reset is sent between two changes.
                for _ in range(2):
                    response = await api.client.post(f"{COMMANDS}/Reset", json={"type": "Soft"})
                    assert response.status_code == 200, response.text
                changes = sum(action == "ChangeConfiguration" for action, _ in station.asked)
        assert 0 < changes < len(values)


@pytest.mark.parametrize("most", ["0", "1000", "9" * 30, "9" * 700])
async def test_a_configuration_refresh_works_whatever_maximum_number_of_keys_the_charge_point_reports(
    api: Api, most: str
) -> None:
    station = Station(lambda _, asked: {"unknownKey": asked["key"]})
    async with connected(api.store, TENANT, "CP-1", station):
        await configuration.learn(
            api.store, KEYS, [ReportedKey(MAX_KEYS, most, readonly=True)], [], complete=False
        )
        refreshed = await api.client.post(f"{PATH}/refresh", json={"keys": ["One", "Two"]})
    assert refreshed.status_code == 200, refreshed.text
    assert [asked for _, asked in station.asked] == [{"key": ["One", "Two"]}]


async def test_the_answer_to_a_failed_series_of_changes_lists_the_changes_that_were_made(api: Api) -> None:
    async def is_deleted_after_one(session: FakeSession, command: str, _: Go) -> None:
        await api.store.execute("DEL", KEYS.record)
        await session.answer(command, b'{"status":"Accepted"}')

    async with connected(api.store, TENANT, "CP-1", is_deleted_after_one):
        problem = is_problem(await api.client.patch(PATH, json={"A": "1", "B": "2"}), 404, "not-found")
    assert [(one["key"], one["status"]) for one in problem["changes"]] == [("A", "Accepted")]


async def test_a_number_of_any_size_in_an_answer_is_no_error_of_csms(api: Api) -> None:
    async def answer(session: FakeSession, command: str, _: Go) -> None:
        await session.answer(command, b'{"status":"Accepted","more":%s}' % (b"9" * 5_000))

    async with connected(api.store, TENANT, "CP-1", answer):
        response = await api.client.patch(PATH, json={"A": "1"})
    assert response.status_code == 200, response.text
    assert [one["status"] for one in response.json()["changes"]] == ["Accepted"]
