"""SmartCharging profile (sections 3.13, 5.5, 5.7 and 5.16). The struct ChargingProfile is in types.py."""

from typing import Literal

from gateway.ocpp16.messages.types import (
    ChargingProfile,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedule,
    DateTime,
    Integer,
    Maybe,
    Message,
)


class SetChargingProfile(Message):
    """Connector 0 means the whole charge point. Connector 0 of a TxDefaultProfile means every connector."""

    connector_id: Integer
    cs_charging_profiles: ChargingProfile


class SetChargingProfileResult(Message):
    status: Literal["Accepted", "Rejected", "NotSupported"]


class ClearChargingProfile(Message):
    """A request without fields clears all profiles.

    A request with an id clears the profile with this id, and the other fields are ignored. Any other request
    clears the profiles that match all of its fields.
    """

    id: Maybe[Integer] = None
    connector_id: Maybe[Integer] = None
    charging_profile_purpose: Maybe[ChargingProfilePurpose] = None
    stack_level: Maybe[Integer] = None


class ClearChargingProfileResult(Message):
    status: Literal["Accepted", "Unknown"]


class GetCompositeSchedule(Message):
    """`duration` is in seconds.

    Connector 0 requests the schedule that is expected for the grid connection.
    """

    connector_id: Integer
    duration: Integer
    charging_rate_unit: Maybe[ChargingRateUnit] = None


class GetCompositeScheduleResult(Message):
    """The periods of the schedule count from `schedule_start`."""

    status: Literal["Accepted", "Rejected"]
    connector_id: Maybe[int] = None
    schedule_start: Maybe[DateTime] = None
    charging_schedule: Maybe[ChargingSchedule] = None
