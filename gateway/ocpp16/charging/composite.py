"""The composite schedule: the limits that all charging profiles together set on a connector (section 3.13).

Within a second, the limit is the one that applies when the second begins. A change within a second takes
effect at the next second. The computation walks along the time line from cut to cut, where a cut is a second
at which a limit may change.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Final, NamedTuple

from gateway.ocpp16.faults.timestamps import parse_ms
from gateway.ocpp16.messages.types import ChargingProfile, ChargingRateUnit, ChargingSchedulePeriod

PERIODS_MAX: Final = 1024
"""Greatest number of periods in a composite schedule."""
LOOKS_MAX: Final = 200_000
"""Greatest number of look-ups in profiles for one composite schedule.

These 200,000 look-ups take about 0.3 s. Each stretch of time between two cuts counts as at least four
look-ups.
"""
NOMINAL_VOLTAGE: Final = Decimal(230)

_RECURS_MS: Final = {"Daily": 86_400_000, "Weekly": 604_800_000}
_STEP: Final = Decimal("0.1")


class InstalledProfile(NamedTuple):
    """A profile that the charge point has.

    `transaction_id` is the transaction of a TxProfile. If `transaction_id` is None, a TxProfile belongs to
    the transaction that the profile names. If the profile names none, the TxProfile belongs to the
    transaction on the connector.
    """

    connector_id: int
    profile: ChargingProfile
    transaction_id: int | None = None


class OpenTransaction(NamedTuple):
    connector_id: int
    transaction_id: int
    started_ms: int


class Rate(NamedTuple):
    """A limit in the requested unit: amperes for each phase, or watts for all phases together."""

    limit: Decimal
    number_phases: int


class Period(NamedTuple):
    """A part of the schedule that begins at second `start`.

    `rate` None means that no profile sets a limit, so only the limit of the hardware applies.
    """

    start: int
    rate: Rate | None


class Composite(NamedTuple):
    """A composite schedule of `duration` seconds.

    The schedule is shorter than requested if PERIODS_MAX or LOOKS_MAX was reached.
    """

    start_ms: int
    duration: int
    unit: ChargingRateUnit
    periods: tuple[Period, ...]


def compute(
    installed: Sequence[InstalledProfile],
    *,
    connector_id: int,
    start_ms: int,
    duration: int,
    running: Iterable[OpenTransaction] = (),
    unit: ChargingRateUnit | None = None,
    voltage: Decimal = NOMINAL_VOLTAGE,
) -> Composite:
    """Compute the limits for the `duration` seconds that begin at `start_ms`.

    Connector 0 is the grid connection, for which the limits of all running transactions are added up. If
    `unit` is None, the unit is A if all profiles that apply are in A, and W otherwise. `voltage` is the
    voltage between a phase and neutral, in volts.
    """
    transactions = {one.connector_id: one for one in running}
    earliest_ms = min((one.started_ms for one in transactions.values()), default=start_ms)
    caps = [one for one in installed if _purpose(one) == "ChargePointMaxProfile" and one.connector_id == 0]
    charging = transactions if connector_id == 0 else (connector_id,)
    stacks = [_build_stack(caps, earliest_ms)]
    for connector in charging:
        transaction = transactions.get(connector)
        since_ms = start_ms if transaction is None else transaction.started_ms
        stacks.append(
            _build_stack(_tx_profiles(installed, connector, transaction), since_ms)
            + _build_stack(_tx_defaults(installed, connector), since_ms)
        )
    if unit is None:
        unit = "W" if any(curve.unit == "W" for stack in stacks for curve in stack) else "A"
    periods, reached = _walk(stacks, start_ms, duration, unit, voltage)
    return Composite(start_ms, reached, unit, periods)


def _walk(
    stacks: Sequence[Sequence["_Curve"]],
    start_ms: int,
    duration: int,
    unit: ChargingRateUnit,
    voltage: Decimal,
) -> tuple[tuple[Period, ...], int]:
    """Return the periods and how many seconds they cover.

    Neighbouring periods with equal limits are merged.
    """
    slices = LOOKS_MAX // max(4, sum(map(len, stacks))) + 1
    found: list[Period] = []
    second = 0
    while second < duration and slices:
        slices -= 1
        rates, changes = [], []
        for stack in stacks:
            prevailing = _find_prevailing(stack, start_ms + second * 1000)
            curve, period = prevailing.curve, prevailing.period
            rates.append(None if curve is None or period is None else curve.rate(period, unit, voltage))
            changes.append(prevailing.until_ms)
        rate = _choose_lesser(rates[0], _add_rates(rates[1:]))
        if not found or found[-1].rate != rate:
            if len(found) == PERIODS_MAX:
                break
            found.append(Period(second, rate))
        # The cuts are rounded up, because a change within a second takes effect at the next second.
        cuts = [-((start_ms - ms) // 1000) for ms in changes if ms is not None]
        second = max(second + 1, min(cuts, default=duration))
    return tuple(found), min(second, max(duration, 0))


class _Prevailing(NamedTuple):
    """The curve that sets the limit. `until_ms` is the next moment at which the limit may change, or None."""

    curve: "_Curve | None"
    period: ChargingSchedulePeriod | None
    until_ms: int | None


class _Curve:
    """A profile as a function of time. A profile without a start time starts at `since_ms`."""

    def __init__(self, profile: ChargingProfile, since_ms: int) -> None:
        schedule = profile.charging_schedule
        starts = None if profile.charging_profile_kind == "Relative" else parse_ms(schedule.start_schedule)
        self.unit = schedule.charging_rate_unit
        self._anchor_ms = since_ms if starts is None else starts
        self._from_ms, self._to_ms = parse_ms(profile.valid_from), parse_ms(profile.valid_to)
        recurring = profile.charging_profile_kind == "Recurring"
        self._every_ms = _RECURS_MS.get(profile.recurrency_kind or "") if recurring else None
        ends = [] if schedule.duration is None else [schedule.duration * 1000]
        self._lasts_ms = min([*ends, *([self._every_ms] if self._every_ms else [])], default=None)
        self._periods = sorted(schedule.charging_schedule_period, key=lambda period: period.start_period)
        self._starts_ms = [period.start_period * 1000 for period in self._periods]

    def at(self, ms: int) -> tuple[ChargingSchedulePeriod | None, int | None]:
        """Return the period that applies at this time, and the next time at which the period may change.

        The period is None if the profile is not active. The next time is None if the period stays the same
        for ever.
        """
        if self._to_ms is not None and ms >= self._to_ms:
            return None, None
        if self._from_ms is not None and ms < self._from_ms:
            return None, self._from_ms
        period, until_ms = self._find_period(ms)
        if self._to_ms is not None and (until_ms is None or until_ms > self._to_ms):
            until_ms = self._to_ms
        return period, until_ms

    def rate(self, period: ChargingSchedulePeriod, unit: ChargingRateUnit, voltage: Decimal) -> Rate:
        """Return the period's limit in `unit`.

        A converted limit is rounded down to one decimal, because rounding must not raise the limit.
        """
        phases = period.number_phases if period.number_phases in {1, 2} else 3
        limit = Decimal(str(period.limit))
        if unit != self.unit:
            limit = limit * voltage * phases if unit == "W" else limit / (voltage * phases)
            limit = limit.quantize(_STEP, ROUND_FLOOR)
        return Rate(limit, phases)

    def _find_period(self, ms: int) -> tuple[ChargingSchedulePeriod | None, int | None]:
        base_ms, again_ms = self._anchor_ms, None
        if ms < base_ms:
            return None, base_ms
        if self._every_ms is not None:
            base_ms = ms - (ms - base_ms) % self._every_ms
            again_ms = base_ms + self._every_ms
        offset = ms - base_ms
        if self._lasts_ms is not None and offset >= self._lasts_ms:
            return None, again_ms
        index = bisect_right(self._starts_ms, offset) - 1
        borders_ms = [base_ms + start for start in self._starts_ms[index + 1 : index + 2]]
        borders_ms += [] if self._lasts_ms is None else [base_ms + self._lasts_ms]
        return self._periods[index] if index >= 0 else None, min(borders_ms, default=None)


def _find_prevailing(stack: Sequence[_Curve], ms: int) -> _Prevailing:
    """Return the first active curve.

    `until_ms` is when the period of this curve ends or an earlier curve may become active.
    """
    soonest: int | None = None
    for curve in stack:
        period, until_ms = curve.at(ms)
        if until_ms is not None and (soonest is None or until_ms < soonest):
            soonest = until_ms
        if period is not None:
            return _Prevailing(curve, period, soonest)
    return _Prevailing(None, None, soonest)


def _build_stack(profiles: Iterable[InstalledProfile], since_ms: int) -> list[_Curve]:
    """Return the profiles as curves, the highest stack level first.

    A charge point cannot have two profiles of one stack level. If csms knows two such profiles, the profile
    that was accepted last comes first.
    """
    newest_first = reversed(list(profiles))
    by_level = sorted(newest_first, key=lambda one: one.profile.stack_level, reverse=True)
    return [_Curve(one.profile, since_ms) for one in by_level]


def _tx_profiles(
    installed: Iterable[InstalledProfile], connector_id: int, transaction: OpenTransaction | None
) -> Iterator[InstalledProfile]:
    if transaction is None:
        return
    for one in installed:
        if _purpose(one) != "TxProfile":
            continue
        of = one.profile.transaction_id if one.transaction_id is None else one.transaction_id
        if of == transaction.transaction_id or (of is None and one.connector_id == connector_id):
            yield one


def _tx_defaults(installed: Iterable[InstalledProfile], connector_id: int) -> list[InstalledProfile]:
    """Return the TxDefaultProfiles of the connector itself and of connector 0.

    A profile of connector 0 does not apply if the connector has a profile of its own on the same stack level,
    because the connector's own profile replaces the common profile on that level.
    """
    defaults = [one for one in installed if _purpose(one) == "TxDefaultProfile"]
    own = [one for one in defaults if one.connector_id == connector_id]
    levels = {one.profile.stack_level for one in own}
    common = [one for one in defaults if one.connector_id == 0 and one.profile.stack_level not in levels]
    return common + own


def _purpose(one: InstalledProfile) -> str:
    return one.profile.charging_profile_purpose


def _add_rates(rates: Sequence[Rate | None]) -> Rate | None:
    """Return the sum of the rates, or None if one of them has no limit or there are no rates."""
    limited = [rate for rate in rates if rate is not None]
    if not limited or len(limited) < len(rates):
        return None
    return Rate(
        sum((rate.limit for rate in limited), Decimal(0)), max(rate.number_phases for rate in limited)
    )


def _choose_lesser(cap: Rate | None, rate: Rate | None) -> Rate | None:
    """Return the rate with the lower limit. If both limits are equal, return the rate with fewer phases."""
    return min((one for one in (cap, rate) if one is not None), default=None)
