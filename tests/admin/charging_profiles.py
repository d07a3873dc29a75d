"""Payloads of SetChargingProfile."""

from typing import Any

START = "2026-03-01T00:00:00Z"


def a_profile(id_: int, *periods: tuple[int, float], connector: int = 1, **changes: Any) -> dict[str, Any]:
    """The payload of a SetChargingProfile."""
    plan = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [
            {"startPeriod": start, "limit": limit} for start, limit in periods or [(0, 16.0)]
        ],
        "startSchedule": START,
    }
    profile = {
        "chargingProfileId": id_,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": plan,
    }
    return {"connectorId": connector, "csChargingProfiles": profile | changes}
