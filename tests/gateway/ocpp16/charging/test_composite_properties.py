"""Compare the composite schedule of random profiles with a simple model (the oracle), second by second."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ocpp16.charging.composite import InstalledProfile, OpenTransaction, compute
from tests.gateway.ocpp16.charging.charging_profiles import DAY, X, a_profile, at
from tests.support import composite_oracle

SECONDS = st.integers(-40, 120)
TIMES = st.builds(
    lambda days, seconds, part: at(days * DAY + seconds + part),
    st.sampled_from([0, 0, 0, 0, -1, -2, -7, -14]),
    SECONDS,
    st.sampled_from([0, 0, 0, 0.25, 0.999]),
)
PERIODS = st.lists(
    st.builds(
        lambda start, tenths, phases: (
            (start, tenths / 10) if phases is None else (start, tenths / 10, phases)
        ),
        st.one_of(st.just(0), st.integers(0, 120), st.integers(DAY - 60, DAY + 60)),
        st.integers(0, 4000),
        st.sampled_from([None, 1, 2, 3]),
    ),
    max_size=4,
)


@st.composite
def profiles(draw: Any) -> InstalledProfile:
    more: dict[str, Any] = {}
    for name in ("validFrom", "validTo"):
        if draw(st.integers(0, 2)) == 0:
            more[name] = draw(TIMES)
    kind = draw(st.sampled_from(["Absolute", "Relative", "Recurring"]))
    if kind == "Recurring" and draw(st.integers(0, 4)):
        more["recurrencyKind"] = draw(st.sampled_from(["Daily", "Weekly"]))
    purpose = draw(st.sampled_from(["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"]))
    if purpose == "TxProfile":
        more["transactionId"] = draw(st.sampled_from([1, 2, 3]))
    profile = a_profile(
        draw(PERIODS),
        purpose=purpose,
        level=draw(st.integers(0, 3)),
        kind=kind,
        start=None,
        duration=draw(st.one_of(st.none(), st.integers(0, 120), st.integers(DAY - 60, DAY + 60))),
        unit=draw(st.sampled_from(["A", "A", "W"])),
        **more,
    )
    if kind != "Relative" and draw(st.integers(0, 3)):
        plan = msgspec.structs.replace(profile.charging_schedule, start_schedule=draw(TIMES))
        profile = msgspec.structs.replace(profile, charging_schedule=plan)
    return InstalledProfile(draw(st.integers(0, 2)), profile)


RUNNING = st.lists(
    st.builds(
        lambda connector, seconds: OpenTransaction(connector, connector, X + seconds * 1000),
        st.integers(1, 2),
        st.integers(-100, 20),
    ),
    max_size=2,
    unique_by=lambda one: one.connector_id,
)


@settings(max_examples=400)
@given(
    st.lists(profiles(), max_size=7),
    st.integers(0, 2),
    st.integers(1, 70),
    st.integers(-20_000, 20_000),
    RUNNING,
    st.sampled_from(["A", "W"]),
)
def test_the_composite_schedule_has_the_same_limits_as_a_simple_model_in_every_second(
    installed: list[InstalledProfile],
    connector_id: int,
    duration: int,
    offset_ms: int,
    running: list[OpenTransaction],
    unit: Any,
) -> None:
    found = compute(
        installed,
        connector_id=connector_id,
        start_ms=X + offset_ms,
        duration=duration,
        running=running,
        unit=unit,
    )
    expected = composite_oracle.limits(
        installed,
        connector_id=connector_id,
        start_ms=X + offset_ms,
        duration=duration,
        running=running,
        unit=unit,
    )
    assert found.duration == duration
    assert found.periods[0].start == 0
    starts = [one.start for one in found.periods]
    assert starts == sorted(set(starts))
    assert all(one.rate != other.rate for one, other in pairwise(found.periods))
    seconds: list[composite_oracle.Limit] = []
    for period, end in zip(found.periods, [*starts[1:], duration], strict=True):
        rate = None if period.rate is None else (Fraction(period.rate.limit), period.rate.number_phases)
        seconds += [rate] * (end - period.start)
    assert seconds == expected
