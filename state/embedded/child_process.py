"""Child processes that end when this process ends, even if this process is killed with SIGKILL.

Children end in this way on Linux only (PR_SET_PDEATHSIG). On other systems a child outlives a parent that was
killed. The signal is tied to the *thread* that forked, so children start from the main thread, which lives as
long as the process.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import SIGKILL, Signals
from typing import IO

import trio

# The launcher runs in the child before the program. Our own Python code must not run between fork and exec,
# because this process may have threads.
_LAUNCHER = """
import ctypes, os, sys
parent, number, *argv = sys.argv[1:]
if sys.platform == "linux":
    if ctypes.CDLL(None, use_errno=True).prctl(1, int(number), 0, 0, 0) != 0:
        sys.exit("prctl(PR_SET_PDEATHSIG) failed: " + os.strerror(ctypes.get_errno()))
    if os.getppid() != int(parent):
        sys.exit("the parent died first")
try:
    os.execvp(argv[0], argv)
except OSError as error:
    sys.exit(f"cannot run {argv[0]}: {error.strerror}")
"""


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdout: int | IO[bytes] | None = subprocess.DEVNULL,
    stderr: int | IO[bytes] | None = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
    dies_by: Signals = SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a child that gets the signal `dies_by` when this process ends, even if SIGKILL ends this process.

    The child has a process group of its own, so that Ctrl-C in the terminal does not interrupt the child.
    Raises RuntimeError outside the main thread, and OSError if the system cannot make a process. If the
    program is missing, the child ends with exit status 1.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "a child was started outside the main thread; "
            "start it there, because a child dies with the thread that started it"
        )
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), str(int(dies_by))]
    return subprocess.Popen(  # noqa: S603  The caller's own program and arguments; no shell.
        [*launcher, *argv],
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        pass_fds=pass_fds,
        process_group=0,
    )


async def wait(child: subprocess.Popen[bytes]) -> int:
    """Wait until the child has ended, and return its exit status, which is negative if a signal ended it.

    If the wait is cancelled, the child runs on.
    """
    if sys.platform != "linux":
        return await trio.to_thread.run_sync(child.wait, abandon_on_cancel=True)
    if child.poll() is None:
        pidfd = os.pidfd_open(child.pid)
        try:
            await trio.lowlevel.wait_readable(pidfd)
        finally:
            trio.lowlevel.notify_closing(pidfd)
            os.close(pidfd)
    return child.wait()  # The child has ended, so the wait returns at once.


def describe(status: int) -> str:
    """Return an exit status in words, such as `killed by SIGKILL` or `exit code 1`."""
    return f"killed by {Signals(-status).name}" if status < 0 else f"exit code {status}"


async def stop(child: subprocess.Popen[bytes], *, patience_s: float) -> None:
    """Send SIGTERM, and SIGKILL if the child still runs after `patience_s`.

    The function returns only when the child is gone, even if the function is cancelled.
    """
    with trio.CancelScope(shield=True):
        if child.poll() is None:
            child.terminate()
            with trio.move_on_after(patience_s):
                await wait(child)
        if child.poll() is None:
            child.kill()
        await wait(child)
