import errno
import os
import signal
from pathlib import Path

import pytest
import trio

from loadtest.run.actions import OUTPUT_BYTES, run_action
from loadtest.scenario.model import ShellAction
from tests.support.waiting import GENEROUS_S, until


def action(shell: str, timeout_s: float = GENEROUS_S) -> ShellAction:
    return ShellAction(name="act", stage="s", shell=shell, timeout_s=timeout_s)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


async def test_an_action_runs_at_its_time_and_reports_its_exit_code_and_the_end_of_its_output() -> None:
    begin = trio.current_time()
    shell = f"head -c {3 * OUTPUT_BYTES} /dev/zero | tr '\\0' x; echo; echo last words >&2; exit 3"
    report = await run_action(action(shell), begin=begin, at=0.2)
    assert report.at >= 0.2
    assert (report.name, report.exit_code) == ("act", 3)
    assert report.output.endswith("x\nlast words\n")
    assert len(report.output) == OUTPUT_BYTES


async def test_an_action_whose_shell_cannot_be_started_is_reported_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(*_arguments: object, **_options: object) -> trio.Process:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(trio.lowlevel, "open_process", refuse)
    report = await run_action(action("true"), begin=trio.current_time(), at=0)
    assert (report.exit_code, report.output) == (
        126,
        "The shell could not be started: Resource temporarily unavailable.",
    )


async def test_all_processes_of_an_action_are_ended_at_its_timeout(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    report = await run_action(
        action(f"sleep 600 & echo $! > {pids}; echo begun; trap '' TERM; wait; sleep 600", timeout_s=1.0),
        begin=trio.current_time(),
        at=0,
    )
    assert (report.exit_code, report.output) == (None, "begun\n")
    await until(lambda: not is_running(int(pids.read_text())))


async def test_an_action_ends_although_a_process_in_the_background_keeps_its_output_open(
    tmp_path: Path,
) -> None:
    pids = tmp_path / "pids"
    with trio.fail_after(GENEROUS_S):
        report = await run_action(
            action(f"sleep 600 & echo $! > {pids}; echo done"), begin=trio.current_time(), at=0
        )
    pid = int(pids.read_text())
    assert (report.exit_code, report.output) == (0, "done\n")
    assert is_running(pid)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("shell", ["sleep 600"])
async def test_a_cancelled_action_leaves_no_process(tmp_path: Path, shell: str) -> None:
    pids = tmp_path / "pids"
    with trio.move_on_after(1.0):
        await run_action(action(f"echo $$ > {pids}; {shell}; :"), begin=trio.current_time(), at=0)
    assert not is_running(int(pids.read_text()))


async def test_an_action_that_cannot_be_started_is_reported() -> None:
    report = await run_action(action("x" * 200_000), begin=trio.current_time(), at=0)
    assert report.exit_code == 126
    assert report.output == "The shell could not be started: Argument list too long."
