"""The three things that are not sent at all, and all that is."""

import pytest

from state import charge_points
from state.charge_points import Settings
from state.keys import ChargePointKeys
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import FakeSession, connected
from tests.admin.problem import is_problem

KEYS = ChargePointKeys(TENANT, "CP-1")
PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1/commands"
START = ("RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1})
STOP = ("RemoteStopTransaction", {"transactionId": 7})
BOOT = ("TriggerMessage", {"requestedMessage": "BootNotification"})
OTHERS: tuple[tuple[str, object], ...] = (
    ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
    ("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1}),
    ("ExtendedTriggerMessage", {"requestedMessage": "BootNotification"}),
    ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"}),
    ("GetConfiguration", {}),
    ("Reset", {"type": "Hard"}),
)


async def answered(api: Api, status: str | None) -> None:
    """Let its BootNotification have been answered so; None: it never sent one."""
    if status is None:
        await api.store.execute("HDEL", KEYS.record, "boot_status")
    else:
        await api.store.execute("HSET", KEYS.record, "boot_status", status)


async def sent(api: Api, session: FakeSession, *commands: tuple[str, object]) -> None:
    for action, body in commands:
        before = len(session.claimed)
        response = await api.client.post(f"{PATH}/{action}", json=body)
        assert response.status_code == 200, response.text
        assert len(session.claimed) == before + 1


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
async def test_nobody_charges_before_the_boot_was_accepted(api: Api, status: str) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        await answered(api, status)
        for action, body in (START, STOP):
            refused = await api.client.post(f"{PATH}/{action}", json=body)
            document = is_problem(refused, 409, "not-accepted")
            assert status in document["detail"]
            assert action in document["detail"]
        assert session.claimed == []
        # A charge point that is held back is there to be configured, and to be asked to boot.
        await sent(api, session, BOOT, *OTHERS)


async def test_one_that_was_accepted_is_not_asked_to_boot_by_a_message(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        await answered(api, "Accepted")
        is_problem(await api.client.post(f"{PATH}/{BOOT[0]}", json=BOOT[1]), 409, "already-accepted")
        assert session.claimed == []
        await sent(api, session, START, STOP, *OTHERS)


async def test_of_one_that_never_booted_nothing_is_held_back(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        await answered(api, None)
        await sent(api, session, START, STOP, BOOT, *OTHERS)


async def test_but_for_one_that_is_to_be_held_back_when_it_boots(api: Api) -> None:
    await charge_points.put(api.store, TENANT, "CP-1", Settings(registration="Pending"))
    async with connected(api.store, TENANT, "CP-1") as session:
        for action, body in (START, STOP):
            refused = await api.client.post(f"{PATH}/{action}", json=body)
            assert "would be answered Pending" in is_problem(refused, 409, "not-accepted")["detail"]
        await sent(api, session, BOOT, *OTHERS)
        # Released, and not yet booted again.
        await answered(api, "Accepted")
        await sent(api, session, START)


async def test_a_refused_command_leaves_its_key_unused(api: Api) -> None:
    """What was never recorded may be asked again, once the charge point is released."""
    key = {"Idempotency-Key": "release-me"}
    async with connected(api.store, TENANT, "CP-1") as session:
        await answered(api, "Pending")
        action, body = START
        refused = await api.client.post(f"{PATH}/{action}", json=body, headers=key)
        is_problem(refused, 409, "not-accepted")
        await answered(api, "Accepted")
        taken = await api.client.post(f"{PATH}/{action}", json=body, headers=key)
        assert taken.status_code == 200, taken.text
        assert session.claimed == [taken.json()["id"]]


async def test_a_repeat_under_its_key_finds_the_command_whatever_was_answered_since(api: Api) -> None:
    """It is sent no more, so there is nothing to refuse: the operator learns what became of it."""
    key = {"Idempotency-Key": "once"}
    async with connected(api.store, TENANT, "CP-1") as session:
        await answered(api, "Accepted")
        action, body = START
        first = await api.client.post(f"{PATH}/{action}", json=body, headers=key)
        await answered(api, "Rejected")
        again = await api.client.post(f"{PATH}/{action}", json=body, headers=key)
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.json()["id"] == first.json()["id"]
        assert len(session.claimed) == 1
