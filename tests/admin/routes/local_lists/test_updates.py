"""How a local list is sent: which message follows each answer, and which list is then the accepted one."""

from typing import Any

import httpx
import pytest

from state.charge_points import configuration
from tests.admin.api import TENANT, Api
from tests.admin.documented import is_documented
from tests.admin.fake_session import connected, is_silent
from tests.admin.local_listing import BASE, KEYS, PATH, Listing, accepted, entries, put, send, sent
from tests.admin.problem import is_problem
from tests.admin.remembering import remembering
from tests.support.waiting import until


async def test_the_first_local_list_update_is_full_and_the_next_is_differential_and_an_empty_one_is_not_sent(
    api: Api,
) -> None:
    cp = Listing()
    answering, asked = remembering(cp)
    async with connected(api.store, TENANT, "CP-1", answering):
        await put(api, "Aa", "Bb", "Cc")
        first = await send(api)
        assert (first["outcome"], sent(first)) == ("accepted", [("Full", 1, 3)])
        [step] = first["steps"]
        assert (step["command"]["action"], step["command"]["response"]) == (
            "SendLocalList",
            {"status": "Accepted"},
        )
        await api.client.patch(PATH, json={"put": entries("Dd"), "remove": ["bb"]})
        assert not (await accepted(api))["as_desired"]
        second = await send(api)
        assert sent(second) == [("Differential", 2, 2)]
        assert asked[-1][1]["localAuthorizationList"] == [
            {"idTag": "Bb"},
            {"idTag": "Dd", "idTagInfo": {"status": "Accepted"}},
        ]
        assert set(cp.tags) == {"aa", "cc", "dd"}
        found = await accepted(api)
        assert (found["list_version"], found["stale"], found["as_desired"]) == (2, False, True)
        assert [item["id_tag"] for item in found["items"]] == ["Aa", "Cc", "Dd"]
        assert found["update"]["command"] == second["steps"][0]["command"]["id"]
        assert found["last_answer"] == found["update"]
        assert (await send(api)) == {"outcome": "nothing_to_send", "steps": []}
        assert sent(await send(api, type="differential")) == [("Differential", 3, 0)]
        assert sent(await send(api, type="full")) == [("Full", 4, 3)]


async def test_the_answers_of_the_local_list_routes_fit_the_openapi_document(api: Api) -> None:
    cp = Listing()
    async with connected(api.store, TENANT, "CP-1", remembering(cp)[0]):
        for method, part, body in (
            ("GET", "/accepted", None),
            (
                "PUT",
                "",
                {"entries": [*entries("Aa"), {"id_tag": "B", "expiry_date": "2030-01-01T00:00:00Z"}]},
            ),
            ("PATCH", "", {"put": entries("Cc")}),
            ("POST", "/send", {}),
            ("POST", "/send", {"type": "differential", "version": 1}),
            ("POST", "/from-id-tags", None),
            ("GET", "", None),
            ("GET", "/accepted", None),
        ):
            answer = await api.client.request(method, PATH + part, json=body)
            assert answer.status_code == 200, answer.text
            await is_documented(api, "local-list" + part, answer)


async def test_a_local_list_that_is_too_long_for_one_message_is_sent_in_several_messages(api: Api) -> None:
    cp = Listing()
    async with connected(api.store, TENANT, "CP-1", remembering(cp)[0]):
        told = [configuration.ReportedKey("SendLocalListMaxLength", "3", True)]
        await configuration.learn(api.store, KEYS, told, [], complete=False)
        await put(api, *"abcdefg")
        answer = await send(api)
        assert sent(answer) == [("Full", 1, 3), ("Differential", 2, 3), ("Differential", 3, 1)]
        assert set(cp.tags) == set("abcdefg")
        assert sent(await send(api, type="full", max_entries=5)) == [("Full", 4, 5), ("Differential", 5, 2)]
        cp.answers = ["Accepted", "Failed"]
        broken = await send(api, type="full")
        assert (broken["outcome"], len(broken["steps"])) == ("failed", 2)
        assert (await accepted(api))["stale"]


async def test_a_full_list_is_sent_after_a_version_mismatch_only_if_the_request_allows_the_full_list(
    api: Api,
) -> None:
    cp = Listing()
    async with connected(api.store, TENANT, "CP-1", remembering(cp)[0]):
        await put(api, "Aa")
        await send(api)
        cp.version = 50  # Another system has changed the local list of the charge point.
        await put(api, "Aa", "Bb")
        first = await send(api, type="differential")
        assert (first["outcome"], sent(first)) == ("version_mismatch", [("Differential", 2, 1)])
        assert (await accepted(api))["stale"]
        cp.version = 50
        second = await send(api, type="differential", full_on_failure=True)
        assert (second["outcome"], sent(second)) == ("accepted", [("Differential", 2, 1), ("Full", 3, 2)])
        found = await accepted(api)
        assert (found["list_version"], found["stale"], found["as_desired"]) == (3, False, True)


async def test_a_full_list_is_sent_only_once_more_if_the_charge_point_answers_with_the_status_failed(
    api: Api,
) -> None:
    cp = Listing()
    async with connected(api.store, TENANT, "CP-1", remembering(cp)[0]):
        await put(api, "Aa")
        cp.answers = ["Failed"] * 3
        assert sent(await send(api, type="full")) == [("Full", 1, 1)]
        answer = await send(api, type="full", full_on_failure=True, version=9)
        assert (answer["outcome"], sent(answer)) == ("failed", [("Full", 9, 1), ("Full", 10, 1)])
        assert cp.answers == []


async def test_no_further_local_list_message_is_sent_after_the_charge_point_answers_not_supported(
    api: Api,
) -> None:
    cp = Listing()
    async with connected(api.store, TENANT, "CP-1", remembering(cp)[0]):
        await put(api, "Aa")
        cp.answers = ["NotSupported"]
        answer = await send(api, full_on_failure=True)
        assert (answer["outcome"], len(answer["steps"])) == ("not_supported", 1)
        found = await accepted(api)
        assert (found["list_version"], found["update"], found["stale"]) == (None, None, False)
        assert found["last_answer"]["status"] == "NotSupported"


async def test_the_error_for_a_failed_local_list_message_lists_the_messages_that_were_accepted_before(
    api: Api,
) -> None:
    cp = Listing()
    await api.client.put(BASE, json={})
    await put(api, *"abcd")
    offline = is_problem(await api.client.post(f"{PATH}/send", json={}), 409, "offline")
    assert offline["steps"] == []
    async with connected(api.store, TENANT, "CP-1", remembering(cp)[0]):
        cp.answers = ["Accepted", b'{"code":"InternalError","description":"","details":{}}']
        problem = is_problem(
            await api.client.post(f"{PATH}/send", json={"max_entries": 2}), 502, "call-error"
        )
        assert [step["list_version"] for step in problem["steps"]] == [1]
        assert problem["code"] == "InternalError"
    async with connected(api.store, TENANT, "CP-1", is_silent):
        late = await api.client.post(f"{PATH}/send", json={"type": "full"}, params={"timeout": 1})
        is_problem(late, 504, "deadline-passed")


async def test_no_further_local_list_message_is_sent_after_the_http_client_disconnects(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1", is_silent) as session:
        await put(api, *"abcd")
        with pytest.raises(httpx.ReadTimeout):
            await api.client.post(f"{PATH}/send", json={"max_entries": 2}, timeout=0.5)
        await until(lambda: not api.services.inbox.waiting)
        [first] = session.claimed
        await session.answer(first, b'{"status":"Accepted"}')
        await api.client.post(f"{BASE}/commands/ClearCache", json={}, params={"wait": 0.5})
        assert len(session.claimed) == 2


async def test_a_list_version_in_the_request_is_sent_unchanged(api: Api) -> None:
    cp = Listing()
    async with connected(api.store, TENANT, "CP-1", remembering(cp)[0]):
        await put(api, "Aa")
        await send(api, version=40)
        answer = await send(api, type="differential", version=40)
        assert answer["outcome"] == "version_mismatch"
        assert "VersionMismatch" in answer["steps"][0]["command"]["warnings"][0]
        assert not (await accepted(api))["stale"]
        assert sent(await send(api, type="full")) == [("Full", 41, 1)]


async def test_the_list_version_that_the_charge_point_reports_is_stored(api: Api) -> None:
    cp = Listing()
    async with connected(api.store, TENANT, "CP-1", remembering(cp)[0]):
        await put(api, "Aa")
        await send(api)
        cp.version = 12
        await api.client.post(f"{BASE}/commands/GetLocalListVersion", json={})
        found = await accepted(api)
        assert found["reported"]["list_version"] == 12
        assert (found["stale"], found["as_desired"]) == (True, False)
        assert sent(await send(api)) == [("Full", 13, 1)]


async def test_a_send_local_list_command_also_updates_the_accepted_list_that_csms_stores(api: Api) -> None:
    cp = Listing()
    async with connected(api.store, TENANT, "CP-1", remembering(cp)[0]):
        body = {
            "listVersion": 3,
            "updateType": "Full",
            "localAuthorizationList": [{"idTag": "Raw", "idTagInfo": {"status": "Accepted"}}],
        }
        await api.client.post(f"{BASE}/commands/SendLocalList", json=body)
        found = await accepted(api)
        assert (found["list_version"], [item["id_tag"] for item in found["items"]]) == (3, ["Raw"])


async def test_no_message_is_sent_if_there_is_no_desired_list(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        is_problem(await api.client.post(f"{PATH}/send", json={}), 409, "no-desired-list")
        assert session.claimed == []


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"listVersion": 0}, "above 0"),
        ({"listVersion": -1}, "above 0"),
        ({"listVersion": 5}, "VersionMismatch"),
        ({"updateType": "Full", "localAuthorizationList": [{"idTag": "x"}]}, "must have an idTagInfo"),
        ({"localAuthorizationList": [{"idTag": "x"}, {"idTag": "X"}]}, "More than once"),
        ({"localAuthorizationList": [{"idTag": tag} for tag in "abcd"]}, "takes 3 entries at once"),
        (
            {
                "localAuthorizationList": [
                    {"idTag": tag, "idTagInfo": {"status": "Accepted"}} for tag in ("u", "v", "w")
                ]
            },
            "would have 5 entries, and the charge point keeps 4",
        ),
    ],
)
async def test_a_send_local_list_command_has_a_warning_if_the_charge_point_is_likely_to_refuse_it(
    api: Api, body: dict[str, Any], part: str
) -> None:
    cp = Listing()
    answering, asked = remembering(cp)
    async with connected(api.store, TENANT, "CP-1", answering):
        await put(api, "One", "Two")
        await send(api, version=5)
        told = [
            configuration.ReportedKey(key, value, True)
            for key, value in (("SendLocalListMaxLength", "3"), ("LocalAuthListMaxLength", "4"))
        ]
        await configuration.learn(api.store, KEYS, told, [], complete=False)
        cp.answers = ["Accepted"]
        payload = {"listVersion": 6, "updateType": "Differential"} | body
        answer = await api.client.post(f"{BASE}/commands/SendLocalList", json=payload)
        [warning] = answer.json()["warnings"]
        assert part in warning
        assert asked[-1] == ("SendLocalList", payload)


async def test_a_differential_update_is_sent_with_a_warning_if_the_stored_list_is_uncertain(api: Api) -> None:
    cp = Listing()
    cp.answers = ["Accepted"] * 2
    async with connected(api.store, TENANT, "CP-1", remembering(cp)[0]):
        body = {"listVersion": 6, "updateType": "Differential", "localAuthorizationList": []}
        answer = await api.client.post(f"{BASE}/commands/SendLocalList", json=body)
        assert "is uncertain" in answer.json()["warnings"][0]
        cp.version = -1
        await api.client.post(f"{BASE}/commands/GetLocalListVersion", json={})
        answer = await api.client.post(f"{BASE}/commands/SendLocalList", json=body | {"listVersion": 7})
        assert "has no local list" in answer.json()["warnings"][0]
