"""Check a charging profile before it is sent (sections 3.13 and 7.8; items 11 and 13 of errata 2025-04).

Each broken rule gives one sentence, even if several periods break the rule. This module does not consider the
profiles that the charge point already has (state/features/charging_profiles.py).
"""

from collections.abc import Collection, Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple

from gateway.ocpp16.faults.timestamps import parse_ms
from gateway.ocpp16.messages.types import ChargingProfile, ChargingSchedule

_UNIT_NAMES: Final = {"A": "Current", "W": "Power"}
_RECURS_S: Final = {"Daily": 86_400, "Weekly": 604_800}


class Abilities(NamedTuple):
    """The charge point's configuration of smart charging (section 9.4).

    None means that csms does not know the value.
    """

    max_stack_level: int | None = None
    max_periods: int | None = None
    max_installed: int | None = None
    units: Collection[str] | None = None
    """Current, Power or both, as ChargingScheduleAllowedChargingRateUnit spells them."""
    switches_to_one_phase: bool | None = None


def check_profile(
    connector_id: int, profile: ChargingProfile, abilities: Abilities, now_ms: int
) -> list[str]:
    """Return a sentence for each rule that the profile of a SetChargingProfile breaks."""
    return [*_check_connector(connector_id, profile), *_check_profile(profile, abilities, now_ms)]


def check_remote_start(profile: ChargingProfile, abilities: Abilities, now_ms: int) -> list[str]:
    """Return a sentence for each rule that the profile of a RemoteStartTransaction breaks (section 5.11)."""
    found = []
    if profile.charging_profile_purpose != "TxProfile":
        found.append("A charging profile in a remote start must be a TxProfile (section 5.11).")
    if profile.transaction_id is not None:
        found.append("A charging profile in a remote start must not name a transaction (errata 11).")
    return [*found, *_check_profile(profile, abilities, now_ms)]


def check_unit(unit: str, abilities: Abilities) -> list[str]:
    if abilities.units is None or _UNIT_NAMES[unit] in abilities.units:
        return []
    known = ", ".join(sorted(abilities.units)) or "none"
    key = "ChargingScheduleAllowedChargingRateUnit"
    return [f"The unit is {_UNIT_NAMES[unit]}, but the charge point's {key} allows {known}."]


def _check_connector(connector_id: int, profile: ChargingProfile) -> Iterator[str]:
    purpose = profile.charging_profile_purpose
    if connector_id < 0:
        yield "The connectorId must not be negative."
    if purpose == "ChargePointMaxProfile" and connector_id != 0:
        yield "A ChargePointMaxProfile must be for connector 0."
    if purpose == "TxProfile" and connector_id == 0:
        yield "A TxProfile must be for one connector, not for connector 0."
    if purpose != "TxProfile" and profile.transaction_id is not None:
        yield "Only a TxProfile may name a transaction."


def _check_profile(profile: ChargingProfile, abilities: Abilities, now_ms: int) -> Iterator[str]:
    most = abilities.max_stack_level
    if profile.stack_level < 0:
        yield "A stackLevel must not be negative."
    elif most is not None and profile.stack_level > most:
        yield f"The stackLevel is above {most}, the charge point's ChargeProfileMaxStackLevel."
    yield from _check_kind(profile)
    yield from _check_times(profile, now_ms)
    yield from _check_schedule(profile.charging_schedule, abilities)
    yield from _check_reach(profile)


def _check_kind(profile: ChargingProfile) -> Iterator[str]:
    kind, start = profile.charging_profile_kind, profile.charging_schedule.start_schedule
    if kind == "Recurring" and profile.recurrency_kind is None:
        yield "A Recurring profile needs a recurrencyKind."
    if kind != "Recurring" and profile.recurrency_kind is not None:
        yield f"Only a Recurring profile may have a recurrencyKind, and this one is {kind}."
    if kind == "Relative" and start is not None:
        yield "A Relative profile must have no startSchedule, because it begins with charging."
    if kind != "Relative" and start is None:
        yield f"Without startSchedule this {kind} profile counts from the start of charging."


def _check_times(profile: ChargingProfile, now_ms: int) -> Iterator[str]:
    from_ms, to_ms = parse_ms(profile.valid_from), parse_ms(profile.valid_to)
    starts_ms = parse_ms(profile.charging_schedule.start_schedule)
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        yield "The profile is never valid, because validFrom is not before validTo."
    elif to_ms is not None and to_ms <= now_ms:
        yield "The profile is no longer valid, because validTo has passed."
    if from_ms is not None and from_ms > now_ms:
        yield "The profile replaces others at once, but is valid only later, which leaves a gap until then."
    if starts_ms is not None and starts_ms > now_ms and profile.charging_profile_kind != "Relative":
        yield "The startSchedule is in the future, which leaves a gap until then."
    lasts_ms = (profile.charging_schedule.duration or 0) * 1000
    is_absolute = profile.charging_profile_kind == "Absolute" and starts_ms is not None
    if is_absolute and 0 < lasts_ms <= now_ms - (starts_ms or 0):
        yield "The schedule is over: startSchedule plus duration has passed, so it has no effect."


def _check_schedule(schedule: ChargingSchedule, abilities: Abilities) -> Iterator[str]:
    periods, most = schedule.charging_schedule_period, abilities.max_periods
    yield from check_unit(schedule.charging_rate_unit, abilities)
    if schedule.duration is not None and schedule.duration <= 0:
        yield "The duration must be above 0, otherwise the schedule never applies."
    if schedule.min_charging_rate is not None:
        yield from _check_rates((schedule.min_charging_rate,), "minChargingRate")
    if not periods:
        yield "A schedule needs at least one period."
        return
    if most is not None and len(periods) > most:
        yield f"The schedule has more than {most} periods, the charge point's ChargingScheduleMaxPeriods."
    if periods[0].start_period != 0:
        yield "The first startPeriod must be 0 (errata 13)."
    if any(later.start_period <= one.start_period for one, later in pairwise(periods)):
        yield "Each startPeriod must be greater than the one before."
    yield from _check_rates(tuple(period.limit for period in periods), "limit")
    phases = {3 if period.number_phases is None else period.number_phases for period in periods}
    if not phases <= {1, 2, 3}:
        yield "numberPhases must be 1, 2 or 3."
    elif 1 in phases and 3 in phases and abilities.switches_to_one_phase is False:
        yield "The schedule switches between 3 phases and 1, but ConnectorSwitch3to1PhaseSupported is false."


def _check_rates(rates: Collection[float], name: str) -> Iterator[str]:
    if any(rate < 0 for rate in rates):
        yield f"A {name} must not be negative."
    if any(Decimal(str(rate)) * 10 % 1 for rate in rates):
        yield f"A {name} must have at most one decimal."


def _check_reach(profile: ChargingProfile) -> Iterator[str]:
    """Find periods that are never executed."""
    schedule = profile.charging_schedule
    latest = max((period.start_period for period in schedule.charging_schedule_period), default=0)
    every = (
        _RECURS_S.get(profile.recurrency_kind or "") if profile.charging_profile_kind == "Recurring" else None
    )
    if schedule.duration is not None and latest >= schedule.duration > 0:
        yield "A period that starts at or after the end of the duration is never executed."
    if every is not None and max(latest + 1, schedule.duration or 0) > every:
        yield f"Periods beyond a {profile.recurrency_kind} recurrence are never executed (errata 13)."
