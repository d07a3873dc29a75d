"""SmartCharging profile (sections 3.13, 5.5, 5.7 and 5.16); the profile itself is in types.py."""

from typing import Literal

from gateway.ocpp16.messages.types import (
    ChargingProfile,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedule,
    DateTime,
    Maybe,
    Message,
)


class SetChargingProfile(Message):
    """Connector 0 is the whole charge point, and for a TxDefaultProfile every connector."""

    connector_id: int
    cs_charging_profiles: ChargingProfile


class SetChargingProfileResult(Message):
    status: Literal["Accepted", "Rejected", "NotSupported"]


class ClearChargingProfile(Message):
    """No field: all profiles. An id: that one, whatever else is said. Else all that match every field."""

    id: Maybe[int] = None
    connector_id: Maybe[int] = None
    charging_profile_purpose: Maybe[ChargingProfilePurpose] = None
    stack_level: Maybe[int] = None


class ClearChargingProfileResult(Message):
    status: Literal["Accepted", "Unknown"]


class GetCompositeSchedule(Message):
    """`duration` in seconds. Connector 0: what is expected at the grid connection."""

    connector_id: int
    duration: int
    charging_rate_unit: Maybe[ChargingRateUnit] = None


class GetCompositeScheduleResult(Message):
    """`schedule_start` is the base of the periods."""

    status: Literal["Accepted", "Rejected"]
    connector_id: Maybe[int] = None
    schedule_start: Maybe[DateTime] = None
    charging_schedule: Maybe[ChargingSchedule] = None
