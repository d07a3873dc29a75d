import os
import signal
import sys
import textwrap
from collections.abc import Callable
from itertools import pairwise
from operator import ge
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs

from admin.cli import supervisor
from admin.cli.child_output import ChildFailed
from admin.cli.stderr import drop_when_blocked
from admin.cli.supervisor import Child, Program
from tests.support.pace import Pace
from tests.support.processes import gone
from tests.support.waiting import until

READY = """
import json, os, signal, sys, time
def ready(**ports):
    with open(int(os.environ["CSMS__READY_FD"]), "w") as pipe:
        pipe.write(json.dumps(ports) + "\\n")
"""

type Write = Callable[..., Program]


@pytest.fixture
def program(tmp_path: Path) -> Write:
    def write(code: str, name: str = "child", **settings: float) -> Program:
        path = tmp_path / f"{name}.py"
        path.write_text(READY + textwrap.dedent(code))
        return Program(name=name, argv=[sys.executable, str(path)], env=dict(os.environ), **settings)

    return write


STEADY = """
ready(port=5, pid=os.getpid())
time.sleep(60)
"""


CHATTY = """
def stop(*_):
    for number in range(4000):
        print(f"closing charge point {number} of four thousand", file=sys.stderr)
    sys.stderr.flush()
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
ready()
while True:
    signal.pause()
"""


def new_child(program: Program) -> Child:
    return Child(program, drop_when_blocked(sys.stderr))


async def wait_for_restart(child: Child, after: int | None) -> int:
    """Wait until the child has a process id other than `after`, and return the new process id."""
    await until(lambda: child.pid not in (None, after))
    assert child.pid is not None
    return child.pid


async def test_starting_a_child_process_returns_the_line_in_which_the_child_reports_that_it_is_ready(
    program: Write,
) -> None:
    child = new_child(program(STEADY))
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            said = await nursery.start(child.keep_running)
            assert (said["port"], said["pid"]) == (5, child.pid)
            await child.stop()
    assert gone(said["pid"])


async def test_a_killed_child_is_restarted_within_two_seconds(program: Write, pace: Pace) -> None:
    child = new_child(program(STEADY))
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(child.keep_running)
            for _ in range(3):
                before = await wait_for_restart(child, None)
                os.kill(before, signal.SIGKILL)
                with pace.within(2):
                    await wait_for_restart(child, before)
            await child.stop()
    assert child.restarts == 3


async def test_a_child_that_keeps_dying_is_restarted_after_longer_and_longer_pauses(
    program: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervisor, "_LONGEST_PAUSE_S", 0.4)
    times = tmp_path / "times"
    child = new_child(
        program(f"""
            with open({str(times)!r}, "a") as file:
                file.write(f"{{time.time()}}\\n")
            ready()
            sys.exit("the disk is on fire")
        """)
    )
    with trio.fail_after(60), capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            await nursery.start(child.keep_running)
            await until(lambda: child.restarts >= 5)
            await child.stop()
    pauses = [entry["again_in_s"] for entry in logs if entry["event"] == "child.ended"]
    assert pauses[:5] == [0, 0.1, 0.2, 0.4, 0.4]
    begun = [float(line) for line in times.read_text().split()]
    waited = [later - earlier for earlier, later in pairwise(begun)]
    assert all(map(ge, waited, pauses))
    assert capfd.readouterr().err.count("the disk is on fire") >= 5


async def test_the_error_for_a_child_that_fails_at_its_first_start_shows_the_last_line_that_the_child_printed(
    program: Write,
) -> None:
    child = new_child(program('print("no such port"); sys.exit(3)', "gateway-1"))
    with trio.fail_after(60), pytest.raises(ChildFailed, match="gateway-1 did not start: no such port"):
        await child.keep_running()


async def test_the_error_for_a_child_that_fails_at_its_first_start_without_output_shows_the_exit_status(
    program: Write,
) -> None:
    with trio.fail_after(60), pytest.raises(ChildFailed, match="status 3 and wrote nothing"):
        await new_child(program("sys.exit(3)")).keep_running()


async def test_the_error_for_a_killed_child_does_not_give_the_last_output_line_as_the_reason(
    program: Write,
) -> None:
    child = new_child(program('print("all is well", flush=True); os.kill(os.getpid(), signal.SIGKILL)'))
    with trio.fail_after(60), pytest.raises(ChildFailed, match=r"did not start: it was killed by SIGKILL$"):
        await child.keep_running()


async def test_a_child_that_waits_for_its_store_at_its_start_is_not_killed(program: Write) -> None:
    child = new_child(program("time.sleep(1); ready(); time.sleep(60)"))
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(child.keep_running)
            assert child.restarts == 0
            await child.stop()


async def test_a_child_that_ignores_sigterm_is_killed_when_its_stop_timeout_has_passed(
    program: Write,
) -> None:
    child = new_child(
        program("signal.signal(signal.SIGTERM, signal.SIG_IGN); ready(); time.sleep(60)", stop_s=0.3)
    )
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(child.keep_running)
            pid = child.pid
            assert pid is not None
            await child.stop()
    assert gone(pid)


async def test_all_output_of_a_stopping_child_is_read(
    program: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    """The child writes more output than a pipe can hold.

    If the supervisor did not read the output, the child would block, and the supervisor would kill it.
    """
    child = new_child(program(CHATTY))
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(child.keep_running)
            await child.stop()
    assert child.words.lines()[-1] == "closing charge point 3999 of four thousand"
    assert "closing charge point 0 of" in capfd.readouterr().err


async def test_secrets_in_the_output_of_a_child_are_masked(
    program: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    child = new_child(program('sys.exit("cannot reach redis://:hunter2@host")'))
    with trio.fail_after(60), pytest.raises(ChildFailed) as caught:
        await child.keep_running()
    assert "hunter2" not in str(caught.value) + capfd.readouterr().err
    assert "redis://***@host" in str(caught.value)


async def test_cancelling_the_supervisor_stops_the_child(program: Write) -> None:
    child = new_child(program(STEADY))
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(child.keep_running)
            pid = child.pid
            assert pid is not None
            nursery.cancel_scope.cancel()
    assert gone(pid)


async def test_the_supervisor_does_not_block_if_nobody_reads_its_stderr(program: Write) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as pipe, os.fdopen(writer, "w") as stderr:
        child = Child(program(CHATTY), drop_when_blocked(stderr))
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                await nursery.start(child.keep_running)
                await child.stop()
        child.words.add("and a last word")  # The test has not read the pipe yet, so this is also dropped.
        first = os.read(pipe.fileno(), 1 << 20)
        child.words.add("now somebody reads")
        second = os.read(pipe.fileno(), 1 << 20)
    assert first.startswith(b"closing charge point 0 ")
    assert b"bytes were not shown)\nnow somebody reads\n" in second
