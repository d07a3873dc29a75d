import os
import signal
import subprocess
import sys

import pytest
import trio

from state.embedded import child_process
from tests.support.processes import gone
from tests.support.waiting import until

PARENT = """
import sys, time
from state.embedded import child_process
child = child_process.start([sys.executable, "-c", "import time; time.sleep(100)"])
print(child.pid, flush=True)
time.sleep(100)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
async def test_a_child_process_dies_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen(  # noqa: ASYNC220  Trio would start it from a thread.
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert not gone(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    await until(lambda: gone(child))


async def test_a_child_process_cannot_be_started_outside_the_main_thread() -> None:
    with pytest.raises(RuntimeError, match="main thread"):
        await trio.to_thread.run_sync(child_process.start, ["true"])


async def test_waiting_for_a_child_process_returns_the_exit_status_or_1_if_the_program_is_missing() -> None:
    with trio.fail_after(60):
        assert await child_process.wait(child_process.start(["sh", "-c", "exit 7"])) == 7
        missing = child_process.start(["/no/such program"], stderr=subprocess.PIPE)
        assert await child_process.wait(missing) == 1
        assert missing.stderr is not None
        assert b"cannot run /no/such program: No such file" in missing.stderr.read()
        missing.stderr.close()


async def test_a_child_process_is_stopped_with_sigterm_and_later_with_sigkill() -> None:
    with trio.fail_after(60):
        polite = child_process.start(["sleep", "100"])
        await child_process.stop(polite, patience_s=60)
        assert polite.returncode == -signal.SIGTERM
        stubborn = child_process.start(
            ["sh", "-c", "trap '' TERM; echo; while :; do sleep 1; done"], stdout=subprocess.PIPE
        )
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        await child_process.stop(stubborn, patience_s=0.1)
        stubborn.stdout.close()
        assert stubborn.returncode == -signal.SIGKILL


async def test_a_child_process_has_a_process_group_of_its_own() -> None:
    child = child_process.start(["sleep", "100"])
    assert os.getpgid(child.pid) == child.pid
    await child_process.stop(child, patience_s=60)
