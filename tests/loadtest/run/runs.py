"""Small runs against a real central system."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from loadtest.results import Results
from loadtest.run.carrying_out import carry_out
from loadtest.run.coordinator import Orders
from loadtest.run.credentials import read_secrets
from loadtest.run.messages import Progress
from loadtest.scenario.model import Arrival, Fleet, Generator, Group, Reconnect, Scenario, Stage, Target

CLI = (sys.executable, "-m", "loadtest")


def scenario(
    url: str, *, charge_points: int = 8, seconds: float = 2.0, target: Target | None = None, **more: Any
) -> Scenario:
    """Return a scenario whose charge points connect at once, and send ten heartbeats a second together."""
    group = Group(
        name="drivers",
        heartbeat_s=0,
        arrivals=(Arrival(action="Heartbeat", per_second=10),),
        reconnect=Reconnect(model="jitter", first_s=0, longest_s=0.2),
    )
    values: dict[str, Any] = {
        "name": "small",
        "target": target or Target(url=url),
        "fleet": Fleet(charge_points=charge_points),
        "groups": (group,),
        "stages": (Stage(name="all", kind="step", seconds=seconds, connected=1),),
        # These tests run on busy machines, and judge no times.
        "generator": Generator(cpu_share=1, lag_p99_s=60, lag_max_s=60, late_share=1),
    }
    return Scenario(**values | more)


def orders(of: Scenario, directory: Path, *, processes: int = 2, **more: Any) -> Orders:
    directory.mkdir(exist_ok=True)
    return Orders(
        scenario=of,
        processes=processes,
        secrets=read_secrets(of.target, of.fleet.charge_points),
        directory=directory,
        **more,
    )


async def carry(
    given: Orders, on_progress: Callable[[Sequence[Progress]], None] = lambda _progress: None
) -> Results:
    results = await carry_out(given, on_progress)
    print(*results.invalid, sep="\n")  # noqa: T201  a failed test shows it
    return results


def worker_pids(parent: int | str = "self") -> list[int]:
    """Return the processes that a run has started."""
    found: list[int] = []
    for task in Path(f"/proc/{parent}/task").iterdir():
        found += [
            int(child)
            for child in (task / "children").read_text().split()
            if b"loadtest.run.worker" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]
    return sorted(found)
