"""Short functions that build charging profiles. Their times are in seconds relative to the moment X."""

from typing import Any

import msgspec

from gateway.ocpp16.charging.composite import InstalledProfile
from gateway.ocpp16.faults import timestamps
from gateway.ocpp16.messages.types import ChargingProfile

X = timestamps.parse("2026-03-02T12:00:00Z").ms or 0
DAY = 86_400


def at(seconds: float) -> str:
    return timestamps.format_ms(X + round(seconds * 1000))


def a_profile(
    limits: Any = 10,
    *,
    purpose: str = "TxDefaultProfile",
    level: int = 0,
    kind: str = "Absolute",
    start: float | None = 0,
    duration: int | None = None,
    unit: str = "A",
    **more: Any,
) -> ChargingProfile:
    """Build a profile. `limits` is one limit, or a list of (startPeriod, limit[, numberPhases])."""
    periods = [(0, limits)] if isinstance(limits, int | float) else limits
    names = ("startPeriod", "limit", "numberPhases")
    plan: dict[str, Any] = {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [dict(zip(names, period, strict=False)) for period in periods],
    }
    if start is not None and kind != "Relative":
        plan["startSchedule"] = at(start)
    if duration is not None:
        plan["duration"] = duration
    return msgspec.convert(
        {
            "chargingProfileId": 1,
            "stackLevel": level,
            "chargingProfilePurpose": purpose,
            "chargingProfileKind": kind,
            "chargingSchedule": plan,
            **more,
        },
        ChargingProfile,
    )


def daily(limits: Any = 10, **more: Any) -> ChargingProfile:
    return a_profile(limits, kind="Recurring", recurrencyKind="Daily", **more)


def tx(limits: Any = 10, **more: Any) -> ChargingProfile:
    return a_profile(limits, purpose="TxProfile", **more)


def cap(limits: Any = 10, **more: Any) -> InstalledProfile:
    return InstalledProfile(0, a_profile(limits, purpose="ChargePointMaxProfile", **more))
