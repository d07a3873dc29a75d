"""The rules of the composite schedule, with an example for each."""

from decimal import Decimal
from time import process_time
from typing import Any

import msgspec

from gateway.ocpp16.charging.composite import (
    PERIODS_MAX,
    Composite,
    InstalledProfile,
    OpenTransaction,
    Period,
    Rate,
    compute,
)
from gateway.ocpp16.faults import timestamps
from gateway.ocpp16.messages.types import ChargingProfile
from tests.gateway.ocpp16.charging.charging_profiles import DAY, X, a_profile, at, cap, daily, tx


def limits(
    *installed: ChargingProfile | InstalledProfile, connector: int = 1, duration: int = 100, **more: Any
) -> Composite:
    placed = [one if isinstance(one, InstalledProfile) else InstalledProfile(1, one) for one in installed]
    return compute(placed, connector_id=connector, start_ms=X, duration=duration, **more)


def steps(found: Composite) -> list[tuple[int, float | None]]:
    return [(one.start, None if one.rate is None else float(one.rate.limit)) for one in found.periods]


CHARGING = (OpenTransaction(1, 7, X - 60_000),)


def test_the_composite_schedule_has_no_limit_if_there_are_no_profiles() -> None:
    assert limits() == Composite(X, 100, "A", (Period(0, None),))
    assert limits(duration=0).periods == ()


def test_period_starts_are_seconds_since_the_start_of_the_requested_window_and_the_first_start_is_0() -> None:
    found = limits(a_profile([(0, 10), (30, 20), (80, 6)], start=-10))
    assert steps(found) == [(0, 10), (20, 20), (70, 6)]
    assert (found.start_ms, found.duration, found.unit) == (X, 100, "A")


def test_equal_neighbouring_periods_are_merged_even_if_they_come_from_different_profiles() -> None:
    assert steps(limits(a_profile([(0, 10), (20, 10)]))) == [(0, 10)]
    assert steps(limits(a_profile(10, level=1, duration=50), a_profile([(0, 6), (50, 10)]))) == [(0, 10)]
    found = limits(a_profile([(0, 10, 3), (20, 10, 1)]))
    assert [(one.start, one.rate) for one in found.periods] == [
        (0, Rate(Decimal(10), 3)),
        (20, Rate(Decimal(10), 1)),
    ]


def test_periods_beyond_the_requested_window_are_cut_off() -> None:
    assert steps(limits(a_profile([(0, 10), (100, 20)]), duration=100)) == [(0, 10)]
    assert steps(limits(a_profile([(0, 10), (99, 20)]), duration=100)) == [(0, 10), (99, 20)]


def test_the_profile_of_the_highest_stack_level_applies_first_and_that_of_the_next_level_follows() -> None:
    found = limits(
        a_profile(6, level=0), a_profile(16, level=2, duration=20), a_profile(10, level=1, duration=40)
    )
    assert steps(found) == [(0, 16), (20, 10), (40, 6)]


def test_a_profile_of_a_higher_level_without_a_duration_hides_the_lower_levels() -> None:
    assert steps(limits(a_profile(32, level=5), a_profile(6))) == [(0, 32)]


def test_a_profile_applies_at_the_time_in_valid_from_but_no_longer_at_the_time_in_valid_to() -> None:
    found = limits(a_profile(16, level=1, validFrom=at(10), validTo=at(20)), a_profile(6))
    assert steps(found) == [(0, 6), (10, 16), (20, 6)]
    assert steps(limits(a_profile(16, validFrom=at(10), validTo=at(10)))) == [(0, None)]
    assert steps(limits(a_profile(16, validTo=at(0)))) == [(0, None)]
    assert steps(limits(a_profile(16, validFrom=at(100)))) == [(0, None)]


def test_valid_to_can_cut_a_schedule_short_but_valid_from_does_not_shift_its_periods() -> None:
    assert steps(limits(a_profile([(0, 10), (50, 20)], validTo=at(20), duration=90))) == [
        (0, 10),
        (20, None),
    ]
    assert steps(limits(a_profile([(0, 10), (30, 20)], validFrom=at(20)))) == [
        (0, None),
        (20, 10),
        (30, 20),
    ]


def test_a_schedule_that_starts_in_the_future_leaves_a_gap_before_its_start() -> None:
    assert steps(limits(a_profile(16, start=30))) == [(0, None), (30, 16)]
    assert steps(limits(a_profile(16, level=1, start=30), a_profile(6, start=-5))) == [(0, 6), (30, 16)]


def test_periods_that_begin_after_the_duration_of_the_schedule_never_apply() -> None:
    assert steps(limits(a_profile([(0, 10), (50, 20)], duration=50))) == [(0, 10), (50, None)]
    assert steps(limits(a_profile(10, duration=0), a_profile(10, level=1, duration=-5))) == [(0, None)]


def test_a_first_period_that_does_not_begin_at_0_leaves_a_gap() -> None:
    assert steps(limits(a_profile([(10, 16)], level=1), a_profile(6))) == [(0, 6), (10, 16)]


def test_unsorted_periods_are_sorted() -> None:
    assert steps(limits(a_profile([(50, 20), (0, 10), (50, 32)]))) == [(0, 10), (50, 32)]
    assert steps(limits(a_profile([]))) == [(0, None)]


def test_a_profile_without_a_start_schedule_begins_when_the_transaction_begins() -> None:
    for kind in ("Absolute", "Relative"):
        found = limits(tx([(0, 10), (80, 20)], kind=kind, start=None), running=CHARGING)
        assert steps(found) == [(0, 10), (20, 20)]


def test_the_start_schedule_of_a_relative_profile_is_ignored() -> None:
    profile = a_profile([(0, 10), (80, 20)], kind="Absolute", start=5)
    relative = msgspec.structs.replace(profile, charging_profile_kind="Relative")
    assert steps(limits(relative, running=CHARGING)) == [(0, 10), (20, 20)]


def test_a_relative_default_profile_begins_at_the_start_of_the_window_if_there_is_no_transaction() -> None:
    assert steps(limits(a_profile([(0, 10), (80, 20)], kind="Relative"))) == [(0, 10), (80, 20)]


def test_daily_and_weekly_profiles_recur_at_a_fixed_time_in_utc() -> None:
    found = limits(daily([(0, 10), (30, 20)], start=-DAY * 3 - 10), duration=60)
    assert steps(found) == [(0, 10), (20, 20)]
    weekly = a_profile([(0, 10), (30, 20)], kind="Recurring", recurrencyKind="Weekly", start=-7 * DAY - 10)
    assert steps(limits(weekly, duration=60)) == [(0, 10), (20, 20)]
    # The schedule covers 48 hours from Saturday noon. During the first night, clocks in Europe go forward by
    # one hour.
    saturday = (timestamps.parse("2026-03-28T12:00:00Z").ms or 0) - X
    long = compute(
        [InstalledProfile(1, daily([(0, 10), (DAY // 2, 20)], start=saturday / 1000))],
        connector_id=1,
        start_ms=X + saturday,
        duration=2 * DAY,
    )
    assert steps(long) == [(0, 10), (DAY // 2, 20), (DAY, 10), (3 * DAY // 2, 20)]


def test_the_profile_of_the_next_level_applies_between_two_recurrences_of_a_profile() -> None:
    found = limits(daily(16, level=1, duration=3600), a_profile(6), duration=DAY + 7200)
    assert steps(found) == [(0, 16), (3600, 6), (DAY, 16), (DAY + 3600, 6)]


def test_periods_after_the_end_of_a_recurrence_do_not_apply() -> None:
    found = limits(
        daily([(0, 10), (DAY - 50, 20), (DAY + 10, 32)], start=-100, duration=2 * DAY), duration=DAY
    )
    assert steps(found) == [(0, 10), (DAY - 150, 20), (DAY - 100, 10)]


def test_a_recurring_profile_is_not_active_before_its_start() -> None:
    assert steps(limits(daily(16, start=30))) == [(0, None), (30, 16)]


def test_a_profile_recurs_only_if_its_kind_is_recurring_and_it_also_has_a_recurrency_kind() -> None:
    assert steps(limits(a_profile(16, kind="Recurring", start=-DAY, duration=DAY))) == [(0, None)]
    absolute = a_profile(16, recurrencyKind="Daily", start=-DAY, duration=DAY)
    assert steps(limits(absolute)) == [(0, None)]


def test_a_tx_profile_takes_precedence_over_a_default_profile_of_a_higher_level() -> None:
    assert steps(limits(tx(10), a_profile(6, level=9), running=CHARGING)) == [(0, 10)]


def test_the_default_profile_applies_in_a_gap_of_the_tx_profile() -> None:
    assert steps(limits(tx(10, duration=40), a_profile(6), running=CHARGING)) == [(0, 10), (40, 6)]


def test_a_tx_profile_applies_only_to_its_transaction() -> None:
    assert steps(limits(tx(10), a_profile(6))) == [(0, 6)]
    assert steps(limits(tx(10, transactionId=8), a_profile(6), running=CHARGING)) == [(0, 6)]
    assert steps(limits(InstalledProfile(2, tx(10)), a_profile(6), running=CHARGING)) == [(0, 6)]
    assert steps(limits(tx(10, transactionId=7), a_profile(6), running=CHARGING)) == [(0, 10)]
    assert steps(limits(InstalledProfile(1, tx(10), 8), a_profile(6), running=CHARGING)) == [(0, 6)]


def test_the_default_profile_of_a_connector_replaces_that_of_connector_0_at_the_same_stack_level() -> None:
    common, own = (
        InstalledProfile(0, a_profile(16, level=1)),
        InstalledProfile(1, a_profile(6, level=1, duration=40)),
    )
    assert steps(limits(common, own)) == [(0, 6), (40, None)]
    assert steps(limits(common, own, connector=2)) == [(0, 16)]
    lower = InstalledProfile(0, a_profile(20))
    assert steps(limits(common, own, lower)) == [(0, 6), (40, 20)]
    assert steps(limits(InstalledProfile(0, a_profile(16, level=2)), own)) == [(0, 16)]


def test_the_maximum_profile_of_the_charge_point_caps_every_connector() -> None:
    found = limits(a_profile([(0, 10), (30, 32)]), cap([(0, 16), (60, 0)]))
    assert steps(found) == [(0, 10), (30, 16), (60, 0)]
    assert steps(limits(cap(16), duration=10)) == [(0, 16)]
    assert steps(limits(InstalledProfile(1, cap(16).profile))) == [(0, None)]


def test_after_the_end_of_a_maximum_profile_the_maximum_profile_of_the_next_level_applies() -> None:
    assert steps(limits(cap(16, level=1, duration=50), cap(20))) == [(0, 16), (50, 20)]


def test_a_limit_of_zero_is_not_treated_as_a_missing_limit() -> None:
    assert steps(limits(a_profile(0), cap(16))) == [(0, 0)]


def test_the_limit_of_connector_0_is_the_sum_of_the_limits_of_the_running_transactions() -> None:
    both = (OpenTransaction(1, 7, X), OpenTransaction(2, 8, X))
    installed = (
        InstalledProfile(0, a_profile(16.1)),
        InstalledProfile(2, tx([(0, 6.1), (50, 10.1)], transactionId=8)),
    )
    found = limits(*installed, connector=0, running=both)
    assert steps(found) == [(0, 22.2), (50, 26.2)]
    assert steps(limits(*installed, cap(25), connector=0, running=both)) == [(0, 22.2), (50, 25)]
    assert steps(limits(installed[1], cap(25), connector=0, running=both)) == [(0, 25)]
    assert steps(limits(installed[1], connector=0, running=both)) == [(0, None)]
    assert steps(limits(*installed, cap(25), connector=0)) == [(0, 25)]


def test_limits_are_converted_between_amperes_and_watts_by_the_voltage_and_the_number_of_phases() -> None:
    in_w = limits(a_profile([(0, 16), (20, 16, 1), (40, 6.1, 2)]), unit="W")
    assert steps(in_w) == [(0, 11040), (20, 3680), (40, 2806)]
    assert in_w.unit == "W"
    in_a = limits(a_profile([(0, 11040), (20, 3680, 1), (40, 11000)], unit="W"), unit="A")
    assert [one.rate for one in in_a.periods] == [(16, 3), (16, 1), (Decimal("15.9"), 3)]
    assert steps(limits(a_profile(10), unit="W", voltage=Decimal(110))) == [(0, 3300)]


def test_two_limits_in_different_units_are_converted_before_the_lower_limit_is_chosen() -> None:
    installed = (a_profile(10, unit="A"), cap([(0, 5000), (50, 9000)], unit="W"))
    assert steps(limits(*installed, unit="A")) == [(0, 7.2), (50, 10)]
    assert steps(limits(*installed, unit="W")) == [(0, 5000), (50, 6900)]


def test_the_schedule_has_the_unit_of_the_profiles_if_no_unit_is_requested() -> None:
    assert limits(a_profile(10)).unit == "A"
    assert limits(a_profile(10, unit="W")).unit == "W"
    assert limits(a_profile(10), cap(5000, unit="W")).unit == "W"
    assert limits(a_profile(10), InstalledProfile(2, a_profile(10, unit="W"))).unit == "A"


def test_limits_with_one_decimal_place_are_kept_exactly() -> None:
    for tenths in range(1, 400):
        found = limits(a_profile(tenths / 10, unit="A")).periods[0].rate
        assert found is not None
        assert found.limit == Decimal(tenths) / 10
        assert float(found.limit) == tenths / 10
    found = (
        limits(
            *(InstalledProfile(c, a_profile(0.1)) for c in range(1, 11)),
            connector=0,
            running=[OpenTransaction(c, c, X) for c in range(1, 11)],
        )
        .periods[0]
        .rate
    )
    assert found == Rate(Decimal(1), 3)


def test_a_limit_that_changes_in_the_middle_of_a_second_applies_from_the_next_second() -> None:
    found = limits(a_profile(16, level=1, start=10.25, duration=5), a_profile(6))
    assert steps(found) == [(0, 6), (11, 16), (16, 6)]
    flicker = limits(a_profile(16, level=1, validFrom=at(10.25), validTo=at(10.75)), a_profile(6))
    assert steps(flicker) == [(0, 6)]


def test_an_unreadable_time_in_a_profile_is_treated_as_absent() -> None:
    assert steps(limits(a_profile(16, validFrom="soon"))) == [(0, 16)]


def test_an_impossible_number_of_phases_is_treated_as_three_phases() -> None:
    for phases in (0, -1, 4, 10**12):
        assert steps(limits(a_profile([(0, 10, phases)]), unit="W")) == [(0, 6900)]


def test_a_composite_schedule_with_too_many_periods_is_shortened_and_computed_quickly() -> None:
    many = [
        InstalledProfile(1, daily([(n, n % 2) for n in range(2000)], level=n, start=-n)) for n in range(200)
    ]
    before = process_time()
    found = compute(many, connector_id=1, start_ms=X, duration=10**12)
    assert process_time() - before < 5
    assert len(found.periods) <= PERIODS_MAX
    assert found.duration < 10**12
    short = compute([InstalledProfile(1, daily(1, duration=1))], connector_id=1, start_ms=X, duration=10**9)
    assert len(short.periods) == PERIODS_MAX
    assert short.duration == short.periods[-1].start + (DAY - 1 if short.periods[-1].rate is None else 1)


def test_the_composite_schedule_is_exact_for_huge_numbers() -> None:
    huge = a_profile([(0, 999_999_999_999_999.9), (10**17, 1)], duration=10**18, level=2**62)
    assert limits(huge).periods == (Period(0, Rate(Decimal("999999999999999.9"), 3)),)
    assert limits(huge, unit="W").periods[0].rate == Rate(Decimal(689_999_999_999_999_931), 3)
