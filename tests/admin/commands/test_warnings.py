"""What looks odd is sent all the same, and said beside the answer: one sentence for each thing."""

from typing import Any

import pytest

from state import transactions
from state.charge_points import connectors
from state.charge_points.connectors import Connector
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


async def warned(api: Api, action: str, body: Any) -> list[str]:
    """The command reaches the charge point whatever is said of it."""
    response = await api.client.post(f"{PATH}/{action}", json=body)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["status"], answer["payload"]) == ("answered", body)
    found: list[str] = answer["warnings"]
    return found


async def tell(api: Api, lease: Lease, *statuses: str) -> None:
    """The status of connectors 0, 1, and so on."""
    for number, status in enumerate(statuses):
        connector = Connector(connector_id=number, status=status, error_code="NoError", received_ms=1)
        await connectors.record_status(api.store, lease, connector)


async def put_tag(api: Api, tag: str, **settings: Any) -> None:
    await id_tags.put(api.store, TENANT, IdTag(tag=tag, **settings))


async def test_nothing_is_odd(api: Api) -> None:
    await put_tag(api, "GOOD")
    async with connected(api.store, TENANT, "CP-1") as session:
        await tell(api, session.lease, "Available", "Available", "Preparing", "Finishing", "Reserved")
        for connector in (1, 2, 3, 4):
            assert await warned(api, START, {"idTag": "good", "connectorId": connector}) == []
        whole = {"idTag": "GOOD", "connectorId": 1, "chargingProfile": PROFILE}
        assert await warned(api, START, whole) == []
        for action, body in (
            ("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}),
            ("ChangeAvailability", {"connectorId": 1, "type": "Operative"}),
            ("UnlockConnector", {"connectorId": 1}),
            ("Reset", {"type": "Hard"}),
            ("ClearCache", {}),
        ):
            assert await warned(api, action, body) == []


async def test_a_tag_that_will_not_be_let_charge(api: Api) -> None:
    await put_tag(api, "BLOCKED", status="Blocked")
    await put_tag(api, "OLD", expiry_date="2020-01-01T00:00:00Z")
    await put_tag(api, "NEW", expiry_date="2120-01-01T00:00:00Z")
    async with connected(api.store, TENANT, "CP-1"):
        for tag, says in (
            (
                "NOBODY",
                ["The id tag is not known here: its Authorize and StartTransaction are answered Invalid."],
            ),
            ("blocked", ["The id tag is Blocked: its Authorize and StartTransaction are answered so."]),
            ("OLD", ["The id tag is Expired: its Authorize and StartTransaction are answered so."]),
            ("NEW", []),
        ):
            assert await warned(api, START, {"idTag": tag, "connectorId": 1}) == says


async def test_a_remote_start_without_a_connector(api: Api) -> None:
    await put_tag(api, "GOOD")
    async with connected(api.store, TENANT, "CP-1"):
        assert await warned(api, START, {"idTag": "GOOD"}) == [
            "Without connectorId some charge points answer Rejected."
        ]
        assert await warned(api, START, {"idTag": "GOOD", "connectorId": 0}) == [
            "A remote start's connectorId must be greater than 0 (section 6.33)."
        ]


@pytest.mark.parametrize("action", ["TriggerMessage", "ExtendedTriggerMessage"])
async def test_a_trigger_of_a_connector(api: Api, action: str) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        await tell(api, session.lease, "Available", "Available")
        for body, says in (
            ({"requestedMessage": "MeterValues"}, []),
            ({"requestedMessage": "MeterValues", "connectorId": 1}, []),
            (
                {"requestedMessage": "MeterValues", "connectorId": 0},
                ["A trigger's connectorId must be greater than 0; without one all connectors are meant."],
            ),
            (
                {"requestedMessage": "StatusNotification", "connectorId": 7},
                ["The charge point has not told of a connector 7; it told of 0, 1."],
            ),
            (
                {"requestedMessage": "Heartbeat", "connectorId": 7},
                ["Heartbeat is of no connector: the charge point ignores the connectorId."],
            ),
        ):
            assert await warned(api, action, body) == says


@pytest.mark.parametrize("status", ["Charging", "SuspendedEV", "SuspendedEVSE", "Unavailable", "Faulted"])
async def test_a_connector_that_is_not_free(api: Api, status: str) -> None:
    await put_tag(api, "GOOD")
    async with connected(api.store, TENANT, "CP-1") as session:
        await tell(api, session.lease, "Available", status)
        assert await warned(api, START, {"idTag": "GOOD", "connectorId": 1}) == [
            f"Connector 1 is {status}, as far as we know."
        ]


async def test_a_connector_that_it_never_told_of(api: Api) -> None:
    await put_tag(api, "GOOD")
    bodies = [
        (START, {"idTag": "GOOD", "connectorId": 7}),
        ("ChangeAvailability", {"connectorId": 7, "type": "Inoperative"}),
        ("UnlockConnector", {"connectorId": 7}),
    ]
    async with connected(api.store, TENANT, "CP-1") as session:
        # Of one that has told nothing nobody knows what it has.
        assert [await warned(api, action, body) for action, body in bodies] == [[], [], []]
        await tell(api, session.lease, "Available", "Available", "Available")
        says = ["The charge point has not told of a connector 7; it told of 0, 1, 2."]
        assert [await warned(api, action, body) for action, body in bodies] == [says, says, says]


async def test_the_lock_of_the_charge_point_as_a_whole(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        assert await warned(api, "UnlockConnector", {"connectorId": 0}) == [
            "Connector 0 is the charge point as a whole and has no lock."
        ]


async def test_a_charging_profile_that_does_not_belong_into_a_remote_start(api: Api) -> None:
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
            assert await warned(api, START, body) == says


async def test_a_transaction_that_is_not_known_or_over(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        assert await warned(api, STOP, {"transactionId": 7}) == [
            "No transaction 7 of this charge point is known here."
        ]
        number = await _started(session)
        assert await warned(api, STOP, {"transactionId": number}) == []
        await transactions.stop(api.store, session.lease, a_stop(number), ANSWER)
        assert await warned(api, STOP, {"transactionId": number}) == [
            f"Transaction {number} has stopped already."
        ]
        assert await warned(api, STOP, {"transactionId": -1}) == [
            "No transaction -1 of this charge point is known here."
        ]


async def test_one_that_was_rejected_is_better_left_alone(api: Api) -> None:
    says = ["The charge point was answered Rejected: until it boots again neither side should call."]
    async with connected(api.store, TENANT, "CP-1"):
        await api.store.execute("HSET", KEYS.record, "boot_status", "Rejected")
        assert await warned(api, "ClearCache", {}) == says
        await api.store.execute("HSET", KEYS.record, "boot_status", "Pending")
        assert await warned(api, "ClearCache", {}) == []


async def test_warnings_are_told_with_every_outcome_but_not_kept(api: Api) -> None:
    """They say what was so when it was sent."""
    says = ["Connector 0 is the charge point as a whole and has no lock."]

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


async def test_a_defect_of_ours_in_a_warning_holds_nothing_back(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        await api.store.execute("HSET", KEYS.configuration, "heartbeatinterval", b"no JSON")
        found = await warned(api, "ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"})
    assert found == ["What else is odd about this cannot be told, through a fault of ours."]
    assert "warning.failed" in capsys.readouterr().out
