from msgspec.structs import replace

from loadtest.reports.dry_run import in_words
from loadtest.scenario.model import Commands, Scenario, Storm, Target, Threshold
from loadtest.scenario.plan import Resources, make_plan
from tests.support.loadtest_scenario import SCENARIO

MACHINE = Resources(processes=1, files=20_000, ports=28_232)
WHOLE: Scenario = replace(
    SCENARIO,
    description="Many\ncharge points\x1b[2J.",
    storms=(Storm(stage="hold", after_s=30.0, share=0.5, within_s=2.0, how="freeze"),),
    commands=(Commands(action="RemoteStartTransaction", per_second=2.5, stages=("hold",)),),
    thresholds=(
        Threshold(measure="p99", stage="hold", most=1.0, abort_after_s=120.0),
        Threshold(measure="error_share", most=0.0),
    ),
)


def text(scenario: Scenario = WHOLE, **changes: int) -> list[str]:
    return in_words(make_plan(scenario, replace(MACHINE, **changes)), scenario).splitlines()


def test_a_plan_begins_with_what_the_test_is_and_says_that_nothing_was_sent() -> None:
    lines = text()
    assert lines[:2] == ["Plan of load test test. Nothing was sent.", "Many charge points\\x1b[2J."]
    assert "Target:        wss://localhost/{id}" in lines
    assert "Charge points: 40,000, with TLS, in 1 process" in lines
    assert "Time:          2 min 40 s" in lines


def test_a_plan_without_a_target_names_the_option() -> None:
    assert "Target:        none yet; a run needs --url" in text(replace(WHOLE, target=Target()))


def test_a_plan_says_whether_what_is_stored_will_be_compared() -> None:
    assert any("without --admin-url, what is stored afterwards is not" in line for line in text())
    target = Target(url="wss://localhost/{id}", admin_url="http://localhost:1", api_key_file="key")
    assert any("with what the admin API shows" in line for line in text(replace(WHOLE, target=target)))


def test_a_part_of_a_run_is_named_as_one() -> None:
    plan = make_plan(WHOLE, MACHINE, (0, 10_000))
    assert "10,000 of 40,000, as one part of the run" in in_words(plan, WHOLE)


def test_each_stage_has_a_line() -> None:
    assert [line.split()[:4] for line in text() if line.startswith(("connect ", "hold "))] == [
        ["connect", "ramp", "0:00", "100"],
        ["hold", "hold", "1:40", "60"],
    ]


def test_storms_commands_and_thresholds_are_told_in_words() -> None:
    lines = text()
    assert "  at 2:10, 50 % of the connections are lost within 2 s (freeze)" in lines
    assert "  2.5 RemoteStartTransaction a second in hold" in lines
    assert (
        "  p99 of all calls in hold is at most 1 s; the run ends early if this is missed for 2 min" in lines
    )
    assert "  error share is at most 0 %" in lines


def test_shell_actions_are_shown_in_the_order_of_time_without_control_characters() -> None:
    lines = text()
    place = lines.index("Shell actions, which run only with --allow-actions:")
    assert lines[place + 1 : place + 3] == ["  at 0:00, early: first", "  at 1:45, late: second\\x1b[2J"]


def test_what_is_missing_here_and_what_the_target_needs_are_named() -> None:
    plan = make_plan(WHOLE, MACHINE)
    lines = text()
    assert all(f"Not enough: {short}" in lines for short in plan.short_of)
    assert all(f"  {need}" in lines for need in plan.target_needs)
    assert max(len(line) for line in lines if "limits" not in line) <= 120
