import msgspec
import pytest
from msgspec.structs import replace

from gateway.config import LimitsConfig
from loadtest.scenario import plan as module
from loadtest.scenario.model import Commands, Fleet, Target
from loadtest.scenario.plan import Plan, Resources, is_private, make_plan
from tests.support.loadtest_scenario import SCENARIO

MACHINE = Resources(processes=2, files=20_000, ports=28_232)


def test_a_plan_has_the_connections_files_ports_and_memory_of_the_machine() -> None:
    plan = make_plan(SCENARIO, replace(MACHINE, source_addresses=3))
    assert (plan.charge_points, plan.connections, plan.tls) == (40_000, 36_000, True)
    assert plan.handshakes_per_second == pytest.approx(360)
    assert plan.files_per_process == 18_015
    assert plan.ports_per_source_address == 12_000
    assert plan.memory_bytes == 36_000 * 36 * 1024 + 3 * 42 * 1024 * 1024
    assert plan.short_of == []
    plain = make_plan(replace(SCENARIO, target=Target(url="ws://localhost/{id}")), MACHINE)
    assert plain.memory_bytes == 36_000 * 9 * 1024 + 3 * 42 * 1024 * 1024
    commands = (Commands(action="ClearCache", per_second=1.0),)
    assert (
        make_plan(replace(SCENARIO, commands=commands), MACHINE).memory_bytes
        == plan.memory_bytes + 42 * 1024 * 1024
    )


def test_a_plan_says_what_the_machine_is_short_of() -> None:
    plan = make_plan(SCENARIO, replace(MACHINE, processes=1))
    assert plan.short_of == [
        "a process may open 20,000 files; give --processes 2, or raise `ulimit -n` to 36,015",
        "a source address has 28,232 ports; give --source-addresses with 2 addresses",
    ]


def test_a_plan_names_the_limits_of_csms_that_must_be_raised_for_all_parts_together() -> None:
    for plan in (make_plan(SCENARIO, MACHINE), make_plan(SCENARIO, MACHINE, (0, 10_000))):
        connections, handshakes, addresses = plan.target_needs
        assert connections.startswith("limits.connections of 36,000 or more (one gateway has 15,000")
        assert handshakes.startswith("limits.handshakes_per_second of 360 or more (one gateway has 300")
        assert addresses.startswith("limits.connections_per_address of 0")
    small = replace(SCENARIO, fleet=Fleet(charge_points=1))
    assert make_plan(small, MACHINE).target_needs == []


def test_the_limits_of_csms_in_a_plan_are_its_defaults() -> None:
    limits = LimitsConfig()
    assert limits.connections == module.CSMS_CONNECTIONS
    assert limits.handshakes_per_second == module.CSMS_HANDSHAKES_PER_SECOND
    assert limits.connections_per_address == 0


def test_a_part_of_a_run_has_its_part_of_the_plan() -> None:
    whole, part = make_plan(SCENARIO, MACHINE), make_plan(SCENARIO, MACHINE, (10_000, 20_000))
    assert (part.charge_points, part.connections) == (10_000, 9_000)
    assert part.handshakes_per_second == pytest.approx(whole.handshakes_per_second / 4)
    assert [stage.calls_per_second for stage in part.stages] == pytest.approx(
        [stage.calls_per_second / 4 for stage in whole.stages]
    )
    assert part.stages[1].calls == {"Heartbeat": pytest.approx(90.0)}
    assert [stage.connected for stage in part.stages] == [9_000, 9_000]


def test_shell_actions_are_in_the_order_of_time() -> None:
    plan = make_plan(SCENARIO, MACHINE)
    assert [(action.at, action.name) for action in plan.actions] == [(0.0, "early"), (105.0, "late")]


def test_a_plan_is_the_same_after_it_was_written_as_json() -> None:
    plan = make_plan(SCENARIO, replace(MACHINE, processes=1))
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("ws://localhost:9000/{id}", True),
        ("wss://127.0.0.9/{id}", True),
        ("wss://[::1]:8443/{id}", True),
        ("wss://10.1.2.3/{id}", True),
        ("wss://192.168.0.1/{id}", True),
        ("wss://[fd00::1]/{id}", True),
        ("wss://[fe80::1]/{id}", True),
        ("wss://8.8.8.8/{id}", False),
        ("wss://[2001:4860:4860::8888]/{id}", False),
        ("wss://[::ffff:8.8.8.8]/{id}", False),
        ("wss://{id}.localhost.invalid/", False),
        ("wss:///{id}", False),
        ("wss://[::1/{id}", False),
    ],
)
def test_a_target_is_private_if_its_addresses_are_loopback_or_private(url: str, *, private: bool) -> None:
    assert is_private(url) is private
