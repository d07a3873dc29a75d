"""The differences between the composite schedules that a charge point and csms compute."""

from decimal import Decimal
from typing import Any

import msgspec

from gateway.ocpp16.charging.composite import Composite, InstalledProfile, compute
from gateway.ocpp16.charging.difference import DIFFERENCES_MAX, compare
from gateway.ocpp16.messages.types import ChargingSchedule
from tests.gateway.ocpp16.charging.charging_profiles import X, a_profile


def ours(limits: Any, *, duration: int = 100, **more: Any) -> Composite:
    return compute(
        [InstalledProfile(1, a_profile(limits, **more))], connector_id=1, start_ms=X, duration=duration
    )


def theirs(*periods: tuple[int, float], duration: int | None = None) -> ChargingSchedule:
    schedule: dict[str, Any] = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": start, "limit": limit} for start, limit in periods],
    }
    return msgspec.convert(schedule | ({} if duration is None else {"duration": duration}), ChargingSchedule)


def differences(mine: Composite, schedule: ChargingSchedule | None) -> list[tuple[Any, ...]]:
    return [tuple(one) for one in compare(mine, schedule)]


STEPS = [(0, 10), (50, 20)]


def test_equal_schedules_have_no_differences() -> None:
    assert differences(ours(STEPS), theirs((0, 10), (50, 20))) == []
    assert differences(ours(STEPS), theirs((0, 10), (20, 10), (50, 20), (100, 6), duration=100)) == []
    assert differences(ours(STEPS), theirs((50, 20), (0, 10), duration=500)) == []


def test_a_difference_that_rounding_can_explain_is_not_reported() -> None:
    assert differences(ours([(0, 10.1), (50, 20)]), theirs((0, 10.2), (51, 20))) == []
    more = theirs((0, 10.3), (50, 20))
    assert differences(ours([(0, 10.1), (50, 20)]), more) == [(0, 50, Decimal("10.1"), Decimal("10.3"))]


def test_equal_neighbouring_differences_are_merged() -> None:
    assert differences(ours(STEPS), theirs((0, 10), (30, 16), (40, 16), (60, 20))) == [
        (30, 50, 10, 16),
        (50, 60, 20, 16),
    ]


def test_a_part_that_is_missing_from_the_schedule_of_the_charge_point_is_a_difference() -> None:
    assert differences(ours(STEPS), None) == [(0, 50, 10, None), (50, 100, 20, None)]
    assert differences(ours(STEPS), theirs((20, 10), (50, 20), duration=80)) == [
        (0, 20, 10, None),
        (80, 100, 20, None),
    ]
    assert differences(ours(10), theirs((0, 10), duration=-5)) == [(0, 100, 10, None)]


def test_a_limit_that_only_the_charge_point_knows_is_not_reported_as_a_difference() -> None:
    assert differences(ours(10, start=50), theirs((0, 32), (50, 10))) == []
    assert differences(ours(10, start=50), None) == [(50, 100, 10, None)]


def test_the_number_of_reported_differences_is_bounded() -> None:
    many = theirs(*((n, 16 + n % 2) for n in range(0, 3000, 3)))
    assert len(compare(ours(10, duration=3000), many)) == DIFFERENCES_MAX
