import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.scenario.model import Fleet, Group, Scenario, Stage, When
from loadtest.scenario.timeline import Timeline

STAGES = (
    Stage(name="connect", kind="ramp", seconds=10.0, connected=1.0),
    Stage(name="hold", kind="hold", seconds=20.0),
    Stage(name="spike", kind="spike", seconds=5.0, rate=4.0),
    Stage(name="silence", kind="spike", seconds=5.0, rate=0.0),
    Stage(name="half", kind="step", seconds=10.0, connected=0.5),
    Stage(name="leave", kind="ramp", seconds=10.0, connected=0.0),
)


def timeline(*stages: Stage, charge_points: int = 100) -> Timeline:
    fleet = Fleet(charge_points=charge_points)
    return Timeline(Scenario(name="test", fleet=fleet, groups=(Group(name="all"),), stages=stages or STAGES))


def test_the_stages_follow_each_other() -> None:
    line = timeline()
    assert [(span.name, span.begin, span.end) for span in line.spans] == [
        ("connect", 0.0, 10.0),
        ("hold", 10.0, 30.0),
        ("spike", 30.0, 35.0),
        ("silence", 35.0, 40.0),
        ("half", 40.0, 50.0),
        ("leave", 50.0, 60.0),
    ]
    assert line.seconds == 60.0
    assert [line.stage_at(at) for at in (-1.0, 0.0, 9.99, 10.0, 59.9, 60.0, 99.0)] == [
        *("connect", "connect", "connect", "hold", "leave", "leave", "leave")
    ]
    assert line.time_of(When(stage="spike", after_s=2.0)) == 32.0


@pytest.mark.parametrize(
    ("at", "share"),
    [(0.0, 0.0), (5.0, 0.5), (20.0, 1.0), (39.9, 1.0), (40.0, 0.5), (55.0, 0.25), (60.0, 0.0)],
)
def test_a_ramp_moves_the_connected_share_evenly_and_a_step_does_so_at_its_begin(
    at: float, share: float
) -> None:
    assert timeline().share_at(at) == pytest.approx(share)


@given(
    st.lists(
        st.tuples(st.sampled_from(["ramp", "step", "hold"]), st.floats(0.1, 100), st.floats(0, 1)),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 200),
    st.floats(0, 1),
)
def test_a_charge_point_is_present_exactly_while_its_rank_is_below_the_connected_share(
    stages: list[tuple[str, float, float]], charge_points: int, moment: float
) -> None:
    line = timeline(
        *(
            Stage(
                name=f"s{number}",
                kind=kind,  # type: ignore[arg-type]
                seconds=seconds,
                connected=None if kind == "hold" else connected,
            )
            for number, (kind, seconds, connected) in enumerate(stages)
        ),
        charge_points=charge_points,
    )
    at = moment * line.seconds
    for index in range(0, charge_points, max(1, charge_points // 10)):
        rank = (index + 0.5) / charge_points
        changes = line.presence(rank)
        assert [here for _, here in changes] == [number % 2 == 0 for number in range(len(changes))]
        assert [when for when, _ in changes] == sorted(when for when, _ in changes)
        if math.isclose(line.share_at(at), rank, rel_tol=1e-9):
            continue
        if any(math.isclose(when, at, rel_tol=1e-9, abs_tol=1e-9) for when, _ in changes):
            continue
        present = any(begin <= at < end for begin, end in line.windows(rank))
        assert present == (rank < line.share_at(at)) or at >= line.seconds


def test_the_least_share_above_0_is_one_charge_point() -> None:
    line = timeline(Stage(name="one", kind="step", seconds=5.0, connected=1e-6), charge_points=1000)
    present = [index for index in range(1000) if line.presence((index + 0.5) / 1000)]
    assert present == [0]


def test_work_time_runs_at_the_rate_of_the_stage() -> None:
    line = timeline()
    assert [line.rate_at(at) for at in (5.0, 32.0, 37.0, 45.0)] == [1.0, 4.0, 0.0, 1.0]
    assert [line.work_at(at) for at in (10.0, 31.0, 35.0, 38.0, 41.0)] == [10.0, 34.0, 50.0, 50.0, 51.0]
    assert line.time_of_work(34.0) == 31.0
    assert line.time_of_work(50.0) == 40.0
    assert line.time_of_work(70.0) == math.inf


def test_arrivals_rest_while_calls_are_sent_in_sequence() -> None:
    line = timeline(*STAGES[:1], Stage(name="one", kind="hold", seconds=5.0, in_sequence=9))
    assert line.rate_at(12.0) == 0.0
    assert [(span.name, calls) for span, calls in line.sequences] == [("one", 9)]
