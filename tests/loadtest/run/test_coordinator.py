import errno
import os
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from loadtest.measuring.assembling import merge
from loadtest.results import Results
from loadtest.run import coordinator
from loadtest.run.coordinator import CannotRun
from loadtest.run.messages import Progress
from loadtest.run.storms import find_cuts
from loadtest.scenario.model import (
    Commands,
    Fleet,
    Generator,
    Group,
    Reconnect,
    ShellAction,
    Storm,
    Target,
    Threshold,
)
from loadtest.scenario.schedule import combine, digest
from tests.loadtest.run.runs import carry, orders, scenario, worker_pids
from tests.support.mutant_server import MutantServer
from tests.support.waiting import GENEROUS_S


async def test_the_processes_of_a_run_share_its_charge_points_and_give_one_result(
    server: MutantServer, tmp_path: Path
) -> None:
    seen: list[Sequence[Progress]] = []
    results = await carry(orders(scenario(server.url), tmp_path, processes=3), seen.append)
    assert (results.ended, results.invalid, results.exit_code) == ("completed", [], 0)
    assert results.counts["connections"] == 8
    assert results.counts["calls"] > 20
    assert results.slices.connected[1] == 8  # Nobody leaves before the end of the last second.
    assert {report.process for report in results.generator} == {"1", "2", "3"}
    assert (results.parts, results.charge_points, len(results.machines)) == (1, (0, 8), 1)
    assert max(len(latest) for latest in seen) == 3
    assert {one.charge_points for latest in seen for one in latest} == {2, 3}
    assert worker_pids() == []


async def test_all_processes_and_parts_together_intend_the_same_work_as_one_process(
    server: MutantServer, tmp_path: Path
) -> None:
    of = scenario(server.url, seconds=0.5)
    results: dict[str, Results] = {}

    async def run(name: str, processes: int, part: tuple[int, int]) -> None:
        results[name] = await carry(orders(of, tmp_path / name, processes=processes, part=part))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, "first", 1, (0, 2))
        nursery.start_soon(run, "second", 1, (1, 2))
    await run("four", 4, (0, 1))
    joined = merge([results["first"], results["second"]], combine, whole=True)
    for each in (results["four"], joined):
        assert (each.digest, each.intended) == digest(of, 0, 8)
        assert each.counts["connections"] == 8
    assert joined.parts == 2
    assert (results["first"].charge_points, results["second"].charge_points) == ((0, 4), (4, 8))


async def test_the_processes_begin_together_within_50_milliseconds(tmp_path: Path) -> None:
    """The first charge point of each process connects at time 0. A busy machine may need several tries."""
    for attempt in range(10):
        listener = trio.socket.socket()
        await listener.bind(("127.0.0.1", 0))
        listener.listen()
        came: dict[str, float] = {}

        async def accept(listener: trio.socket.SocketType = listener, came: dict[str, float] = came) -> None:
            while True:
                connection, address = await listener.accept()
                came.setdefault(address[0], trio.current_time())
                connection.close()

        of = scenario(f"ws://127.0.0.1:{listener.getsockname()[1]}/{{id}}", charge_points=2, seconds=0.5)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            await carry(orders(of, tmp_path / str(attempt), source_addresses=2))
            nursery.cancel_scope.cancel()
        listener.close()
        assert came.keys() == {"127.0.0.2", "127.0.0.3"}
        if abs(came["127.0.0.2"] - came["127.0.0.3"]) <= 0.05:
            return
    pytest.fail("no two processes began within 50 ms of each other")


async def test_a_process_that_cannot_be_started_is_reported_in_words_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_arguments: object, **_options: object) -> trio.Process:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(trio.lowlevel, "open_process", refuse)
    words = r"^process 1 could not be started \(Resource temporarily unavailable\); give fewer --processes"
    with pytest.raises(CannotRun, match=words):
        await carry(orders(scenario("ws://127.0.0.1:9/{id}"), tmp_path))


class Harm:
    """Sends a signal to one of the workers when the run has begun."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.harmed: int | None = None

    def __call__(self, latest: Sequence[Progress]) -> None:
        if latest and self.harmed is None:
            self.harmed = worker_pids()[0]
            os.kill(self.harmed, self._number)


async def test_a_process_that_is_killed_makes_the_run_invalid_and_ends_it_with_a_report(
    server: MutantServer, tmp_path: Path
) -> None:
    with trio.fail_after(GENEROUS_S):
        results = await carry(orders(scenario(server.url, seconds=600), tmp_path), Harm(signal.SIGKILL))
    assert (results.ended, results.exit_code) == ("aborted", 3)
    assert [words for words in results.invalid if "was ended by SIGKILL" in words]
    assert results.counts["calls"] > 0
    assert worker_pids() == []


@pytest.mark.slow
async def test_a_process_that_hangs_makes_the_run_invalid_and_ends_it_with_a_report(
    server: MutantServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator, "SILENT_S", 2.0)
    with trio.fail_after(GENEROUS_S):
        results = await carry(orders(scenario(server.url, seconds=600), tmp_path), Harm(signal.SIGSTOP))
    assert (results.ended, results.exit_code) == ("aborted", 3)
    assert [words for words in results.invalid if "said nothing for 2 s" in words]
    assert worker_pids() == []


@pytest.mark.slow
async def test_a_process_that_stands_still_while_its_charge_points_leave_does_not_make_the_run_invalid(
    tmp_path: Path,
) -> None:
    """The charge point of this run leaves seconds after the end, because its handshake gets no answer."""
    stopped: list[int] = []

    def stop(latest: Sequence[Progress]) -> None:
        if latest and not stopped:
            stopped.extend(worker_pids())
            os.kill(stopped[0], signal.SIGSTOP)
            time.sleep(1.0)
            os.kill(stopped[0], signal.SIGCONT)

    limits = Generator(cpu_share=1, lag_p99_s=60, lag_max_s=0.5, late_share=1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/{{id}}"
        fleet = Fleet(charge_points=1, connect_s=5.0)
        of = scenario(url, seconds=0.5, fleet=fleet, generator=limits)
        results = await carry(orders(of, tmp_path, processes=1), stop)
    # The run fails for the only reason that no call was answered.
    assert (results.exit_code, results.invalid, len(stopped)) == (99, [], 1)
    assert results.seconds > 3.0


@pytest.mark.slow
async def test_workers_end_when_their_parent_is_gone(server: MutantServer, tmp_path: Path) -> None:
    """The parent of a worker may be killed, and can then send it no message."""
    seen: list[int] = []

    def look(latest: Sequence[Progress]) -> None:
        if latest:
            seen.extend(worker_pids())
            raise KeyError("the parent fails")

    with pytest.RaisesGroup(KeyError, flatten_subgroups=True):
        await carry(orders(scenario(server.url, seconds=600), tmp_path), look)
    assert len(seen) == 2
    assert worker_pids() == []


@pytest.mark.slow
async def test_a_threshold_that_is_missed_for_too_long_ends_the_run_early(
    server: MutantServer, tmp_path: Path
) -> None:
    threshold = Threshold(measure="p50", most=0.0, abort_after_s=1.0)
    with trio.fail_after(GENEROUS_S):
        results = await carry(orders(scenario(server.url, seconds=600, thresholds=(threshold,)), tmp_path))
    assert (results.ended, results.exit_code) == ("aborted", 99)


async def test_a_storm_cuts_the_same_share_in_all_processes_and_its_recovery_is_timed(
    server: MutantServer, tmp_path: Path
) -> None:
    """After the second storm, the run ends before anybody is back."""
    storms = (Storm(stage="all", after_s=0.5, share=0.5), Storm(stage="all", after_s=1.95))
    group = Group(name="g", heartbeat_s=0, reconnect=Reconnect(model="fixed", first_s=0.2))
    of = scenario(server.url, charge_points=20, storms=storms, groups=(group,))
    results = await carry(orders(of, tmp_path))
    first, second = results.storms
    assert first.cut == len(list(find_cuts(storms[0], 0, of.seed, 0, 20))) > 3
    assert first.recovered_s is not None
    assert first.recovered_s >= 0.2
    assert first.handshakes_per_second > 0
    assert second.cut == 20


async def test_operators_send_commands_at_their_rate_to_charge_points_that_are_connected(
    server: MutantServer, tmp_path: Path
) -> None:
    target = Target(url=server.url, admin_url=server.admin, api_key_file=str(server.key_file))
    commands = (
        Commands(action="TriggerMessage", payload={"requestedMessage": "Heartbeat"}, per_second=10),
        Commands(action="Reset", payload={"type": "Soft"}, per_second=1, expect=("Rejected",)),
    )
    of = scenario(server.url, seconds=3.0, target=target, commands=commands)
    results = await carry(orders(of, tmp_path, processes=1))
    assert results.commands["TriggerMessage 200 Accepted"] > 3
    assert results.commands["Reset 200 Accepted"] > 0
    assert results.counts["unexpected Reset"] == results.commands["Reset 200 Accepted"]
    sent = results.counts["commands"] + results.counts["commands_without_charge_point"]
    assert sent == 33
    assert {latency.name for latency in results.latencies if latency.what == "command"} == {
        "Reset",
        "TriggerMessage",
    }
    assert results.violation_counts["command_not_received"] == 0


@pytest.mark.slow
async def test_shell_actions_run_on_the_machine_of_the_first_part_only(
    server: MutantServer, tmp_path: Path
) -> None:
    action = ShellAction(
        name="touch", stage="all", after_s=0.1, shell=f"echo ran >> {tmp_path}/ran; echo done"
    )
    of = scenario(server.url, seconds=0.5, actions=(action,))
    for part in (0, 1):
        results = await carry(orders(of, tmp_path / str(part), processes=1, part=(part, 2)))
        assert [(report.name, report.exit_code, report.output) for report in results.actions] == [
            ("touch", 0, "done\n")
        ][part:]
    assert (tmp_path / "ran").read_text() == "ran\n"


async def test_a_run_whose_files_cannot_be_used_does_not_begin(tmp_path: Path) -> None:
    of = scenario(
        "wss://127.0.0.1:1/{id}", target=Target(url="wss://127.0.0.1:1/{id}", certificates=str(tmp_path))
    )
    with pytest.raises(CannotRun, match="No such file"):
        await carry(orders(of, tmp_path, processes=1))


async def test_a_start_that_has_passed_is_refused(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    of = scenario(f"ws://127.0.0.1:{listener.getsockname()[1]}/{{id}}")
    with listener, pytest.raises(CannotRun, match="give a later time"):
        await carry(orders(of, tmp_path, processes=1, start_at=time.time()))
