"""The load test's charge point receives all 26 calls over wss, and acts on them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from gateway.ocpp16.actions import Sender, actions_of
from tests.support.csms_up import Running
from tests.support.waiting import GENEROUS_S, wait_until

FAR, SOON = "2126-01-31T12:00:00Z", "2026-01-31T12:00:00Z"
ID = "handled-00000"


def commands(root: str, transaction_id: int) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """The calls in a sensible order, each with a part of the expected answer."""
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "transactionId": transaction_id,
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}],
        },
    }
    firmware = {"location": "x", "retrieveDateTime": SOON, "signingCertificate": root, "signature": "c2ln"}
    entry = {"idTag": "A", "idTagInfo": {"status": "Accepted"}}
    of_roots = {"certificateType": "ManufacturerRootCertificate"}
    accepted = {"status": "Accepted"}
    hashes = {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": "aa",
        "issuerKeyHash": "bb",
        "serialNumber": "1",
    }
    whole = {"updateType": "Full", "listVersion": 3, "localAuthorizationList": [entry]}
    return [
        ("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile}, accepted),
        ("GetCompositeSchedule", {"connectorId": 1, "duration": 60}, accepted),
        ("ChangeAvailability", {"connectorId": 1, "type": "Operative"}, {"status": "Scheduled"}),
        ("RemoteStopTransaction", {"transactionId": transaction_id}, accepted),
        ("ClearChargingProfile", {}, {}),
        ("GetConfiguration", {"key": ["NumberOfConnectors"]}, {}),
        ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"}, accepted),
        ("ClearCache", {}, accepted),
        ("DataTransfer", {"vendorId": "csms", "messageId": "echo", "data": "x"}, accepted | {"data": "x"}),
        ("SendLocalList", whole, accepted),
        ("GetLocalListVersion", {}, {"listVersion": 3}),
        ("UpdateFirmware", {"location": "ftp://x", "retrieveDate": SOON}, {}),
        ("SignedUpdateFirmware", {"requestId": 1, "firmware": firmware}, accepted),
        ("GetDiagnostics", {"location": "ftp://x"}, {"fileName": "diagnostics.zip"}),
        ("GetLog", {"log": {"remoteLocation": "x"}, "logType": "SecurityLog", "requestId": 2}, accepted),
        ("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1}, accepted),
        ("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"}, accepted),
        ("InstallCertificate", of_roots | {"certificate": root}, accepted),
        ("GetInstalledCertificateIds", of_roots, accepted),
        ("DeleteCertificate", {"certificateHashData": hashes}, {"status": "NotFound"}),
        ("CertificateSigned", {"certificateChain": root}, accepted),
        ("CancelReservation", {"reservationId": 4}, {"status": "Rejected"}),
        ("UnlockConnector", {"connectorId": 1}, {"status": "Unlocked"}),
    ]


@pytest.mark.slow
def test_a_simulated_charge_point_acts_on_each_of_the_26_calls_of_a_central_system(
    running: Running, tmp_path: Path
) -> None:
    output = tmp_path / "result.json"
    argv = [sys.executable, "-m", "loadtest", "run", "--url", running.url("{id}"), "--charge-points", "1"]
    argv += ["--ca-file", running.ca_file, "--prefix", ID[:-5], "--duration", "9", "--output", str(output)]
    root = trustme.CA().cert_pem.bytes().decode()
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as process, running.api() as api:
        wait_until(lambda: bool(_transactions(api, open="true")))
        number = int(_transactions(api, open="true")[0]["id"].rpartition(".")[2])
        asked = commands(root, number)
        for action, payload, expected in asked:
            answer = _command(api, action, payload)
            assert expected.items() <= answer.items(), (action, answer)
        wait_until(lambda: _connector(api)["status"] == "Available")
        reserve = {"connectorId": 1, "expiryDate": FAR, "idTag": "DEMO", "reservationId": 5}
        assert _command(api, "ReserveNow", reserve) == {"status": "Accepted"}
        start = f"/charge-points/{ID}/commands/RemoteStartTransaction?wait_for=transaction"
        started = api.post(start, json={"idTag": "DEMO", "connectorId": 1})
        assert started.status_code == 200, started.text
        assert api.get(f"/transactions/{started.json()['transaction_id']}").json()["reservation_id"] == 5
        assert _command(api, "Reset", {"type": "Soft"}) == {"status": "Accepted"}
        actions = {action for action, _, _ in asked} | {"ReserveNow", "RemoteStartTransaction", "Reset"}
        assert actions == actions_of(Sender.CENTRAL_SYSTEM).keys()
        assert process.wait(GENEROUS_S) == 0
    calls = {row["action"]: row["calls"] for row in json.loads(output.read_text())["actions"]}
    assert calls["StartTransaction"] == calls["StopTransaction"] == 2
    for action, least in (
        ("FirmwareStatusNotification", 4),
        ("SignedFirmwareStatusNotification", 5),
        ("DiagnosticsStatusNotification", 2),
        ("LogStatusNotification", 2),
        ("SignCertificate", 1),
        ("MeterValues", 1),
    ):
        assert calls[action] >= least, action


def _command(api: httpx.Client, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    answer = api.post(f"/charge-points/{ID}/commands/{action}", json=payload)
    assert answer.status_code == 200, (action, answer.text)
    response: dict[str, Any] = answer.json()["response"]
    return response


def _transactions(api: httpx.Client, **query: str) -> list[dict[str, Any]]:
    found = api.get("/transactions", params={"charge_point": ID, **query})
    items: list[dict[str, Any]] = found.json()["items"]
    return items


def _connector(api: httpx.Client) -> dict[str, Any]:
    told = api.get(f"/charge-points/{ID}").json()["connectors"]
    return next(one for one in told if one["connector_id"] == 1)
