"""Operators set what a charge point must prove, and see a password only when csms makes it."""

import re

import pytest

from state import charge_points
from state.charge_points import Settings, passwords, security
from state.charge_points.security import Proof
from state.keys import ChargePointKeys
from tests.admin.api import PEPPER, TENANT, Api
from tests.admin.fake_session import connected, is_silent
from tests.admin.problem import is_problem
from tests.admin.remembering import remembering

KEYS = ChargePointKeys(TENANT, "CP-1")
PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1"
KEY = "5f3a9c17e2d04b86a1c97e30f45d2b6810ce7a94"
UNTOUCHED: dict[str, object] = {
    "security_profile": 0,
    "password_set_at": None,
    "next_passwords": [],
    "binding": "identity",
    "serial_number": "",
    "common_name": "",
    "check_organisation": True,
}


@pytest.fixture
async def known(api: Api) -> Api:
    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    return api


async def is_right(api: Api, key: str) -> bool:
    found = await security.read(api.store, TENANT, "CP-1")
    return passwords.find_match(PEPPER, KEYS.member, bytes.fromhex(key), found.digests) is not None


async def test_the_proof_of_a_new_charge_point_is_the_token_alone(known: Api) -> None:
    assert (await known.client.get(f"{PATH}/security")).json() == UNTOUCHED


async def test_a_change_leaves_the_members_that_it_does_not_name_as_they_are(known: Api) -> None:
    changed = await known.client.patch(
        f"{PATH}/security", json={"binding": "serial_number", "serial_number": "S-7"}
    )
    assert changed.json() == UNTOUCHED | {"binding": "serial_number", "serial_number": "S-7"}
    for body in ({"security_profile": 2}, {"check_organisation": False}, {}):
        changed = await known.client.patch(f"{PATH}/security", json=body)
        assert changed.status_code == 200
    assert changed.json() == UNTOUCHED | {
        "binding": "serial_number",
        "serial_number": "S-7",
        "security_profile": 2,
        "check_organisation": False,
    }


async def test_an_operator_lowers_a_profile_that_a_connection_has_raised(known: Api) -> None:
    await security.record_proof(known.store, KEYS, Proof(profile=3), 1)
    assert (await known.client.get(f"{PATH}/security")).json()["security_profile"] == 3
    lowered = await known.client.patch(f"{PATH}/security", json={"security_profile": 0})
    assert lowered.json()["security_profile"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {"security_profile": 4},
        {"security_profile": -1},
        {"security_profile": None},
        {"security_profile": "2"},
        {"binding": "subject"},
        {"binding": "serial_number"},
        {"binding": "common_name", "common_name": ""},
        {"password": KEY},
        {"common_name": "x" * 256},
    ],
    ids=range(9),
)
async def test_a_change_that_cannot_be_right_is_refused_and_changes_nothing(
    known: Api, body: dict[str, object]
) -> None:
    assert (await known.client.patch(f"{PATH}/security", json=body)).status_code == 422
    assert (await known.client.get(f"{PATH}/security")).json() == UNTOUCHED


async def test_a_random_password_is_shown_once_and_never_again(known: Api) -> None:
    made = await known.client.put(f"{PATH}/authorization-key", json={})
    value = made.json()["value"]
    assert re.fullmatch("[0-9a-f]{40}", value)
    assert await is_right(known, value)
    shown = (await known.client.get(f"{PATH}/security")).json()
    assert shown["password_set_at"] is not None
    assert value not in str(shown)
    again = await known.client.put(f"{PATH}/authorization-key", json={})
    assert again.json()["value"] != value
    assert not await is_right(known, value)


async def test_a_password_that_the_request_has_is_not_repeated_in_the_answer(known: Api) -> None:
    made = await known.client.put(f"{PATH}/authorization-key", json={"value": KEY})
    assert made.json() == {"value": None, "command": None}
    assert await is_right(known, KEY)


@pytest.mark.parametrize("value", ["", "0" * 40, "x" * 41, "password12345678", "ü" * 20, " " * 20])
async def test_a_weak_password_is_refused_without_being_quoted(known: Api, value: str) -> None:
    for path in ("authorization-key", "authorization-key/change"):
        method = "PUT" if path == "authorization-key" else "POST"
        answer = await known.client.request(method, f"{PATH}/{path}", json={"value": value})
        problem = is_problem(answer, 422, "bad-authorization-key")
        assert not value.strip() or value not in str(problem)
    assert (await security.read(known.store, TENANT, "CP-1")).digests == ()


async def test_a_password_cannot_be_removed_while_the_charge_point_needs_it(known: Api) -> None:
    await known.client.put(f"{PATH}/authorization-key", json={"value": KEY})
    for own, of_tenant in ((1, 0), (2, 0), (0, 1), (0, 2)):
        await known.client.patch(f"{PATH}/security", json={"security_profile": own})
        await known.client.put(f"/v1/tenants/{TENANT}", json={"security_profile": of_tenant})
        is_problem(await known.client.delete(f"{PATH}/authorization-key"), 409, "password-needed")
    await known.client.put(f"/v1/tenants/{TENANT}", json={"security_profile": 3})
    assert (await known.client.delete(f"{PATH}/authorization-key")).status_code == 204
    assert not await is_right(known, KEY)


async def test_a_changed_password_is_sent_to_the_charge_point_and_is_the_only_one_after_accepted(
    known: Api,
) -> None:
    await known.client.put(f"{PATH}/authorization-key", json={"value": KEY})
    answering, asked = remembering(lambda _action, _payload: {"status": "Accepted"})
    async with connected(known.store, TENANT, "CP-1", answering):
        done = await known.client.post(f"{PATH}/authorization-key/change", json={})
    assert done.status_code == 200
    value = done.json()["value"]
    assert asked == [("ChangeConfiguration", {"key": "AuthorizationKey", "value": value})]
    assert value not in str(done.json()["command"])
    assert (await is_right(known, KEY), await is_right(known, value)) == (False, True)


async def test_while_the_outcome_is_unknown_the_next_password_is_listed_by_its_command(known: Api) -> None:
    await known.client.put(f"{PATH}/authorization-key", json={"value": KEY})
    answering, _ = remembering(lambda _action, _payload: {"status": "RebootRequired"})
    async with connected(known.store, TENANT, "CP-1", answering):
        done = await known.client.post(f"{PATH}/authorization-key/change", json={})
    shown = (await known.client.get(f"{PATH}/security")).json()["next_passwords"]
    assert shown == [{"command": done.json()["command"]["id"], "reboot_required": True}]
    async with connected(known.store, TENANT, "CP-1", is_silent):
        lost = await known.client.post(f"{PATH}/authorization-key/change?timeout=1", json={})
    problem = is_problem(lost, 504, "deadline-passed")
    shown = (await known.client.get(f"{PATH}/security")).json()["next_passwords"]
    assert shown[1] == {"command": problem["id"], "reboot_required": False}


async def test_a_change_for_a_charge_point_that_is_offline_changes_nothing(known: Api) -> None:
    await known.client.put(f"{PATH}/authorization-key", json={"value": KEY})
    is_problem(await known.client.post(f"{PATH}/authorization-key/change", json={}), 409, "offline")
    assert (await known.client.get(f"{PATH}/security")).json()["next_passwords"] == []
    assert await is_right(known, KEY)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "security", None),
        ("PATCH", "security", {"security_profile": 1}),
        ("PUT", "authorization-key", {}),
        ("DELETE", "authorization-key", None),
        ("POST", "authorization-key/change", {}),
    ],
)
async def test_the_proof_of_a_charge_point_is_only_for_keys_of_its_tenant(
    known: Api, method: str, path: str, body: dict[str, object] | None
) -> None:
    other = await known.as_key(["other"])
    for url, headers in ((f"{PATH}/{path}", other), (f"{PATH[:-1]}9/{path}", None)):
        answer = await known.client.request(method, url, json=body, headers=headers)
        assert answer.status_code in {403, 404}
    assert (await security.read(known.store, TENANT, "CP-1")) == security.Security()
