"""The three commands that csms may refuse to send, and the commands that csms always sends."""

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


async def set_boot_status(api: Api, status: str | None) -> None:
    """Set the status with which the charge point's BootNotification was answered.

    The status None means that the charge point never sent a BootNotification.
    """
    if status is None:
        await api.store.execute("HDEL", KEYS.record, "boot_status")
    else:
        await api.store.execute("HSET", KEYS.record, "boot_status", status)


async def send_all(api: Api, session: FakeSession, *commands: tuple[str, object]) -> None:
    for action, body in commands:
        before = len(session.claimed)
        response = await api.client.post(f"{PATH}/{action}", json=body)
        assert response.status_code == 200, response.text
        assert len(session.claimed) == before + 1


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
async def test_remote_start_and_remote_stop_commands_are_refused_until_the_boot_notification_is_accepted(
    api: Api, status: str
) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        await set_boot_status(api, status)
        for action, body in (START, STOP):
            refused = await api.client.post(f"{PATH}/{action}", json=body)
            document = is_problem(refused, 409, "not-accepted")
            assert status in document["detail"]
            assert action in document["detail"]
        assert session.claimed == []
        # Before it is accepted, a charge point may get commands for its configuration and for a boot.
        await send_all(api, session, BOOT, *OTHERS)


async def test_a_trigger_message_for_a_boot_notification_is_refused_if_the_charge_point_is_already_accepted(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        await set_boot_status(api, "Accepted")
        is_problem(await api.client.post(f"{PATH}/{BOOT[0]}", json=BOOT[1]), 409, "already-accepted")
        assert session.claimed == []
        await send_all(api, session, START, STOP, *OTHERS)


async def test_every_command_can_be_sent_to_a_charge_point_that_never_booted(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        await set_boot_status(api, None)
        await send_all(api, session, START, STOP, BOOT, *OTHERS)


async def test_remote_start_and_remote_stop_are_refused_if_the_first_boot_would_be_answered_with_pending(
    api: Api,
) -> None:
    await charge_points.put(api.store, TENANT, "CP-1", Settings(registration="Pending"))
    async with connected(api.store, TENANT, "CP-1") as session:
        for action, body in (START, STOP):
            refused = await api.client.post(f"{PATH}/{action}", json=body)
            assert "would answer its BootNotification" in is_problem(refused, 409, "not-accepted")["detail"]
        await send_all(api, session, BOOT, *OTHERS)
        # The charge point is accepted now and has not booted again.
        await set_boot_status(api, "Accepted")
        await send_all(api, session, START)


async def test_a_refused_command_does_not_use_up_its_idempotency_key(api: Api) -> None:
    """The refused command was never stored, so it may be sent again after the charge point is accepted."""
    key = {"Idempotency-Key": "release-me"}
    async with connected(api.store, TENANT, "CP-1") as session:
        await set_boot_status(api, "Pending")
        action, body = START
        refused = await api.client.post(f"{PATH}/{action}", json=body, headers=key)
        is_problem(refused, 409, "not-accepted")
        await set_boot_status(api, "Accepted")
        taken = await api.client.post(f"{PATH}/{action}", json=body, headers=key)
        assert taken.status_code == 200, taken.text
        assert session.claimed == [taken.json()["id"]]


async def test_a_request_with_a_known_idempotency_key_returns_the_stored_command_even_after_a_rejected_boot(
    api: Api,
) -> None:
    """The repeated request is not refused, because it sends no command and returns the first command."""
    key = {"Idempotency-Key": "once"}
    async with connected(api.store, TENANT, "CP-1") as session:
        await set_boot_status(api, "Accepted")
        action, body = START
        first = await api.client.post(f"{PATH}/{action}", json=body, headers=key)
        await set_boot_status(api, "Rejected")
        again = await api.client.post(f"{PATH}/{action}", json=body, headers=key)
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.json()["id"] == first.json()["id"]
        assert len(session.claimed) == 1
