"""What the charge point of the load test does after its answer: messages, jobs and resets."""

from loadtest.charge_point.responses import LATER_MAX, Responses
from tests.loadtest.charge_point.asking import PROFILE, TIME, Idle, ask, followed, read


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
