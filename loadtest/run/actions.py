"""Commands for the shell at a time of the run, such as the restart of a gateway.

They are the user's own, and run only with --allow-actions.
"""

import os
import signal
import subprocess

import trio

from loadtest.results import ActionReport
from loadtest.scenario.model import ShellAction

OUTPUT_BYTES = 8_000
"""As much of the end of the output is kept."""
_CHUNK = 1 << 16
_AFTER_EXIT_S = 1.0
"""Time for the rest of the output. A process in the background may keep it open for longer."""
_NOT_STARTED = 126
"""Exit code of an action whose shell could not be started, as a shell reports it of a program."""


async def run_action(action: ShellAction, *, begin: float, at: float) -> ActionReport:
    """Run a command at `at` seconds after `begin`, and end all of its processes at its timeout.

    A cancelled call ends them too.
    """
    await trio.sleep_until(begin + at)
    started = trio.current_time()
    try:
        process = await trio.lowlevel.open_process(
            ["/bin/sh", "-c", action.shell],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return ActionReport(
            name=action.name,
            at=started - begin,
            seconds=0.0,
            exit_code=_NOT_STARTED,
            output=f"The shell could not be started: {error.strerror}.",
        )
    output = bytearray()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_read, process, output)
            with trio.move_on_after(action.timeout_s) as limit:
                await process.wait()
            if not limit.cancelled_caught:
                nursery.cancel_scope.deadline = trio.current_time() + _AFTER_EXIT_S
            else:
                nursery.cancel_scope.cancel()
    finally:
        if process.returncode is None:
            with trio.CancelScope(shield=True):
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if process.stdout is not None:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(process.stdout)
    return ActionReport(
        name=action.name,
        at=started - begin,
        seconds=trio.current_time() - started,
        exit_code=None if limit.cancelled_caught else process.returncode,
        output=output.decode(errors="replace"),
    )


async def _read(process: trio.Process, output: bytearray) -> None:
    assert process.stdout is not None  # noqa: S101  it was asked for
    while chunk := await process.stdout.receive_some(_CHUNK):
        output += chunk
        del output[:-OUTPUT_BYTES]
