from pathlib import Path

import trio

from loadtest.measuring.recording import Recorder
from loadtest.run.access import Accesses
from loadtest.run.credentials import read_secrets
from loadtest.run.fleet import STOPPED_S, Fleet
from loadtest.run.messages import Work
from loadtest.scenario.model import Scenario
from loadtest.scenario.timeline import Timeline
from tests.loadtest.run.runs import scenario
from tests.support.charge_point_world import ClockAlarm, jumping
from tests.support.loadtest_results import small
from tests.support.small_central import small_central


def make_work(of: Scenario, directory: Path) -> Work:
    number = of.fleet.charge_points
    return Work(
        process="1",
        role="fleet",
        scenario=of,
        scale=1.0,
        part=(0, 1),
        first=0,
        end=number,
        fleet=(0, number),
        secrets=read_secrets(of.target, number),
        source_addresses=0,
        directory=str(directory),
    )


@jumping
async def test_calls_that_are_still_open_when_a_stopped_run_ends_are_counted(tmp_path: Path) -> None:
    async with small_central() as central:
        central.answers["Heartbeat"] = lambda _: None
        work = make_work(scenario(central.url, charge_points=3, seconds=600.0), tmp_path)
        recorder, stop = Recorder(trio.current_time()), trio.Event()
        recorder.enter("all", recorder.begin)
        fleet = Fleet(work, recorder, Timeline(work.scenario), Accesses(work.secrets, 0))
        async with trio.open_nursery() as nursery:
            fleet._wheel._alarm = ClockAlarm(nursery.start_soon)  # No timer of Linux jumps with the clock.
            nursery.start_soon(fleet.run, stop)
            await central.has("Heartbeat", 3)
            stopped = trio.current_time()
            stop.set()
        assert trio.current_time() - stopped <= STOPPED_S + 1
    fleet.complete(small([]))  # It closes the files.
    counts = recorder.snapshot().counts["all"]
    assert counts["interrupted"] == 3
    assert counts["sent"] == counts["calls"] + counts["interrupted"]
