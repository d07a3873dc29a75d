import pytest

from loadtest.correctness.commands import Commanded, find_unreceived
from loadtest.correctness.notes import Noted
from loadtest.correctness.violations import Violations
from loadtest.scenario.model import Cut, Group, HowCut, Scenario, Stage, Storm

STAGE = Stage(name="hold", kind="hold", seconds=1)


def scenario(*storms: Storm, cut: Cut | None = None) -> Scenario:
    return Scenario(name="x", groups=(Group(name="g", cut=cut),), stages=(STAGE,), storms=storms)


def noted(*received: tuple[str, str], full: bool = False) -> Noted:
    return Noted({}, set(received), frozenset({"commands"} if full else ()))


def find(status: str, notes: Noted, of: Scenario | None = None) -> list[str]:
    found = Violations()
    find_unreceived([Commanded("c-1", "CP", "Reset", status)], notes, of or scenario(), found)
    assert all(one.kind == "command_not_received" for one in found.shown)
    return [one.words for one in found.shown]


@pytest.mark.parametrize("status", ["answered", "error", "timeout"])
def test_a_command_that_was_sent_but_never_came_is_found(status: str) -> None:
    assert find(status, noted(("CP-2", "c-1"), ("CP", "c-2"))) == [
        f"CP never received Reset c-1, whose status is {status}"
    ]
    assert find(status, noted(("CP", "c-1"))) == []


@pytest.mark.parametrize("status", ["expired", "offline", "busy", "unknown", "queued"])
def test_a_command_that_was_not_sent_or_ended_with_its_connection_is_not_judged(status: str) -> None:
    assert find(status, noted()) == []


@pytest.mark.parametrize(("how", "expected"), [("freeze", 0), ("reset", 1)])
def test_a_timeout_is_not_judged_if_connections_of_the_load_test_freeze(how: HowCut, expected: int) -> None:
    for of in (scenario(Storm(stage="hold", how=how)), scenario(cut=Cut(every_s=1, how=how))):
        assert len(find("timeout", noted(), of)) == expected
        assert len(find("answered", noted(), of)) == 1


def test_no_command_is_judged_if_not_all_were_noted() -> None:
    assert find("answered", noted(full=True)) == []
