from msgspec.structs import replace

from loadtest.reports.certificate_table import in_seconds, lines
from loadtest.results import Slices
from loadtest.scenario.model import Stage, StageSpan
from tests.support.loadtest_results import SCENARIO, latency, small

STAGES = (
    Stage(name="connect-one", kind="ramp", seconds=5, connected=0.001),
    Stage(name="one", kind="hold", seconds=10, in_sequence=4),
    Stage(name="connect-all", kind="ramp", seconds=5, connected=1),
    Stage(name="all", kind="hold", seconds=10),
)
MADE = small(
    [
        latency("call", "Heartbeat", "one", "service", [0.002, 0.004]),
        latency("call", "Authorize", "one", "service", [0.001, 0.003]),
        latency("call", "Heartbeat", "one", "corrected", [9.0, 9.0]),
        latency("call", "BootNotification", "connect-all", "service", [5.0]),
        latency("call", "Heartbeat", "all", "service", [0.010, 0.030] * 3),
        latency("call", "Authorize", "all", "service", [0.020, 0.060]),
    ],
    scenario=replace(SCENARIO, stages=STAGES, table="certificate"),
    stages=[
        StageSpan("connect-one", 0, 5),
        StageSpan("one", 5, 15),
        StageSpan("connect-all", 15.001, 20),
        StageSpan("all", 20, 30),
    ],
    slices=Slices(length=1.0, connected=[*[0] * 5, *[1] * 10, *range(100, 1100, 200), *[1000] * 10], hdr=[]),
)


def test_the_table_has_the_reference_and_the_measured_times_of_one_and_of_many_charge_points() -> None:
    found = [(line.what, line.number, [round(each, 4) for each in line.seconds]) for line in lines(MADE)]
    assert found == [
        ("OCPP response time", None, [0.27, 0.39, 0.29]),
        ("OCPP response time", 4, [0.001, 0.004, 0.0025]),
        ("OCPP response time", 8, [0.01, 0.06, 0.025]),
        ("Authorize", None, [0.26, 0.28, 0.27]),
        ("Authorize", 2, [0.001, 0.003, 0.002]),
        ("Authorize", 2, [0.02, 0.06, 0.04]),
    ]


def test_the_load_is_stated_beside_the_times() -> None:
    assert [line.load for line in lines(MADE)[:3]] == [
        "reference",
        "1 charge point, 4 calls in sequence: 50 % Authorize, 50 % Heartbeat",
        "1,000 charge points, 0.8 calls/s: 75 % Heartbeat, 25 % Authorize",
    ]


def test_times_have_the_digits_of_a_certificate_and_small_ones_have_more() -> None:
    assert [in_seconds(each) for each in (1.5, 0.27, 0.029, 0.0029, 0.00041)] == [
        "1.50",
        "0.27",
        "0.029",
        "0.0029",
        "0.0004",
    ]
