"""The answers of the load test's charge point fit the official schemas and do not contradict each other."""

import random
from typing import Any

import msgspec
import pytest
import trustme

from gateway.ocpp16.actions import Sender, actions_of
from gateway.ocpp16.errors import CODES, DESCRIPTION_LIMIT
from gateway.ocpp16.messages import core
from loadtest.charge_point import responses
from loadtest.charge_point.equipment import CERTIFICATES_MAX, LIST_MAX, PROFILES_MAX
from loadtest.charge_point.responses import LATER_MAX, Refusal, ResetKind, Responses
from tests.support import official_schemas
from tests.support.schema_payloads import generate, schema, to_json

ASKED = actions_of(Sender.CENTRAL_SYSTEM)
TIME = "2026-01-31T12:00:00Z"
FAR, PAST = "2126-01-31T12:00:00Z", "2020-01-31T12:00:00Z"


class Idle:
    """A stand-in for a charge point, which does nothing until its method `start` is called."""

    def __init__(self) -> None:
        self.id = "CP"
        self.connectors = 1
        self.transaction_id: int | None = None
        self.stopped: list[str] = []
        self.resets: list[str] = []

    def start(self, id_tag: str) -> bool:
        free = self.transaction_id is None
        self.transaction_id = 7
        return free and bool(id_tag)

    def stop(self, reason: core.Reason) -> bool:
        self.stopped.append(reason)
        charged, self.transaction_id = self.transaction_id is not None, None
        return charged

    def reset(self, kind: ResetKind) -> None:
        self.resets.append(kind)

    def boot(self) -> bytes:
        return b'{"chargePointVendor":"csms","chargePointModel":"test"}'

    def reading(self) -> bytes:
        value = b'{"timestamp":"2026-01-31T12:00:00Z","sampledValue":[{"value":"1"}]}'
        return b'{"connectorId":1,"meterValue":[%b]}' % value

    def status(self, connector: int) -> bytes:
        return b'{"connectorId":%d,"errorCode":"NoError","status":"Available"}' % connector


@pytest.fixture
def day() -> Idle:
    return Idle()


@pytest.fixture
def ours(day: Idle) -> Responses:
    return Responses(day)


def ask(ours: Responses, action: str, /, **payload: Any) -> dict[str, Any]:
    """Return the payload of the CALLRESULT, and check the messages that follow the CALLRESULT."""
    answer = ours.answer(action, msgspec.json.encode(payload))
    assert isinstance(answer, bytes)
    for name, message in ours.later:
        read(name, message)
    return read(f"{action}Response", answer)


def read(name: str, payload: bytes) -> dict[str, Any]:
    """Return the payload, which the official schema must accept."""
    found: dict[str, Any] = official_schemas.read(payload)
    official_schemas.check(name, found)
    return found


def idle(ours: Responses) -> str:
    return ours.idle_status(1)


def followed(ours: Responses) -> list[tuple[str, Any]]:
    """Take the queued messages, each as its action and its relevant field."""
    later, ours.later = ours.later, []
    return [
        (name, payload.get("status", payload.get("connectorId")))
        for name, payload in ((name, read(name, message)) for name, message in later)
    ]


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


def test_an_operator_can_start_and_stop_a_transaction_of_the_simulated_charge_point(
    ours: Responses, day: Idle
) -> None:
    start = {"idTag": "TAG", "connectorId": 1}
    assert ask(ours, "RemoteStartTransaction", **start | {"connectorId": 2}) == {"status": "Rejected"}
    assert ask(ours, "RemoteStartTransaction", **start) == {"status": "Accepted"}
    assert ask(ours, "RemoteStartTransaction", **start) == {"status": "Rejected"}
    assert ask(ours, "RemoteStopTransaction", transactionId=8) == {"status": "Rejected"}
    assert ask(ours, "RemoteStopTransaction", transactionId=7) == {"status": "Accepted"}
    assert ask(ours, "UnlockConnector", connectorId=9) == {"status": "NotSupported"}
    assert ask(ours, "UnlockConnector", connectorId=1) == {"status": "Unlocked"}
    assert day.stopped == ["Remote", "UnlockCommand"]


def test_a_reset_reboots_the_simulated_charge_point_and_drops_what_it_has_not_sent(
    ours: Responses, day: Idle
) -> None:
    assert ask(ours, "TriggerMessage", requestedMessage="Heartbeat") == {"status": "Accepted"}
    for kind in ("Soft", "Hard"):
        assert ask(ours, "Reset", type=kind) == {"status": "Accepted"}
    assert day.resets == ["Soft", "Hard"]
    assert day.stopped == []
    day.transaction_id = 7
    transaction = PROFILE | {"chargingProfilePurpose": "TxProfile"}
    ask(ours, "SetChargingProfile", connectorId=1, csChargingProfiles=transaction)
    ask(ours, "ChangeConfiguration", key="HeartbeatInterval", value="9")
    ours.reboot()
    assert ours.later == []
    assert ask(ours, "ClearChargingProfile") == {"status": "Unknown"}
    kept = ask(ours, "GetConfiguration", key=["HeartbeatInterval"])
    assert kept["configurationKey"][0]["value"] == "9"


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


def test_the_simulated_charge_point_sends_the_message_that_a_trigger_requests(ours: Responses) -> None:
    for action, wanted, follows in (
        ("TriggerMessage", "BootNotification", [("BootNotification", None)]),
        ("TriggerMessage", "Heartbeat", [("Heartbeat", None)]),
        ("TriggerMessage", "MeterValues", [("MeterValues", 1)]),
        ("TriggerMessage", "StatusNotification", [("StatusNotification", "Available")] * 2),
        ("TriggerMessage", "FirmwareStatusNotification", [("FirmwareStatusNotification", "Idle")]),
        ("TriggerMessage", "DiagnosticsStatusNotification", [("DiagnosticsStatusNotification", "Idle")]),
        (
            "ExtendedTriggerMessage",
            "FirmwareStatusNotification",
            [("SignedFirmwareStatusNotification", "Idle")],
        ),
        ("ExtendedTriggerMessage", "LogStatusNotification", [("LogStatusNotification", "Idle")]),
        ("ExtendedTriggerMessage", "SignChargePointCertificate", [("SignCertificate", None)]),
    ):
        assert ask(ours, action, requestedMessage=wanted) == {"status": "Accepted"}
        assert followed(ours) == follows
    only = {"requestedMessage": "StatusNotification", "connectorId": 1}
    assert ask(ours, "TriggerMessage", **only) == {"status": "Accepted"}
    assert len(followed(ours)) == 1
    assert ask(ours, "TriggerMessage", **only | {"connectorId": 2}) == {"status": "Rejected"}


def test_a_charge_point_whose_queue_of_messages_is_full_rejects_further_jobs(ours: Responses) -> None:
    statuses = [ask(ours, "TriggerMessage", requestedMessage="Heartbeat")["status"] for _ in range(40)]
    assert statuses == ["Accepted"] * LATER_MAX + ["Rejected"] * (40 - LATER_MAX)
    log = {"log": {"remoteLocation": "x"}, "logType": "SecurityLog", "requestId": 1}
    assert ask(ours, "GetLog", **log) == {"status": "Rejected"}
    assert ask(ours, "GetDiagnostics", location="ftp://x") == {}
    assert len(ours.later) == LATER_MAX


def test_a_job_of_the_simulated_charge_point_reports_each_status_up_to_the_last(
    ours: Responses, root: str
) -> None:
    assert ask(ours, "UpdateFirmware", location="ftp://x", retrieveDate=TIME) == {}
    assert [status for _, status in followed(ours)] == [
        *("Downloading", "Downloaded", "Installing", "Installed")
    ]
    assert ask(ours, "GetDiagnostics", location="ftp://x") == {"fileName": "diagnostics.zip"}
    assert [status for _, status in followed(ours)] == ["Uploading", "Uploaded"]
    log = {"log": {"remoteLocation": "x"}, "logType": "SecurityLog", "requestId": 5}
    assert ask(ours, "GetLog", **log) == {"status": "Accepted", "filename": "SecurityLog.log"}
    assert [read(*one)["requestId"] for one in ours.later] == [5, 5]
    followed(ours)
    signed = {
        "location": "x",
        "retrieveDateTime": TIME,
        "signingCertificate": root,
        "signature": "c2ln",
    }
    assert ask(ours, "SignedUpdateFirmware", requestId=6, firmware=signed) == {"status": "Accepted"}
    assert [status for _, status in followed(ours)][-3:] == ["SignatureVerified", "Installing", "Installed"]
    bad = {"status": "InvalidCertificate"}
    assert (
        ask(ours, "SignedUpdateFirmware", requestId=7, firmware=signed | {"signingCertificate": "no"}) == bad
    )


PROFILE: dict[str, Any] = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}],
    },
}


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


@pytest.fixture(scope="module")
def root() -> str:
    return trustme.CA().cert_pem.bytes().decode()


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
