"""The scenarios of the runs: shipped ones, with other times and numbers."""

from typing import Any, Final, Literal

import tomlkit

from loadtest.scenario.reading import read_shipped

HOLD: Final = "hold"
MEMORY: Final = "memory"
"""The stage after the hold, in which memory is read, because that takes a large process some milliseconds."""
STORM: Final = "storm"

type How = Literal["reset", "kill"]
"""What ends all connections: a reset by the charge points' side, or SIGKILL to all gateways."""

_MEMORY_S = 10.0
_CALM_S = 30.0
_STORM_S = 60.0
_PER_SECOND_BACK = 120.0
"""Reconnects a second that a storm's stage leaves time for. It has `_STORM_S` in addition."""


def make_hold(charge_points: int, per_second: float, settle_s: float, hold_s: float) -> str:
    """Return `steady` for a fleet of this size, of which so many connect a second."""
    document = _read("steady", charge_points)
    _set_seconds(
        document,
        connect=charge_points / per_second,
        settle=settle_s,
        hold=hold_s,
        leave=_leave_s(charge_points, per_second),
    )
    document["stages"].insert(-1, tomlkit.item({"name": MEMORY, "kind": "hold", "seconds": _MEMORY_S}))
    for threshold in document["thresholds"]:
        # A run that misses a threshold goes on, because it shall show by how much.
        threshold.pop("abort_after_s", None)
    document["thresholds"].append(tomlkit.item({"measure": "reconnects", "most": 0.0}))
    return tomlkit.dumps(document)


def make_storm(charge_points: int, per_second: float, how: How, gateways: list[int]) -> str:
    """Return `reconnect-storm` for a fleet of this size. `gateways` are the processes that `kill` ends."""
    document = _read("reconnect-storm", charge_points)
    _set_seconds(
        document,
        connect=charge_points / per_second,
        before=_CALM_S,
        storm=_STORM_S + charge_points / _PER_SECOND_BACK,
        after=_CALM_S,
        leave=_leave_s(charge_points, per_second),
    )
    if how == "kill":
        del document["storms"]
        # The time until all are back is read from the numbers of accepted charge points.
        document["thresholds"] = [one for one in document["thresholds"] if one["measure"] != "recovery_s"]
        shell = f"kill -KILL {' '.join(map(str, gateways))}"
        document["actions"] = [{"stage": STORM, "name": "kill", "shell": shell}]
    return tomlkit.dumps(document)


def _read(name: str, charge_points: int) -> Any:
    document: Any = tomlkit.parse(read_shipped(name))
    document["fleet"]["charge_points"] = charge_points
    return document


def _leave_s(charge_points: int, per_second: float) -> float:
    return charge_points / per_second / 2


def _set_seconds(document: Any, **seconds: float) -> None:
    for stage in document["stages"]:
        stage["seconds"] = max(1.0, seconds[stage["name"]])
