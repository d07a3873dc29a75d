"""For each doubt about a command, the answer has a warning of one sentence. csms sends the command anyway."""

from typing import Any

import pytest

from state import transactions
from state.charge_points import connectors
from state.charge_points.connectors import Connector
from state.features import reservations
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.tenants import id_tags
from state.tenants.id_tags import IdTag
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import FakeSession, connected
from tests.support.transactions import ANSWER, a_start, a_stop

KEYS = ChargePointKeys(TENANT, "CP-1")
PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1/commands"
START, STOP = "RemoteStartTransaction", "RemoteStopTransaction"
PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}],
    },
}


async def read_warnings(api: Api, action: str, body: Any) -> list[str]:
    """Send a command, check that the charge point gets it, and return the warnings."""
    response = await api.client.post(f"{PATH}/{action}", json=body)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["status"], answer["payload"]) == ("answered", body)
    found: list[str] = answer["warnings"]
    return found


async def report_statuses(api: Api, lease: Lease, *statuses: str) -> None:
    """Let the charge point report the status of connectors 0, 1, and so on."""
    for number, status in enumerate(statuses):
        connector = Connector(connector_id=number, status=status, error_code="NoError", received_ms=1)
        await connectors.record_status(api.store, lease, connector)


async def put_tag(api: Api, tag: str, **settings: Any) -> None:
    await id_tags.put(api.store, TENANT, IdTag(tag=tag, **settings))


async def test_correct_commands_have_no_warnings(api: Api) -> None:
    await put_tag(api, "GOOD")
    async with connected(api.store, TENANT, "CP-1") as session:
        await report_statuses(
            api, session.lease, "Available", "Available", "Preparing", "Finishing", "Reserved"
        )
        for connector in (1, 2, 3, 4):
            assert await read_warnings(api, START, {"idTag": "good", "connectorId": connector}) == []
        whole = {"idTag": "GOOD", "connectorId": 1, "chargingProfile": PROFILE}
        assert await read_warnings(api, START, whole) == []
        for action, body in (
            ("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}),
            ("ChangeAvailability", {"connectorId": 1, "type": "Operative"}),
            ("UnlockConnector", {"connectorId": 1}),
            ("Reset", {"type": "Hard"}),
            ("ClearCache", {}),
        ):
            assert await read_warnings(api, action, body) == []


async def test_a_remote_start_with_an_id_tag_that_will_not_be_accepted_has_a_warning(api: Api) -> None:
    await put_tag(api, "BLOCKED", status="Blocked")
    await put_tag(api, "OLD", expiry_date="2020-01-01T00:00:00Z")
    await put_tag(api, "NEW", expiry_date="2120-01-01T00:00:00Z")
    async with connected(api.store, TENANT, "CP-1"):
        for tag, says in (
            (
                "NOBODY",
                ["The id tag is unknown: its Authorize and StartTransaction will be answered Invalid."],
            ),
            (
                "blocked",
                ["The id tag is Blocked: its Authorize and StartTransaction will be answered Blocked."],
            ),
            ("OLD", ["The id tag is Expired: its Authorize and StartTransaction will be answered Expired."]),
            ("NEW", []),
        ):
            assert await read_warnings(api, START, {"idTag": tag, "connectorId": 1}) == says


async def test_a_remote_start_without_a_connector_has_a_warning(api: Api) -> None:
    await put_tag(api, "GOOD")
    async with connected(api.store, TENANT, "CP-1"):
        assert await read_warnings(api, START, {"idTag": "GOOD"}) == [
            "Some charge points answer Rejected to a remote start without connectorId."
        ]
        assert await read_warnings(api, START, {"idTag": "GOOD", "connectorId": 0}) == [
            "The connectorId of a remote start must be greater than 0 (section 6.33)."
        ]


@pytest.mark.parametrize("action", ["TriggerMessage", "ExtendedTriggerMessage"])
async def test_a_trigger_message_for_a_wrong_connector_has_a_warning(api: Api, action: str) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        await report_statuses(api, session.lease, "Available", "Available")
        for body, says in (
            ({"requestedMessage": "MeterValues"}, []),
            ({"requestedMessage": "MeterValues", "connectorId": 1}, []),
            ({"requestedMessage": "StatusNotification", "connectorId": 0}, []),
            (
                {"requestedMessage": "MeterValues", "connectorId": 0},
                ["The connectorId of a trigger must be greater than 0. Omit it to mean all connectors."],
            ),
            (
                {"requestedMessage": "StatusNotification", "connectorId": 7},
                ["The charge point has never reported connector 7, only 0, 1."],
            ),
            (
                {"requestedMessage": "Heartbeat", "connectorId": 7},
                ["Heartbeat is not about a connector: the charge point ignores the connectorId."],
            ),
        ):
            assert await read_warnings(api, action, body) == says


@pytest.mark.parametrize("status", ["Charging", "SuspendedEV", "SuspendedEVSE", "Unavailable", "Faulted"])
async def test_a_remote_start_on_a_busy_connector_has_a_warning(api: Api, status: str) -> None:
    await put_tag(api, "GOOD")
    async with connected(api.store, TENANT, "CP-1") as session:
        await report_statuses(api, session.lease, "Available", status)
        assert await read_warnings(api, START, {"idTag": "GOOD", "connectorId": 1}) == [
            f"The last known status of connector 1 is {status}."
        ]


async def test_a_command_for_an_unreported_connector_has_a_warning_if_other_connectors_were_reported(
    api: Api,
) -> None:
    await put_tag(api, "GOOD")
    bodies = [
        (START, {"idTag": "GOOD", "connectorId": 7}),
        ("ChangeAvailability", {"connectorId": 7, "type": "Inoperative"}),
        ("UnlockConnector", {"connectorId": 7}),
    ]
    async with connected(api.store, TENANT, "CP-1") as session:
        # csms knows nothing about the connectors before the charge point reports one.
        assert [await read_warnings(api, action, body) for action, body in bodies] == [[], [], []]
        await report_statuses(api, session.lease, "Available", "Available", "Available")
        says = ["The charge point has never reported connector 7, only 0, 1, 2."]
        assert [await read_warnings(api, action, body) for action, body in bodies] == [says, says, says]


async def test_a_command_that_unlocks_connector_0_has_a_warning(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        assert await read_warnings(api, "UnlockConnector", {"connectorId": 0}) == [
            "Connector 0 means the whole charge point, which has no lock."
        ]


async def test_a_remote_start_with_a_charging_profile_of_a_forbidden_kind_has_a_warning(api: Api) -> None:
    await put_tag(api, "GOOD")
    purpose = "A charging profile in a remote start must be a TxProfile (section 5.11)."
    transaction = "A charging profile in a remote start must not name a transaction (errata 11)."
    async with connected(api.store, TENANT, "CP-1"):
        for changes, says in (
            ({"chargingProfilePurpose": "TxDefaultProfile"}, [purpose]),
            ({"transactionId": 7}, [transaction]),
            (
                {"chargingProfilePurpose": "ChargePointMaxProfile", "transactionId": 7},
                [purpose, transaction],
            ),
        ):
            body = {"idTag": "GOOD", "connectorId": 1, "chargingProfile": PROFILE | changes}
            assert await read_warnings(api, START, body) == says


async def test_a_remote_stop_of_an_unknown_or_already_stopped_transaction_has_a_warning(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        assert await read_warnings(api, STOP, {"transactionId": 7}) == [
            "csms knows no transaction 7 of this charge point."
        ]
        number = await _started(session)
        assert await read_warnings(api, STOP, {"transactionId": number}) == []
        await transactions.stop(api.store, session.lease, a_stop(number), ANSWER)
        assert await read_warnings(api, STOP, {"transactionId": number}) == [
            f"Transaction {number} has already stopped."
        ]
        assert await read_warnings(api, STOP, {"transactionId": -1}) == [
            "csms knows no transaction -1 of this charge point."
        ]


async def test_a_remote_stop_of_a_transaction_that_an_operator_ended_has_a_warning(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        number = await _started(session)
        await api.client.post(f"/v1/tenants/{TENANT}/transactions/CP-1.{number}/end", json={})
        assert await read_warnings(api, STOP, {"transactionId": number}) == [
            f"An operator has already ended transaction {number}."
        ]


async def test_a_command_to_a_rejected_charge_point_has_a_warning(api: Api) -> None:
    says = ["The charge point was answered Rejected: neither side should call until it boots again."]
    async with connected(api.store, TENANT, "CP-1"):
        await api.store.execute("HSET", KEYS.record, "boot_status", "Rejected")
        assert await read_warnings(api, "ClearCache", {}) == says
        await api.store.execute("HSET", KEYS.record, "boot_status", "Pending")
        assert await read_warnings(api, "ClearCache", {}) == []


async def test_the_post_request_for_a_command_returns_the_warnings_and_a_later_get_request_does_not(
    api: Api,
) -> None:
    """Warnings describe the situation at the moment at which the command was sent."""
    says = ["Connector 0 means the whole charge point, which has no lock."]

    async def silent(_session: FakeSession, _command: str, _go: object) -> None:
        return

    async with connected(api.store, TENANT, "CP-1", silent) as session:
        url = f"{PATH}/UnlockConnector"
        waits = await api.client.post(f"{url}?wait=0", json={"connectorId": 0})
        assert (waits.status_code, waits.json()["warnings"]) == (202, says)
        late = await api.client.post(f"{url}?timeout=1", json={"connectorId": 0})
        assert (late.status_code, late.json()["command"]["warnings"]) == (504, says)
        await session.answer(waits.json()["id"], b'{"status":"Unlocked"}')
        read = await api.client.get(f"/v1/tenants/{TENANT}/commands/{waits.json()['id']}")
        assert (read.json()["status"], read.json()["warnings"]) == ("answered", [])


async def _started(session: FakeSession) -> int:
    outcome = await transactions.start(session.store, session.lease, a_start(), ANSWER)
    return outcome.id


async def test_a_command_is_sent_even_if_the_code_for_its_warnings_has_a_bug(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        await api.store.execute("HSET", KEYS.configuration, "heartbeatinterval", b"no JSON")
        found = await read_warnings(api, "ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"})
    assert found == ["Other warnings are missing because of a bug in csms; the logs have the details."]
    assert "warning.failed" in capsys.readouterr().out


async def test_a_remote_start_on_a_connector_that_is_reserved_for_another_tag_has_a_warning(api: Api) -> None:
    for tag, parent in (("MINE", None), ("OTHER", None), ("SIBLING", "Fleet"), ("COUSIN", "Else")):
        await put_tag(api, tag, parent_id_tag=parent)
    now_ms = api.store.server_time_ms()
    for id_, connector, expires_ms in ((7, 1, now_ms + 60_000), (8, 2, now_ms - 1), (9, 0, now_ms + 60_000)):
        asked = reservations.Asked(
            connector_id=connector, id_tag="Mine", parent_id_tag="FLEET", expiry_date="2100-01-01T00:00:00Z"
        )
        await reservations.record_made(api.store, KEYS, f"00.{id_}", id_, asked, expires_ms=expires_ms)
    async with connected(api.store, TENANT, "CP-1") as session:
        await report_statuses(api, session.lease, "Available", "Reserved", "Available")
        warning = ["Connector 1 is reserved for another id tag (reservation 7)."]
        for tag, connector, says in (
            ("mine", 1, []),
            ("sibling", 1, []),
            ("other", 1, warning),
            ("cousin", 1, warning),
            ("other", 2, []),
        ):
            assert await read_warnings(api, START, {"idTag": tag, "connectorId": connector}) == says
