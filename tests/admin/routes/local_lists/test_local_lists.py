"""Local lists over HTTP, with a charge point that keeps its list as section 5.15 says."""

import pytest

from admin.routes.local_lists import local_lists as routes
from state.features.local_list_entries import ENTRIES
from state.tenants import id_tags
from state.tenants.id_tags import IdTag
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import connected
from tests.admin.local_listing import BASE, PATH, Listing, accepted, entries, put, send, sent
from tests.admin.problem import is_problem
from tests.admin.remembering import remembering


async def test_an_operator_can_put_and_change_and_read_the_desired_local_list(api: Api) -> None:
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
        full | {"expiry_date": "2030-01-01T00:00:00.000Z"},
        {"id_tag": "Dd", **plain},
    ]
    assert found["edited_at"] == changed.json()["edited_at"]


async def test_the_desired_list_and_the_accepted_list_are_read_in_pages(api: Api) -> None:
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


async def test_the_id_tags_of_a_tenant_can_be_copied_to_the_desired_list(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        "expiry_date": "2030-01-01T00:00:00.000Z",
        "parent_id_tag": "P",
    }
    monkeypatch.setattr(routes, "ENTRIES", 4)
    is_problem(await api.client.post(f"{PATH}/from-id-tags"), 409, "too-many-id-tags")


async def test_an_invalid_local_list_is_answered_422_with_a_json_pointer(api: Api) -> None:
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


async def test_a_change_that_makes_the_desired_list_too_long_is_refused(api: Api) -> None:
    await api.client.put(BASE, json={})
    for first in range(0, ENTRIES, 2_500):
        some = entries(*(f"{number}" for number in range(first, first + 2_500)))
        assert (await api.client.patch(PATH, json={"put": some})).status_code == 200
    bad = is_problem(await api.client.patch(PATH, json={"put": entries("more")}), 422, "invalid-request")
    assert "10000" in bad["detail"]
    assert (await api.client.get(PATH, params={"limit": 1})).json()["count"] == ENTRIES


async def test_an_operator_can_delete_the_stored_copy_of_the_accepted_list(api: Api) -> None:
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
