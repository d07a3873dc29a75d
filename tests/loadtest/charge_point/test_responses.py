"""The answers of the load test's charge point fit the official schemas and do not contradict each other."""

import random
from typing import Any

import pytest
import trustme

from gateway.ocpp16.actions import Sender, actions_of
from gateway.ocpp16.errors import CODES, DESCRIPTION_LIMIT
from loadtest.charge_point import responses
from loadtest.charge_point.equipment import CERTIFICATES_MAX, LIST_MAX, PROFILES_MAX
from loadtest.charge_point.responses import LATER_MAX, Refusal, Responses
from tests.loadtest.charge_point.asking import FAR, PAST, PROFILE, Idle, ask, followed, idle, read
from tests.support.schema_payloads import generate, schema, to_json

ASKED = actions_of(Sender.CENTRAL_SYSTEM)


def test_the_simulated_charge_point_answers_each_of_the_26_calls_of_a_central_system() -> None:
    assert responses._TABLE.keys() == ASKED.keys()
    assert len(ASKED) == 26


@pytest.mark.parametrize("action", ASKED)
def test_every_answer_of_the_simulated_charge_point_fits_its_schema(action: str, ours: Responses) -> None:
    rng, node = random.Random(action), schema(action)
    for round_ in range(60):
        payload = to_json(generate(node, rng, full=round_ % 3 == 0))
        answer = ours.answer(action, payload)
        assert isinstance(answer, bytes)
        read(f"{action}Response", answer)
        assert len(ours.later) <= LATER_MAX
    followed(ours)


def test_a_changed_configuration_key_is_reported_with_its_new_value(ours: Responses) -> None:
    everything = ask(ours, "GetConfiguration")
    names = [one["key"] for one in everything["configurationKey"]]
    assert "unknownKey" not in everything
    assert "HeartbeatInterval" in names
    assert "AuthorizationKey" not in names
    for key, value, status in (
        ("heartbeatinterval", "60", "Accepted"),
        ("HeartbeatInterval", "often", "Rejected"),
        ("NumberOfConnectors", "2", "Rejected"),
        ("WebSocketPingInterval", "30", "RebootRequired"),
        ("AuthorizationKey", "0123456789abcdef", "Accepted"),
        ("Nonsense", "1", "NotSupported"),
    ):
        assert ask(ours, "ChangeConfiguration", key=key, value=value) == {"status": status}
    found = ask(ours, "GetConfiguration", key=["HEARTBEATINTERVAL", "AuthorizationKey", "Nonsense"])
    assert found == {
        "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "60"}],
        "unknownKey": ["Nonsense"],
    }


def test_an_inoperative_connector_does_not_charge(ours: Responses, day: Idle) -> None:
    change = {"connectorId": 1, "type": "Inoperative"}
    assert ask(ours, "ChangeAvailability", **change) == {"status": "Accepted"}
    assert followed(ours) == [
        ("StatusNotification", "Available")
    ]  # The charge point of this test never charges.
    assert idle(ours) == "Unavailable"
    assert ask(ours, "RemoteStartTransaction", idTag="TAG") == {"status": "Rejected"}
    reserve = {"connectorId": 1, "expiryDate": FAR, "idTag": "TAG", "reservationId": 1}
    assert ask(ours, "ReserveNow", **reserve) == {"status": "Unavailable"}
    assert ask(ours, "ChangeAvailability", connectorId=0, type="Operative") == {"status": "Accepted"}
    assert len(followed(ours)) == 2
    day.transaction_id = 7
    assert ask(ours, "ChangeAvailability", **change) == {"status": "Scheduled"}
    assert ask(ours, "ChangeAvailability", **change | {"connectorId": 5}) == {"status": "Rejected"}


def test_a_reserved_connector_refuses_other_id_tags(ours: Responses, day: Idle) -> None:
    reserve = {"connectorId": 1, "expiryDate": FAR, "idTag": "Tag", "reservationId": 1}
    assert ask(ours, "ReserveNow", **reserve) == {"status": "Accepted"}
    assert [action for action, _ in followed(ours)] == ["StatusNotification"]
    assert idle(ours) == "Reserved"
    assert ask(ours, "ReserveNow", **reserve | {"reservationId": 2}) == {"status": "Occupied"}
    assert ask(ours, "ReserveNow", **reserve | {"connectorId": 3}) == {"status": "Rejected"}
    assert ask(ours, "RemoteStartTransaction", idTag="OTHER") == {"status": "Rejected"}
    assert ask(ours, "CancelReservation", reservationId=2) == {"status": "Rejected"}
    assert ask(ours, "CancelReservation", reservationId=1) == {"status": "Accepted"}
    assert ask(ours, "ReserveNow", **reserve) == {"status": "Accepted"}
    assert ours.use_reservation("OTHER") is None
    assert ours.use_reservation("TAG") == 1
    assert idle(ours) == "Available"
    assert ask(ours, "ReserveNow", **reserve | {"expiryDate": PAST}) == {"status": "Accepted"}
    assert idle(ours) == "Available"
    day.transaction_id = 7
    assert ask(ours, "ReserveNow", **reserve) == {"status": "Occupied"}


def test_a_local_list_is_updated_according_to_its_version(ours: Responses) -> None:
    def send(version: int, kind: str, *tags: str, taken_off: tuple[str, ...] = ()) -> str:
        entries: list[dict[str, Any]] = [{"idTag": tag, "idTagInfo": {"status": "Accepted"}} for tag in tags]
        entries += [{"idTag": tag} for tag in taken_off]
        sent = {"listVersion": version, "updateType": kind, "localAuthorizationList": entries}
        return str(ask(ours, "SendLocalList", **sent)["status"])

    def version() -> int:
        return int(ask(ours, "GetLocalListVersion")["listVersion"])

    assert version() == 0
    assert send(3, "Full", "A", "B") == "Accepted"
    assert version() == 3
    assert send(3, "Differential", "C") == "VersionMismatch"
    assert send(4, "Differential", "C", taken_off=("a", "nobody")) == "Accepted"
    assert send(5, "Full", taken_off=("A",)) == "Failed"
    assert send(0, "Full", "A") == "Failed"
    assert send(6, "Full", *map(str, range(LIST_MAX + 1))) == "Failed"
    assert version() == 4
    assert ask(ours, "SendLocalList", listVersion=9, updateType="Full") == {"status": "Accepted"}
    assert version() == 0


def test_the_simulated_charge_point_limits_the_number_of_profiles_and_replaces_matching_profiles(
    ours: Responses, day: Idle
) -> None:
    def put(connector: int, **changes: Any) -> str:
        sent = {"connectorId": connector, "csChargingProfiles": PROFILE | changes}
        return str(ask(ours, "SetChargingProfile", **sent)["status"])

    def clear(**fields: Any) -> str:
        return str(ask(ours, "ClearChargingProfile", **fields)["status"])

    assert put(1, chargingProfilePurpose="TxProfile") == "Rejected"  # There is no transaction.
    assert put(1, chargingProfilePurpose="ChargePointMaxProfile") == "Rejected"
    assert put(0, chargingProfileId=9, chargingProfilePurpose="ChargePointMaxProfile") == "Accepted"
    assert put(1) == "Accepted"
    # Profile 2 replaces profile 1, which has the same level.
    assert put(1, chargingProfileId=2) == "Accepted"
    assert clear(id=1) == "Unknown"
    assert clear(connectorId=1, chargingProfilePurpose="TxDefaultProfile", stackLevel=0) == "Accepted"
    assert clear(id=9) == "Accepted"
    assert clear() == "Unknown"
    day.transaction_id = 7
    assert put(1, chargingProfilePurpose="TxProfile", transactionId=7) == "Accepted"
    assert put(1, chargingProfilePurpose="TxProfile", transactionId=8) == "Rejected"
    ours.end_transaction()
    assert clear() == "Unknown"
    for number in range(PROFILES_MAX):
        assert put(1, chargingProfileId=number, stackLevel=number) == "Accepted"
    assert put(1, chargingProfileId=99, stackLevel=99) == "Rejected"
    assert clear() == "Accepted"
    assert clear() == "Unknown"


def test_a_composite_schedule_is_capped_at_the_limit_of_the_hardware(ours: Responses) -> None:
    found = ask(ours, "GetCompositeSchedule", connectorId=1, duration=60, chargingRateUnit="W")
    assert found["chargingSchedule"]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 22080}]
    assert ask(ours, "GetCompositeSchedule", connectorId=4, duration=60) == {"status": "Rejected"}


def test_the_simulated_charge_point_identifies_a_certificate_by_its_hashes(
    ours: Responses, root: str
) -> None:
    use = {"certificateType": "ManufacturerRootCertificate"}
    assert ask(ours, "GetInstalledCertificateIds", **use) == {"status": "NotFound"}
    assert ask(ours, "InstallCertificate", **use, certificate="none") == {"status": "Rejected"}
    for _ in range(2):
        assert ask(ours, "InstallCertificate", **use, certificate=root) == {"status": "Accepted"}
    found = ask(ours, "GetInstalledCertificateIds", **use)
    [named] = found["certificateHashData"]
    other = {"certificateType": "CentralSystemRootCertificate"}
    assert ask(ours, "GetInstalledCertificateIds", **other) == {"status": "NotFound"}
    assert ask(ours, "DeleteCertificate", certificateHashData=named) == {"status": "Accepted"}
    assert ask(ours, "DeleteCertificate", certificateHashData=named) == {"status": "NotFound"}
    assert ask(ours, "CertificateSigned", certificateChain=root) == {"status": "Accepted"}
    assert ask(ours, "CertificateSigned", certificateChain="none") == {"status": "Rejected"}
    for _ in range(CERTIFICATES_MAX):
        pem = trustme.CA().cert_pem.bytes().decode()
        assert ask(ours, "InstallCertificate", **use, certificate=pem) == {"status": "Accepted"}
    assert ask(ours, "InstallCertificate", **use, certificate=root) == {"status": "Rejected"}


def test_data_transfer_of_an_unknown_vendor_is_refused(ours: Responses) -> None:
    for sent, answer in (
        ({"vendorId": "org.example"}, {"status": "UnknownVendorId"}),
        ({"vendorId": "csms"}, {"status": "UnknownMessageId"}),
        ({"vendorId": "csms", "messageId": "echo", "data": "säß"}, {"status": "Accepted", "data": "säß"}),
    ):
        assert ask(ours, "DataTransfer", **sent) == answer
    assert ask(ours, "ClearCache") == {"status": "Accepted"}


def test_each_connector_is_switched_and_reported_by_itself_and_only_the_first_charges(
    ours: Responses, day: Idle
) -> None:
    day.connectors = 3
    off: dict[str, Any] = {"type": "Inoperative"}
    assert ask(ours, "ChangeAvailability", connectorId=2, **off) == {"status": "Accepted"}
    assert len(followed(ours)) == 1
    assert [ours.idle_status(number) for number in range(4)] == [
        *("Available", "Available", "Unavailable", "Available")
    ]
    assert ask(ours, "ChangeAvailability", connectorId=0, **off) == {"status": "Accepted"}
    assert len(followed(ours)) == 4
    assert {ours.idle_status(number) for number in range(4)} == {"Unavailable"}
    ask(ours, "ChangeAvailability", connectorId=0, type="Operative")
    followed(ours)
    assert ask(ours, "TriggerMessage", requestedMessage="StatusNotification") == {"status": "Accepted"}
    assert len(followed(ours)) == 4
    only = {"requestedMessage": "MeterValues", "connectorId": 2}
    assert ask(ours, "TriggerMessage", **only) == {"status": "Rejected"}
    assert ask(ours, "RemoteStartTransaction", idTag="TAG", connectorId=2) == {"status": "Rejected"}
    day.transaction_id = 7
    assert ask(ours, "ChangeAvailability", connectorId=3, **off) == {"status": "Accepted"}
    assert ask(ours, "ChangeAvailability", connectorId=0, **off) == {"status": "Scheduled"}
    assert ask(ours, "UnlockConnector", connectorId=3) == {"status": "Unlocked"}
    assert day.stopped == []
    number = ask(ours, "GetConfiguration", key=["NumberOfConnectors"])["configurationKey"]
    assert number == [{"key": "NumberOfConnectors", "readonly": True, "value": "3"}]
    assert ask(ours, "GetCompositeSchedule", connectorId=3, duration=60)["status"] == "Accepted"
    assert ask(ours, "SetChargingProfile", connectorId=3, csChargingProfiles=PROFILE) == {
        "status": "Accepted"
    }
    assert ask(ours, "SetChargingProfile", connectorId=4, csChargingProfiles=PROFILE) == {
        "status": "Rejected"
    }


@pytest.mark.parametrize(
    ("action", "payload", "code", "words"),
    [
        ("MakeTea", b"{}", "NotImplemented", '"MakeTea" is not an action of OCPP 1.6'),
        ("Resett", b"{}", "NotImplemented", "did you mean Reset?"),
        ("Heartbeat", b"{}", "NotSupported", "only a charge point may send Heartbeat"),
        ("Reset", b'{"type":', "FormationViolation", ""),
        ("Reset", b"\xff", "FormationViolation", ""),
        ("Reset", b"[" * 10_000, "FormationViolation", ""),
        ("Reset", b"", "FormationViolation", "send {} if it is empty"),
        ("Reset", b"null", "OccurenceConstraintViolation", "type: required, but absent"),
        ("Reset", b'{"type":1}', "TypeConstraintViolation", "type: must be text"),
        ("Reset", b'{"type":"Warm"}', "PropertyConstraintViolation", "use one of Hard, Soft"),
    ],
)
def test_a_call_that_cannot_be_read_gets_a_callerror_that_says_why(
    action: str, payload: bytes, code: str, words: str, ours: Responses, day: Idle
) -> None:
    refusal = ours.answer(action, payload)
    assert isinstance(refusal, Refusal)
    assert refusal.code == code
    assert refusal.code in CODES
    assert words in refusal.text
    assert len(refusal.text) <= DESCRIPTION_LIMIT
    assert (day.resets, ours.later) == ([], [])


def test_a_call_without_fields_may_have_null_as_its_payload(ours: Responses) -> None:
    assert ours.answer("ClearCache", b"null") == b'{"status":"Accepted"}'


def test_a_charge_point_makes_its_stores_when_the_first_call_needs_them(ours: Responses) -> None:
    assert ask(ours, "Reset", type="Soft") == {"status": "Accepted"}
    assert [ours._configuration, ours._local_list, ours._profiles, ours._roots] == [None] * 4
    ours.end_transaction()
    assert ours._profiles is None
    assert not hasattr(ours, "__dict__")
