"""Warnings of the SmartCharging profile: broken rules, and conflicts with what csms knows."""

from collections.abc import Collection

from admin.commands.warnings.view import View, Warner, no_such_connector
from gateway.ocpp16.charging import rules
from gateway.ocpp16.charging.rules import Abilities
from gateway.ocpp16.messages import smart_charging
from gateway.ocpp16.messages.types import ChargingProfile, Message
from state.features import charging_profiles
from state.features.charging_profiles import Profile, Slot, Which
from state.transactions.running import RunningTransaction, list_running

_REPORTED_LATE_MS = 120_000
_UNITS = {"current": "Current", "a": "Current", "power": "Power", "w": "Power"}
"""Some charge points report the units as A and W instead of Current and Power (Q40)."""


async def set_charging_profile(request: smart_charging.SetChargingProfile, view: View) -> list[str]:
    profile, connector_id = request.cs_charging_profiles, request.connector_id
    known = await abilities(view)
    found = rules.check_profile(connector_id, profile, known, view.store.server_time_ms())
    if connector_id > 0:
        found += no_such_connector(connector_id, await view.connectors())
    if profile.charging_profile_purpose == "TxProfile" and connector_id > 0:
        transactions = await list_running(view.store, view.tenant, view.charge_point)
        found += _check_transaction(connector_id, profile, transactions)
    mirror = await charging_profiles.read(view.store, view.tenant, view.charge_point)
    return found + _check_others(connector_id, profile, mirror.profiles, known.max_installed)


async def clear_charging_profile(request: smart_charging.ClearChargingProfile, view: View) -> list[str]:
    which = Which(request.id, request.connector_id, request.charging_profile_purpose, request.stack_level)
    found = []
    if which.id is not None and which != Which(which.id):
        found.append("The charge point ignores all other fields if there is an id.")
    mirror = await charging_profiles.read(view.store, view.tenant, view.charge_point)
    if not any(which.matches(profile) for profile in mirror.profiles):
        found.append("No known profile of the charge point matches, so it may answer Unknown.")
    return found


async def get_composite_schedule(request: smart_charging.GetCompositeSchedule, view: View) -> list[str]:
    found = []
    if request.connector_id < 0:
        found.append(f"There can be no connector {request.connector_id}.")
    elif request.connector_id > 0:
        found += no_such_connector(request.connector_id, await view.connectors())
    if request.duration <= 0:
        found.append("The duration must be above 0, or the schedule is empty.")
    if request.charging_rate_unit is not None:
        found += rules.check_unit(request.charging_rate_unit, await abilities(view))
    return found


async def abilities(view: View) -> Abilities:
    """Return the limits for charging profiles that the charge point reported in its configuration."""
    known = await view.configuration()
    units = known.items("ChargingScheduleAllowedChargingRateUnit")
    return Abilities(
        max_stack_level=known.number("ChargeProfileMaxStackLevel"),
        max_periods=known.number("ChargingScheduleMaxPeriods"),
        max_installed=known.number("MaxChargingProfilesInstalled"),
        units=None if units is None else [_UNITS.get(unit.lower(), unit) for unit in units],
        switches_to_one_phase=known.flag("ConnectorSwitch3to1PhaseSupported"),
    )


def _check_transaction(
    connector_id: int, profile: ChargingProfile, transactions: Collection[RunningTransaction]
) -> list[str]:
    here = next((one for one in transactions if one.connector_id == connector_id), None)
    if here is None:
        return [
            f"No known transaction runs on connector {connector_id}: the charge point should answer Rejected."
        ]
    found = []
    if profile.transaction_id not in {None, here.id}:
        found.append(
            f"The running transaction on connector {connector_id} is {here.id}, as far as csms knows, "
            f"not {profile.transaction_id}."
        )
    if here.received_ms - here.started_ms > _REPORTED_LATE_MS:
        found.append(
            f"Transaction {here.id} began offline and was reported late, so it may have ended since."
        )
    return found


def _check_others(
    connector_id: int, profile: ChargingProfile, others: Collection[Profile], most: int | None
) -> list[str]:
    slot = Slot(connector_id, profile.charging_profile_purpose, profile.stack_level)
    replaced = [one.id for one in others if one.id == profile.charging_profile_id or one.slot == slot]
    found = []
    if replaced:
        ids = ", ".join(map(str, replaced))
        found.append(f"The profile replaces those with id {ids}, as far as csms knows.")
    if most is not None and len(others) - len(replaced) >= most:
        found.append(
            f"The charge point already has all the {most} profiles that MaxChargingProfilesInstalled allows."
        )
    hides = profile.charging_schedule.duration is None and profile.valid_to is None
    below = [
        one.id
        for one in others
        if one.slot[:2] == slot[:2] and one.stack_level < slot.stack_level and one.id not in replaced
    ]
    if hides and below:
        ids = ", ".join(map(str, below))
        found.append(
            f"The profile has no end and a higher stackLevel, so id {ids} has no effect while it is there."
        )
    return found


WARNERS: dict[type[Message], Warner] = {
    smart_charging.ClearChargingProfile: clear_charging_profile,
    smart_charging.GetCompositeSchedule: get_composite_schedule,
    smart_charging.SetChargingProfile: set_charging_profile,
}
