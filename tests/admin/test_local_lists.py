"""Local lists over HTTP, with a charge point that keeps its list by the letter of section 5.15."""

from typing import Any

import httpx
import pytest
import trio

from admin.routes import local_lists as routes
from state import configuration, id_tags
from state.id_tags import IdTag, fold
from state.keys import ChargePointKeys
from state.local_lists import ENTRIES
from tests.admin.conftest import TENANT, Api
from tests.admin.documented import is_documented
from tests.admin.fake_session import connected, is_silent
from tests.admin.problem import is_problem
from tests.admin.remembering import remembering

BASE = f"/v1/tenants/{TENANT}/charge-points/CP-1"
PATH = f"{BASE}/local-list"
KEYS = ChargePointKeys(TENANT, "CP-1")


class Listing:
    """A charge point's list: version and tags. `answers` come instead of its own, one after the other."""

    def __init__(self) -> None:
        self.version = 0
        self.tags: dict[str, Any] = {}
        self.answers: list[Any] = []

    def __call__(self, action: str, payload: Any) -> Any:
        if action == "GetLocalListVersion":
            return {"listVersion": self.version}
        assert action == "SendLocalList"
        if self.answers:
            answer = self.answers.pop(0)
            return answer if isinstance(answer, bytes | dict) else {"status": answer}
        if payload["updateType"] == "Full":
            self.tags = {}
        elif payload["listVersion"] <= self.version:
            return {"status": "VersionMismatch"}
        for data in payload["localAuthorizationList"]:
            if "idTagInfo" in data:
                self.tags[fold(data["idTag"])] = data["idTagInfo"]
            else:
                del self.tags[fold(data["idTag"])]
        self.version = payload["listVersion"]
        return {"status": "Accepted"}


def entries(*tags: str) -> list[dict[str, Any]]:
    return [{"id_tag": tag} for tag in tags]


async def put(api: Api, *tags: str) -> dict[str, Any]:
    answer = await api.client.put(PATH, json={"entries": entries(*tags)})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def send(api: Api, **wanted: Any) -> dict[str, Any]:
    answer = await api.client.post(f"{PATH}/send", json=wanted)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def accepted(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = (await api.client.get(f"{PATH}/accepted")).json()
    return found


def sent(answer: dict[str, Any]) -> list[tuple[str, int, int]]:
    return [(step["update_type"], step["list_version"], step["entries"]) for step in answer["steps"]]


async def test_what_is_desired_is_put_changed_and_read(api: Api) -> None:
    await api.client.put(BASE, json={})
    assert (await api.client.get(PATH)).json() == {
        "revision": 0,
        "edited_at": None,
        "count": 0,
        "items": [],
        "next": None,
    }
    full = {
        "id_tag": "Bb",
        "status": "Blocked",
        "expiry_date": "2030-01-01T01:00:00+01:00",
        "parent_id_tag": "Fleet",
    }
    first = await api.client.put(PATH, json={"entries": [*entries("Cc", "aA"), full]})
    assert (first.json()["revision"], first.json()["count"]) == (1, 3)
    changed = await api.client.patch(PATH, json={"put": entries("Dd", "AA"), "remove": ["CC", "Zz"]})
    assert (changed.json()["revision"], changed.json()["count"]) == (2, 3)
    plain = {"status": "Accepted", "expiry_date": None, "parent_id_tag": None}
    found = (await api.client.get(PATH)).json()
    assert found["items"] == [
        {"id_tag": "AA", **plain},
        full | {"expiry_date": "2030-01-01T00:00:00Z"},
        {"id_tag": "Dd", **plain},
    ]
    assert found["edited_at"] == changed.json()["edited_at"]


async def test_both_lists_are_read_in_pages(api: Api) -> None:
    cp = Listing()
    async with connected(api.store, TENANT, "CP-1", remembering(cp)[0]):
        await put(api, *"abcde")
        await send(api)
        for path in (PATH, f"{PATH}/accepted"):
            found, cursor = [], None
            while True:
                query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
                page = (await api.client.get(path, params=query)).json()
                found += [item["id_tag"] for item in page["items"]]
                if (cursor := page["next"]) is None:
                    break
            assert found == list("abcde")
            is_problem(await api.client.get(path, params={"cursor": "_"}), 422, "invalid-request")


async def test_the_id_tags_of_the_tenant_are_copied(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.client.put(BASE, json={})
    await put(api, "Old")
    monkeypatch.setattr(routes, "_AT_ONCE", 2)
    for number in range(5):
        tag = IdTag(
            tag=f"Tag{number}", status="Blocked", expiry_date="2030-01-01T00:00:00Z", parent_id_tag="P"
        )
        await id_tags.put(api.store, TENANT, tag)
    copied = await api.client.post(f"{PATH}/from-id-tags")
    assert copied.status_code == 200, copied.text
    assert (copied.json()["revision"], copied.json()["count"]) == (2, 5)
    items = (await api.client.get(PATH)).json()["items"]
    assert items[4] == {
        "id_tag": "Tag4",
        "status": "Blocked",
        "expiry_date": "2030-01-01T00:00:00Z",
        "parent_id_tag": "P",
    }
    monkeypatch.setattr(routes, "ENTRIES", 4)
    is_problem(await api.client.post(f"{PATH}/from-id-tags"), 409, "too-many-id-tags")


async def test_a_full_list_then_what_differs_then_nothing(api: Api) -> None:
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


async def test_answers_are_what_the_document_says(api: Api) -> None:
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


async def test_a_list_longer_than_a_message_is_sent_in_several(api: Api) -> None:
    cp = Listing()
    async with connected(api.store, TENANT, "CP-1", remembering(cp)[0]):
        told = [configuration.Told("SendLocalListMaxLength", "3", True)]
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


async def test_a_version_mismatch_is_answered_by_full_only_when_asked(api: Api) -> None:
    cp = Listing()
    async with connected(api.store, TENANT, "CP-1", remembering(cp)[0]):
        await put(api, "Aa")
        await send(api)
        cp.version = 50  # Somebody else was here.
        await put(api, "Aa", "Bb")
        first = await send(api, type="differential")
        assert (first["outcome"], sent(first)) == ("version_mismatch", [("Differential", 2, 1)])
        assert (await accepted(api))["stale"]
        cp.version = 50
        second = await send(api, type="differential", full_on_failure=True)
        assert (second["outcome"], sent(second)) == ("accepted", [("Differential", 2, 1), ("Full", 3, 2)])
        found = await accepted(api)
        assert (found["list_version"], found["stale"], found["as_desired"]) == (3, False, True)


async def test_a_failed_full_list_is_repeated_once_and_no_more(api: Api) -> None:
    cp = Listing()
    async with connected(api.store, TENANT, "CP-1", remembering(cp)[0]):
        await put(api, "Aa")
        cp.answers = ["Failed"] * 3
        assert sent(await send(api, type="full")) == [("Full", 1, 1)]
        answer = await send(api, type="full", full_on_failure=True, version=9)
        assert (answer["outcome"], sent(answer)) == ("failed", [("Full", 9, 1), ("Full", 10, 1)])
        assert cp.answers == []


async def test_not_supported_ends_it(api: Api) -> None:
    cp = Listing()
    async with connected(api.store, TENANT, "CP-1", remembering(cp)[0]):
        await put(api, "Aa")
        cp.answers = ["NotSupported"]
        answer = await send(api, full_on_failure=True)
        assert (answer["outcome"], len(answer["steps"])) == ("not_supported", 1)
        found = await accepted(api)
        assert (found["list_version"], found["update"], found["stale"]) == (None, None, False)
        assert found["last_answer"]["status"] == "NotSupported"


async def test_no_answer_to_a_step_is_a_problem_with_the_steps_before(api: Api) -> None:
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


async def test_a_client_that_hangs_up_ends_the_sending(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1", is_silent) as session:
        await put(api, *"abcd")
        with pytest.raises(httpx.ReadTimeout):
            await api.client.post(f"{PATH}/send", json={"max_entries": 2}, timeout=0.5)
        with trio.fail_after(5):
            while api.services.answers.waiting:  # noqa: ASYNC110  the end of a request sets no event
                await trio.sleep(0.01)
        [first] = session.claimed
        await session.answer(first, b'{"status":"Accepted"}')
        await api.client.post(f"{BASE}/commands/ClearCache", json={}, params={"wait": 0.5})
        assert len(session.claimed) == 2


async def test_a_chosen_version_is_sent_whatever_we_believe(api: Api) -> None:
    cp = Listing()
    async with connected(api.store, TENANT, "CP-1", remembering(cp)[0]):
        await put(api, "Aa")
        await send(api, version=40)
        answer = await send(api, type="differential", version=40)
        assert answer["outcome"] == "version_mismatch"
        assert "VersionMismatch" in answer["steps"][0]["command"]["warnings"][0]
        assert not (await accepted(api))["stale"]
        assert sent(await send(api, type="full")) == [("Full", 41, 1)]


async def test_the_reported_version_is_remembered(api: Api) -> None:
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


async def test_a_raw_send_local_list_is_followed(api: Api) -> None:
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


async def test_without_a_desired_list_nothing_is_sent(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        is_problem(await api.client.post(f"{PATH}/send", json={}), 409, "no-desired-list")
        assert session.claimed == []


async def test_bad_requests_say_what_is_wrong(api: Api) -> None:
    await api.client.put(BASE, json={})
    for method, body, pointer in (
        ("PUT", {"entries": entries("Aa", "bb", "AA")}, "/entries/2/id_tag"),
        ("PUT", {}, "/entries"),
        ("PUT", {"entries": entries("")}, "/entries/0/id_tag"),
        ("PUT", {"entries": [{"id_tag": "a", "expiry_date": "2030-01-01"}]}, "/entries/0/expiry_date"),
        ("PATCH", {"put": entries("Aa"), "remove": ["aA"]}, "/remove/0"),
        ("PATCH", {"add": []}, "/add"),
    ):
        bad = is_problem(await api.client.request(method, PATH, json=body), 422, "invalid-request")
        assert bad["errors"][0]["pointer"] == pointer
    is_problem(await api.client.post(f"{PATH}/send", json={"max_entries": 0}), 422, "invalid-request")
    is_problem(await api.client.get(PATH.replace("CP-1", "CP-2")), 404, "not-found")


async def test_a_list_that_grows_beyond_the_bound_is_refused(api: Api) -> None:
    await api.client.put(BASE, json={})
    for first in range(0, ENTRIES, 2_500):
        some = entries(*(f"{number}" for number in range(first, first + 2_500)))
        assert (await api.client.patch(PATH, json={"put": some})).status_code == 200
    bad = is_problem(await api.client.patch(PATH, json={"put": entries("more")}), 422, "invalid-request")
    assert "10000" in bad["detail"]
    assert (await api.client.get(PATH, params={"limit": 1})).json()["count"] == ENTRIES


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"listVersion": 0}, "never 0"),
        ({"listVersion": -1}, "never 0"),
        ({"listVersion": 5}, "VersionMismatch"),
        ({"updateType": "Full", "localAuthorizationList": [{"idTag": "x"}]}, "must have an idTagInfo"),
        ({"localAuthorizationList": [{"idTag": "x"}, {"idTag": "X"}]}, "more than once"),
        ({"localAuthorizationList": [{"idTag": tag} for tag in "abcd"]}, "takes at once: 3"),
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
async def test_what_looks_odd_is_sent_and_warned_of(api: Api, body: dict[str, Any], part: str) -> None:
    cp = Listing()
    answering, asked = remembering(cp)
    async with connected(api.store, TENANT, "CP-1", answering):
        await put(api, "One", "Two")
        await send(api, version=5)
        told = [
            configuration.Told(key, value, True)
            for key, value in (("SendLocalListMaxLength", "3"), ("LocalAuthListMaxLength", "4"))
        ]
        await configuration.learn(api.store, KEYS, told, [], complete=False)
        cp.answers = ["Accepted"]
        payload = {"listVersion": 6, "updateType": "Differential"} | body
        answer = await api.client.post(f"{BASE}/commands/SendLocalList", json=payload)
        [warning] = answer.json()["warnings"]
        assert part in warning
        assert asked[-1] == ("SendLocalList", payload)


async def test_a_differential_upon_doubt_is_warned_of(api: Api) -> None:
    cp = Listing()
    cp.answers = ["Accepted"] * 2
    async with connected(api.store, TENANT, "CP-1", remembering(cp)[0]):
        body = {"listVersion": 6, "updateType": "Differential", "localAuthorizationList": []}
        answer = await api.client.post(f"{BASE}/commands/SendLocalList", json=body)
        assert "not known for certain" in answer.json()["warnings"][0]
        cp.version = -1
        await api.client.post(f"{BASE}/commands/GetLocalListVersion", json={})
        answer = await api.client.post(f"{BASE}/commands/SendLocalList", json=body | {"listVersion": 7})
        assert "has no local list" in answer.json()["warnings"][0]


async def test_what_is_believed_of_its_list_can_be_forgotten(api: Api) -> None:
    cp = Listing()
    async with connected(api.store, TENANT, "CP-1", remembering(cp)[0]):
        nothing = await accepted(api)
        await put(api, "a", "b")
        await send(api, version=7)
        assert (await send(api))["outcome"] == "nothing_to_send"
        assert (await api.client.delete(f"{PATH}/accepted")).status_code == 204
        assert await accepted(api) == nothing
        assert (await api.client.get(PATH)).json()["count"] == 2
        assert sent(await send(api)) == [("Full", 1, 2)]
