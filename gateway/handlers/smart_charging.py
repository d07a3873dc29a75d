"""SmartCharging profile: update the stored copy (mirror) of a charge point's charging profiles."""

from gateway.handlers.handler import Answered, Outcome
from gateway.ocpp16 import actions
from gateway.ocpp16.messages import smart_charging
from gateway.ocpp16.messages.types import Message
from state.features import charging_profiles
from state.features.charging_profiles import Slot, Which


async def set_charging_profile(
    answered: Answered[smart_charging.SetChargingProfile, smart_charging.SetChargingProfileResult],
) -> None:
    if answered.result.status != "Accepted":
        return
    charge_point, profile = answered.charge_point, answered.request.cs_charging_profiles
    await charging_profiles.install(
        charge_point.store,
        charge_point.lease.keys,
        profile.charging_profile_id,
        Slot(answered.request.connector_id, profile.charging_profile_purpose, profile.stack_level),
        actions.encode(profile),
        transaction_id=profile.transaction_id,
        command_id=answered.command_id,
    )


async def clear_charging_profile(
    answered: Answered[smart_charging.ClearChargingProfile, smart_charging.ClearChargingProfileResult],
) -> None:
    """Remove the cleared profiles from the stored copy (mirror).

    The status Unknown means that no profile on the charge point matched. If profiles in the mirror match,
    csms marks these profiles as doubtful.
    """
    charge_point, request = answered.charge_point, answered.request
    step = charging_profiles.clear if answered.result.status == "Accepted" else charging_profiles.doubt
    which = Which(request.id, request.connector_id, request.charging_profile_purpose, request.stack_level)
    await step(charge_point.store, charge_point.lease.keys, which, asked=actions.encode(request))


OUTCOMES: dict[type[Message], Outcome] = {
    smart_charging.ClearChargingProfile: clear_charging_profile,
    smart_charging.SetChargingProfile: set_charging_profile,
}
