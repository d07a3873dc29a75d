from typing import Any
from xml.etree import ElementTree as ET

from msgspec.structs import replace

from tests.bench.scale.ceiling import find_limits
from tests.bench.scale.readings import Cpu, Memory
from tests.bench.scale.report import make_plots, make_tables
from tests.bench.scale.results import Results, Seen, Size, Storm, is_held

SEEN = Seen(
    connected=1000,
    reconnects=0,
    errors={},
    calls=600,
    p50_ms=2.0,
    p99_ms=20.0,
    max_ms=30.0,
    lag_p99_ms=1.0,
    verdict="PASSED",
    invalid=[],
    findings=0,
)


def size(charge_points: int = 1000, **changes: Any) -> Size:
    """Use 10 us of each part and 80 KiB for a charge point, and 20 MiB for a process without any."""
    share = charge_points / 1000
    made = Size(
        charge_points=charge_points,
        gateways=2,
        generators=1,
        hold_s=60.0,
        seen=replace(SEEN, connected=charge_points),
        empty=Cpu(at=10.0, gateways=0.1, store=0.0, generators=0.0, machine=0.2),
        cpu=Cpu(at=60.0, gateways=0.6 * share, store=0.6 * share, generators=0.6 * share, machine=60.0),
        memory=Memory(40_000 * share, 4_000 * share, 20_480 + 30_000 * share, 6_000 * share),
    )
    return replace(made, **changes)


def results(*sizes: Size) -> Results:
    return Results(
        date="Nov 30 2026",
        machine="a machine",
        command="a command",
        per_second=150.0,
        available_kib=10 * 1024**2,
        cores=2,
        sizes=list(sizes),
    )


def test_costs_are_for_one_charge_point() -> None:
    tables = make_tables(results(size(), size(2000)))
    assert "| 10.0 + 10.0 + 10.0 | 10.0 + 10.0 + 10.0 |" in tables
    assert "| Memory of the generators, whole, KiB a charge point | 50.5 | 40.2 |" in tables
    assert "| 2.0, 20.0, 30.0 | 2.0, 20.0, 30.0 |" in tables


def test_a_ceiling_counts_what_one_more_charge_point_takes() -> None:
    cpu, memory, *others = find_limits(results(size(), size(2000)))
    assert cpu.charge_points == round(0.9 * 2 / 30e-6)
    assert memory.charge_points == round((0.9 * 10 * 1024**2 - 20_480) / 80)
    assert [one.charge_points for one in others] == [None, None, None]


def test_the_lowest_limit_comes_first() -> None:
    small = results(size(), size(2000))
    small.available_kib //= 20
    assert "free memory" in find_limits(small)[0].what


def test_one_size_has_a_ceiling_too() -> None:
    assert find_limits(results(size()))[0].charge_points == round(0.9 * 2 / 30e-6)


def test_a_fleet_is_held_only_without_any_loss() -> None:
    assert is_held(size())
    for wrong in (
        {"connected": 999},
        {"reconnects": 1},
        {"errors": {"connection lost 1006": 1}},
        {"findings": 1},
        {"p99_ms": 1000.0},
        {"p99_ms": None},
    ):
        assert not is_held(size(seen=replace(SEEN, **wrong)))


def test_an_invalid_run_says_why() -> None:
    seen = replace(SEEN, verdict="INVALID", invalid=["process 1 used 85% of a core"])
    assert "1,000 charge points, INVALID: process 1 used 85% of a core." in make_tables(
        results(size(seen=seen))
    )


def test_a_storm_says_when_all_were_back_and_which_share_never_was() -> None:
    found = results()
    found.storms.append(
        Storm(
            charge_points=500,
            gateways=2,
            generators=1,
            how="kill",
            cut=500,
            back_s={"50%": 12.4, "99%": 40.0, "100%": None},
            handshakes_per_second=99,
            cpu=Cpu(at=100.0, gateways=50.0, store=10.0, generators=40.0, machine=120.0),
            seen=replace(SEEN, errors={"connection lost 1006": 500}),
        )
    )
    tables = make_tables(found)
    assert "12 s, 40 s, not in time" in tables
    assert "| 500 connection lost 1006 |" in tables
    assert "| 100.0 + 20.0 + 80.0 |" in tables


def test_a_plot_has_two_bars_for_each_size() -> None:
    for drawing in make_plots(results(size(), size(2000))).values():
        bars = [one for one in ET.fromstring(drawing).iter() if one.tag.endswith("rect")]
        assert len(bars) == 1 + 4
