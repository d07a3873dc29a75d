"""The OCPP requests that a route composes must fit the official schemas, with times in UTC with a Z.

These tests cover admin/routes.
"""

from typing import Any

from gateway.ocpp16.actions import Sender, actions_of
from state import charge_points
from state.charge_points import Settings
from state.commands import Go
from state.features import certificates
from state.features.certificates import CertificateHash
from state.keys import ChargePointKeys
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import FakeSession, connected
from tests.support.official_schemas import faults, read

BASE = f"/v1/tenants/{TENANT}/charge-points/CP-1"
KEYS = ChargePointKeys(TENANT, "CP-1")
HASHES = CertificateHash(
    hash_algorithm="SHA256", issuer_name_hash="AB", issuer_key_hash="CD", serial_number="0F"
)
ODD = "2100-01-01T01:00:00.1234567+01:00"
RESERVATION = {"connector_id": 0, "id_tag": "Tag", "expiry_date": ODD, "parent_id_tag": "Fleet"}
ENTRY = {"id_tag": "Tag", "status": "Blocked", "expiry_date": ODD, "parent_id_tag": "Fleet"}
LOG = {"logType": "SecurityLog", "log": {"remoteLocation": "https://logs.example/up"}}
SCHEDULE = {"connector_id": 1, "duration": 60, "charging_rate_unit": "W"}
ANSWERS = {
    "GetConfiguration": b'{"configurationKey":[],"unknownKey":[]}',
    "GetCompositeSchedule": b'{"status":"Rejected"}',
    "GetDiagnostics": b"{}",
}


def requests(certificate: str) -> tuple[tuple[str, str, Any], ...]:
    """Return requests to every route that composes a command, with and without optional members."""
    return (
        ("POST", "reservations", RESERVATION),
        ("POST", "reservations", {"connector_id": 1, "id_tag": "Tag", "expiry_date": ODD}),
        ("DELETE", "reservations/-7", None),
        ("POST", "local-list/send", {"type": "full"}),
        ("POST", "local-list/send", {"type": "differential"}),
        ("POST", "configuration/refresh", {}),
        ("POST", "configuration/refresh", {"keys": ["HeartbeatInterval"]}),
        ("PATCH", "configuration", {"HeartbeatInterval": "60", "Odd key": ""}),
        ("POST", "jobs", {"action": "GetLog", "payload": LOG}),
        ("POST", "jobs", {"action": "GetDiagnostics", "payload": {"location": "ftp://logs.example"}}),
        ("POST", "charging-profiles/composite-schedule", SCHEDULE),
        ("POST", "charging-profiles/composite-schedule", {"connector_id": 0}),
        ("POST", "certificates/refresh?type=ManufacturerRootCertificate", None),
        ("DELETE", f"certificates/{certificate}", None),
        ("POST", "accept?trigger=true", None),
    )


async def test_the_payload_of_each_command_that_a_route_composes_fits_the_schema_of_the_action(
    api: Api,
) -> None:
    sent: list[Go] = []

    async def notes(session: FakeSession, command: str, go: Go) -> None:
        sent.append(go)
        await session.answer(command, ANSWERS.get(go.action, b'{"status":"Accepted"}'))

    await charge_points.put(api.store, TENANT, "CP-1", Settings(registration="Pending"))
    await certificates.record_list(api.store, KEYS, "CentralSystemRootCertificate", [HASHES], 1)
    await api.client.put(f"{BASE}/local-list", json={"entries": [ENTRY, {"id_tag": "Other"}]})
    asked = requests(HASHES.id)
    async with connected(api.store, TENANT, "CP-1", notes):
        for method, path, body in asked:
            answer = await api.client.request(method, f"{BASE}/{path}", json=body)
            assert answer.status_code == 200, (path, answer.text)
    assert (
        {go.action for go in sent}
        == {
            *("CancelReservation", "ChangeConfiguration", "DeleteCertificate", "GetCompositeSchedule"),
            *("GetConfiguration", "GetDiagnostics", "GetInstalledCertificateIds", "GetLog", "ReserveNow"),
            *("SendLocalList", "TriggerMessage"),
        }
        <= set(actions_of(Sender.CENTRAL_SYSTEM))
    )
    assert len(sent) == len(asked) + 1  # One PATCH sends two changes.
    for go in sent:
        assert faults(go.action, read(go.payload)) == []
