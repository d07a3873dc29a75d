"""Conditional changes of settings: merge patches with If-Match, for each resource that takes them."""

from functools import partial
from typing import Any

import httpx
import pytest
import trio

from admin.http import conditions
from admin.routes.id_tags import IdTagSettings
from tests.admin.api import TENANT, Api
from tests.admin.problem import is_problem

BASE = f"/v1/tenants/{TENANT}"
CHARGE_POINT, ID_TAG = f"{BASE}/charge-points/CP-1", f"{BASE}/id-tags/04A2"
PATCH = conditions.MEDIA_TYPE
BEFORE: dict[str, dict[str, Any]] = {
    CHARGE_POINT: {"description": "Bay 7", "registration_interval_s": 30},
    ID_TAG: {"parent_id_tag": "FLEET", "max_active_transactions": 2, "expiry_date": "2030-01-01T00:00:00Z"},
    BASE: {"name": "Acme", "security_profile": 1, "certificate_organisations": ["A", "B"]},
}
"""Paths of the resources, and the settings that they have before a change."""
CHANGES: dict[str, dict[str, Any]] = {
    CHARGE_POINT: {"strict": True, "description": None},
    ID_TAG: {"status": "Blocked", "parent_id_tag": None},
    BASE: {"certificate_organisations": ["C"], "name": None},
}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    CHARGE_POINT: ({"registration_interval_s": 0}, "/registration_interval_s"),
    ID_TAG: ({"status": "Lost"}, "/status"),
    BASE: ({"end_after_days": 0}, "/end_after_days"),
}
every = pytest.mark.parametrize("path", BEFORE)


async def made(api: Api, path: str) -> str:
    """Make a resource with its settings before a change, and return its ETag."""
    answer = await api.client.put(path, json=BEFORE[path])
    assert answer.status_code in {200, 201}, answer.text
    return answer.headers["etag"]


async def patch(api: Api, path: str, content: object, etag: str | None) -> httpx.Response:
    headers = {"Content-Type": PATCH} | ({} if etag is None else {"If-Match": etag})
    return await api.client.patch(path, json=content, headers=headers)


@every
async def test_a_patch_changes_the_settings_it_has_and_sets_those_that_are_null_to_their_defaults(
    api: Api, path: str
) -> None:
    etag = await made(api, path)
    before = (await api.client.get(path)).json()
    answer = await patch(api, path, CHANGES[path], etag)
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] != etag
    defaults = {"description": "", "parent_id_tag": None, "name": ""}
    changed = {name: defaults[name] if value is None else value for name, value in CHANGES[path].items()}
    assert answer.json() == {**before, **changed}
    after = await api.client.get(path)
    assert (after.json(), after.headers["etag"]) == (answer.json(), answer.headers["etag"])


@every
async def test_a_patch_without_if_match_is_answered_428_and_one_of_an_older_state_412(
    api: Api, path: str
) -> None:
    etag = await made(api, path)
    is_problem(await patch(api, path, CHANGES[path], None), 428, "precondition-required")
    assert (await patch(api, path, CHANGES[path], etag)).status_code == 200
    now = await api.client.get(path)
    refused = await patch(api, path, CHANGES[path], etag)
    is_problem(refused, 412, "precondition-failed")
    assert refused.headers["etag"] == now.headers["etag"]
    # A weak tag never matches, and one of several tags is enough.
    is_problem(await patch(api, path, {}, f"W/{now.headers['etag']}"), 412, "precondition-failed")
    assert (await patch(api, path, {}, f'"other", {now.headers["etag"]}')).status_code == 200
    assert (await patch(api, path, {}, "*")).json() == now.json()


@every
async def test_a_put_with_if_match_replaces_only_the_settings_it_names(api: Api, path: str) -> None:
    etag = await made(api, path)
    changed = await api.client.put(path, json={}, headers={"If-Match": etag})
    assert changed.status_code == 200, changed.text
    assert changed.headers["etag"] != etag
    is_problem(
        await api.client.put(path, json=BEFORE[path], headers={"If-Match": etag}), 412, "precondition-failed"
    )
    assert (await api.client.get(path)).json() == changed.json()


@every
async def test_a_delete_with_if_match_deletes_only_what_has_the_settings_it_names(
    api: Api, path: str
) -> None:
    before = await made(api, path)
    now = (await api.client.put(path, json={})).headers["etag"]
    refused = await api.client.delete(path, headers={"If-Match": before})
    is_problem(refused, 412, "precondition-failed")
    assert refused.headers["etag"] == now
    assert (await api.client.get(path)).headers["etag"] == now
    assert (await api.client.delete(path, headers={"If-Match": now})).status_code == 204
    is_problem(await api.client.get(path), 404, "not-found")


@pytest.mark.parametrize("path", [CHARGE_POINT, ID_TAG])
async def test_a_delete_with_if_match_of_what_does_not_exist_is_answered_412_and_without_it_404(
    api: Api, path: str
) -> None:
    is_problem(await api.client.delete(path, headers={"If-Match": "*"}), 412, "precondition-failed")
    is_problem(await api.client.delete(path), 404, "not-found")


@pytest.mark.parametrize("path", [CHARGE_POINT, ID_TAG])
async def test_of_many_deletes_and_patches_of_one_state_exactly_one_is_made(api: Api, path: str) -> None:
    etag, answers = await made(api, path), list[httpx.Response]()

    async def change() -> None:
        answers.append(await patch(api, path, CHANGES[path], etag))

    async def delete() -> None:
        answers.append(await api.client.delete(path, headers={"If-Match": etag}))

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(change)
            nursery.start_soon(delete)
    statuses = [answer.status_code for answer in answers]
    assert len([status for status in statuses if status in {200, 204}]) == 1
    assert set(statuses) - {200, 204} <= {404, 412}


@pytest.mark.parametrize("path", [CHARGE_POINT, ID_TAG, "/v1/tenants/unknown"])
async def test_a_conditional_change_never_creates_what_does_not_exist(api: Api, path: str) -> None:
    is_problem(await patch(api, path, {}, "*"), 404, "not-found")
    is_problem(await api.client.put(path, json={}, headers={"If-Match": "*"}), 412, "precondition-failed")
    is_problem(await api.client.get(path), 404, "not-found")


@every
async def test_a_patch_that_is_wrong_changes_nothing_and_names_the_place(api: Api, path: str) -> None:
    etag = await made(api, path)
    content, pointer = WRONG[path]
    problem = is_problem(await patch(api, path, content, etag), 422, "invalid-request")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    problem = is_problem(await patch(api, path, {"unknown": None}, etag), 422, "invalid-request")
    assert [error["pointer"] for error in problem["errors"]] == ["/unknown"]
    is_problem(await patch(api, path, ["no object"], etag), 422, "invalid-request")
    wrong_type = await api.client.patch(path, json={}, headers={"If-Match": etag})
    is_problem(wrong_type, 415, "unsupported-media-type")
    assert wrong_type.headers["accept-patch"] == PATCH
    assert (await api.client.get(path)).headers["etag"] == etag


@every
async def test_of_many_patches_of_one_state_exactly_one_is_made(api: Api, path: str) -> None:
    etag, answers = await made(api, path), list[httpx.Response]()

    async def change() -> None:
        answers.append(await patch(api, path, CHANGES[path], etag))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(change)
    assert sorted(answer.status_code for answer in answers) == [200, *[412] * 7]


async def test_a_tenant_keeps_its_security_profile_if_a_patch_says_null(api: Api) -> None:
    etag = await made(api, BASE)
    answer = await patch(api, BASE, {"security_profile": None}, etag)
    assert answer.json()["security_profile"] == 1


async def test_what_a_charge_point_reports_does_not_change_its_etag_but_its_acceptance_does(api: Api) -> None:
    await api.client.put(CHARGE_POINT, json={"registration": "Pending"})
    before = await api.client.get(CHARGE_POINT)
    await api.client.put(CHARGE_POINT.replace("CP-1", "CP-2"), json={})
    read = partial(api.client.get, CHARGE_POINT)
    assert (await read()).headers["etag"] == before.headers["etag"]
    assert (await api.client.post(f"{CHARGE_POINT}/accept")).status_code == 200
    assert (await read()).headers["etag"] != before.headers["etag"]


def test_every_member_of_a_patch_may_be_absent_or_null() -> None:
    schema = conditions.patch_schema(IdTagSettings)
    assert set(schema["properties"]) == {
        "status",
        "expiry_date",
        "parent_id_tag",
        "max_active_transactions",
    }
    assert "required" not in schema
    assert all({"type": "null"} in one["anyOf"] for one in schema["properties"].values())
