"""Whether the charge points received the commands that the central system says it sent."""

from collections.abc import Iterable

import msgspec

from loadtest.correctness.notes import Noted
from loadtest.correctness.violations import Violations
from loadtest.scenario.model import Scenario

_ANSWERED = frozenset({"answered", "error"})


class Commanded(msgspec.Struct, frozen=True, gc=False):
    """A command as the admin API of csms shows it at its end.

    `id` is also the message id of the CALL. `status` is the status of the command, such as `timeout`.
    """

    id: str
    charge_point: str
    action: str
    status: str


def find_unreceived(
    commands: Iterable[Commanded], noted: Noted, scenario: Scenario, found: Violations
) -> None:
    """Add each command that has the status of one that was sent, but that never came.

    A command of the status `timeout` was written to the connection. A frozen connection of ours does not read
    it, so these commands are not judged in a scenario that freezes connections. A command that ended with its
    connection has the status `unknown`, and is not judged.
    """
    if "commands" in noted.full:
        return
    sent = _ANSWERED if _freezes(scenario) else _ANSWERED | {"timeout"}
    for one in commands:
        if one.status in sent and (one.charge_point, one.id) not in noted.commands:
            words = f"{one.charge_point} never received {one.action} {one.id}, whose status is {one.status}"
            found.add("command_not_received", words)


def _freezes(scenario: Scenario) -> bool:
    cuts = (group.cut for group in scenario.groups)
    return any(cut is not None and cut.how == "freeze" for cut in (*cuts, *scenario.storms))
