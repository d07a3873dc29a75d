"""A stand-in for the charge point, and calls of a central system whose answers must fit their schemas."""

from typing import Any

import msgspec

from gateway.ocpp16.messages import core
from loadtest.charge_point.responses import ResetKind, Responses
from tests.support import official_schemas

TIME = "2026-01-31T12:00:00Z"
FAR, PAST = "2126-01-31T12:00:00Z", "2020-01-31T12:00:00Z"

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
