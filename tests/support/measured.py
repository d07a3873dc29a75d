"""Scenarios and results of load tests, as small as a test needs them."""

from typing import Any

from loadtest.measuring.assembling import assemble
from loadtest.measuring.recording import Recorder
from loadtest.results import Machine, Results
from loadtest.scenario.model import Fleet, Group, Scenario, Stage

BEGIN = 1_000.0
"""Time 0 of the runs, by Trio's clock."""
RAMP_S = 10.0


def make_scenario(*, charge_points: int = 100, **other: Any) -> Scenario:
    """Return a scenario with a ramp of 10 s, a hold of 20 s and a soak of 40 s."""
    return Scenario(
        name="small",
        fleet=Fleet(charge_points=charge_points),
        groups=(Group(name="all"),),
        **{
            "stages": (
                Stage(name="ramp", kind="ramp", seconds=RAMP_S, connected=1.0),
                Stage(name="hold", kind="hold", seconds=20.0),
                Stage(name="soak", kind="soak", seconds=40.0),
            )
        }
        | other,
    )


def make_recorder() -> Recorder:
    """Return a recorder in the stage `ramp`."""
    recorder = Recorder(BEGIN)
    recorder.enter("ramp", BEGIN)
    return recorder


def make_results(recorder: Recorder, scenario: Scenario | None = None, **other: Any) -> Results:
    """Assemble results, with `other` arguments of `assemble` than the usual ones."""
    scenario = make_scenario() if scenario is None else scenario
    usual: dict[str, Any] = {
        "generator": [],
        "at": BEGIN + 70.0,
        "release": "0.1.0",
        "scale": 1.0,
        "charge_points": (0, scenario.fleet.charge_points),
        "started_at": "2026-01-02T03:04:05+00:00",
        "machine": make_machine("0"),
    }
    return assemble(recorder, scenario=scenario, **(usual | other))


def make_machine(name: str) -> Machine:
    return Machine(name=name, cpus=2, memory_bytes=1 << 30, python="3.13.0", kernel="6.1")
