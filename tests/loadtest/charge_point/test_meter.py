from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.charge_point.meter import Meter, Outlet
from loadtest.scenario.dice import Dice
from tests.support import official_schemas

OUTLETS: tuple[Outlet, ...] = get_args(Outlet.__value__)
outlets = st.sampled_from(OUTLETS)
seeds = st.integers(0, 2**63 - 1)
times = st.lists(st.floats(0, 90_000), min_size=1, max_size=20).map(sorted)

DAY_S = 86_400.0


def charging(outlet: Outlet, seed: int, at_s: float = 0.0) -> Meter:
    meter = Meter(outlet, Dice(seed, 0, "meter"))
    meter.begin(at_s)
    return meter


def read(meter: Meter, at_s: float) -> dict[str, float]:
    """Return the values of a sample by measurand, and by measurand and phase if it has a phase."""
    sample: list[dict[str, Any]] = official_schemas.read(meter.sample(at_s))
    return {
        f"{one['measurand']} {one['phase']}" if "phase" in one else one["measurand"]: float(one["value"])
        for one in sample
    }


@given(outlets, seeds, times)
def test_every_sample_fits_the_schema_of_meter_values(outlet: Outlet, seed: int, at: list[float]) -> None:
    meter = Meter(outlet, Dice(seed, 0, "meter"))
    samples = [meter.sample(at[0])]
    meter.begin(at[0])
    samples += [meter.sample(time) for time in at]
    samples += [meter.sample(at[-1], "Transaction.End")]
    for sample in samples:
        value = {"timestamp": "2026-01-31T12:00:00Z", "sampledValue": official_schemas.read(sample)}
        official_schemas.check("MeterValues", {"connectorId": 1, "meterValue": [value]})
    assert all(600 <= len(sample) <= 850 for sample in samples[1:])


@given(outlets, seeds, times)
def test_the_energy_never_falls_also_over_several_transactions(
    outlet: Outlet, seed: int, at: list[float]
) -> None:
    meter = Meter(outlet, Dice(seed, 0, "meter"))
    readings = []
    for number, time in enumerate(at):
        readings.append(meter.energy_wh(time))
        if number % 4 in {1, 2}:
            meter.begin(time)
        elif number % 4 == 3:
            meter.end(time)
        readings.append(meter.energy_wh(time))
        assert read(meter, time)["Energy.Active.Import.Register"] == readings[-1]
    assert all(earlier <= later for earlier, later in pairwise(readings))


@settings(max_examples=30)
@given(outlets, seeds, st.floats(0, 30_000))
def test_the_energy_is_the_integral_of_the_power(outlet: Outlet, seed: int, begin: float) -> None:
    meter = charging(outlet, seed)
    step, steps = 2.0, 200
    read_at = [read(meter, begin + step * number) for number in range(steps + 1)]
    powers = [found["Power.Active.Import"] for found in read_at]
    integral_wh = sum((one + other) / 2 * step / 3_600 for one, other in pairwise(powers))
    energies = [found["Energy.Active.Import.Register"] for found in read_at]
    # The register shows whole Wh, and the two corners of the curve are cut by the trapezes.
    assert energies[-1] - energies[0] == pytest.approx(integral_wh, rel=0.003, abs=2.1)


@given(outlets, seeds, st.floats(0, DAY_S))
def test_the_phases_sum_up_to_the_power(outlet: Outlet, seed: int, at_s: float) -> None:
    found = read(charging(outlet, seed), at_s)
    currents = [value for name, value in found.items() if name.startswith("Current.Import")]
    [volts] = [value for name, value in found.items() if name.startswith("Voltage")]
    assert len(currents) == (3 if outlet == "ac_three_phases" else 1)
    # Currents have two decimals, and the voltage has one.
    rounding = 0.005 * len(currents) * volts + 0.05 * sum(currents) + 0.1
    assert sum(currents) * volts == pytest.approx(found["Power.Active.Import"], abs=rounding)
    assert max(currents) - min(currents) <= 0.1 * max(currents) + 0.011


@given(seeds, times)
def test_the_state_of_charge_rises_from_above_0_to_at_most_100_percent(seed: int, at: list[float]) -> None:
    meter = charging("dc", seed)
    charges = [read(meter, time)["SoC"] for time in [0.0, *at, 30 * DAY_S]]
    assert all(earlier <= later for earlier, later in pairwise(charges))
    assert 10 <= charges[0] <= 60
    assert charges[-1] == 100.0


@given(outlets, seeds)
def test_the_power_rises_stays_and_falls(outlet: Outlet, seed: int) -> None:
    meter = charging(outlet, seed)
    powers = [read(meter, at_s)["Power.Active.Import"] for at_s in (0, 2, 60, 90, 2 * DAY_S)]
    assert powers[0] == 0
    assert 0 < powers[1] < powers[2]
    assert powers[2] == powers[3]
    assert powers[4] < powers[3] / 100
    assert 2_000 < powers[2] <= {"ac_one_phase": 7_400, "ac_three_phases": 22_100, "dc": 150_000}[outlet]


@pytest.mark.parametrize("outlet", OUTLETS)
def test_a_meter_without_a_car_shows_its_register_and_no_power(outlet: Outlet) -> None:
    meter = charging(outlet, 3)
    meter.end(600.0)
    found = read(meter, 900.0)
    assert found == {
        "Energy.Active.Import.Register": meter.energy_wh(600.0),
        "Power.Active.Import": 0.0,
    }


def test_charge_points_and_their_cars_differ() -> None:
    readings = {charging("ac_three_phases", seed).energy_wh(0.0) for seed in range(50)}
    assert len(readings) > 40
    meter = charging("dc", 1)
    charges = set()
    for number in range(20):
        meter.begin(number * 100.0)
        charges.add(read(meter, number * 100.0)["SoC"])
    assert len(charges) > 15


def test_a_sample_names_the_context_in_which_it_was_taken() -> None:
    meter = charging("ac_one_phase", 1)
    for context in ("Sample.Periodic", "Trigger", "Transaction.Begin"):
        contexts = {one["context"] for one in official_schemas.read(meter.sample(60.0, context))}
        assert contexts == {context}
