"""Keep child processes alive: start them, wait until they serve, restart them when they end, stop them."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import msgspec
import structlog
import trio

from admin.cli.child_output import ChildFailed, ChildOutput
from state.embedded import child_process

# A child that ends is restarted at once. If the child ends again and again, the pauses are 0.1 s, 0.2 s and
# so on up to 10 s.
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0
_LIVED_S = 10.0
_READY_BYTES_MAX = 65_536

_log = structlog.get_logger("csms.up")


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A program to run.

    If the program has not ended `stop_s` seconds after SIGTERM, it gets SIGKILL.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    stop_s: float = 5.0


class Child:
    """One program that runs or is about to run again.

    The variable CSMS__READY_FD gives the program the descriptor of a pipe. When the program is ready, it
    writes one line of JSON to the pipe. The output of the program goes to `stderr`, which must not block.
    """

    def __init__(self, program: Program, stderr: TextIO) -> None:
        self.program = program
        self.pid: int | None = None
        self.restarts = 0
        self.words = ChildOutput(program.name, stderr)
        self._running = trio.CancelScope()
        self._gone = trio.Event()

    async def keep_running(
        self, *, task_status: trio.TaskStatus[dict[str, Any]] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run the child until `stop` is called or this task is cancelled.

        When the child is ready, `task_status` gets its line of JSON. Must be called in the main thread.
        Raises ChildFailed if the first start fails. If a later start fails, the start is repeated for ever,
        with longer and longer pauses.
        """
        pause = 0.0
        try:
            with self._running:
                while True:
                    begun = trio.current_time()
                    status, was_ready = await self._run_once(task_status)
                    if not was_ready and self.restarts == 0:
                        raise ChildFailed(f"{self.program.name} did not start: {self.words.reason(status)}")
                    lived_s = trio.current_time() - begun
                    pause = 0.0 if lived_s >= _LIVED_S else pause
                    self.restarts += 1
                    _log.error(
                        "child.ended",
                        child=self.program.name,
                        status=child_process.describe(status),
                        lived_s=round(lived_s, 1),
                        again_in_s=pause,
                        last_words=self.words.lines() if status >= 0 else [],
                    )
                    await trio.sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE_S) or _FIRST_PAUSE_S
        finally:
            self._gone.set()

    async def stop(self) -> None:
        """Send SIGTERM, and after `stop_s` seconds SIGKILL.

        Return when the child has ended. The child is not restarted.
        """
        self._running.cancel()
        await self._gone.wait()

    async def _run_once(self, task_status: trio.TaskStatus[dict[str, Any]]) -> tuple[int, bool]:
        ready_out, ready_in = os.pipe()
        words_out, words_in = os.pipe()
        try:
            process = child_process.start(
                self.program.argv,
                env={**self.program.env, "CSMS__READY_FD": str(ready_in)},
                stdout=words_in,
                stderr=words_in,
                pass_fds=[ready_in],
            )
        except BaseException:
            os.close(ready_out)
            os.close(words_out)
            raise
        finally:
            os.close(ready_in)
            os.close(words_in)
        self.pid = process.pid
        was_ready = False

        async def await_ready(pipe: trio.lowlevel.FdStream) -> None:
            nonlocal was_ready
            # There is no limit on this wait, because the child may wait for its store.
            addresses = await _read_ready_line(pipe)
            was_ready = True
            if self.restarts == 0:
                task_status.started(addresses)
            else:
                _log.info("child.restarted", child=self.program.name, pid=process.pid)

        # The output is read in a shielded scope, because a child that drains still writes. If nobody read the
        # pipe, the child would block when the pipe is full.
        listening = trio.CancelScope(shield=True)
        async with (
            trio.lowlevel.FdStream(ready_out) as ready,
            trio.lowlevel.FdStream(words_out) as words,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self.words.listen, words, listening)
            nursery.start_soon(await_ready, ready)
            try:
                await child_process.wait(process)
            finally:
                await child_process.stop(process, patience_s=self.program.stop_s)
                self.pid = None
                listening.deadline = trio.current_time() + 0.5  # The last lines may still be in the pipe.
                nursery.cancel_scope.cancel()
        return process.returncode, was_ready


async def _read_ready_line(pipe: trio.lowlevel.FdStream) -> dict[str, Any]:
    line = b""
    while b"\n" not in line and len(line) <= _READY_BYTES_MAX:
        part = await pipe.receive_some(4096)
        if not part:
            await trio.sleep_forever()  # The child is ending.
        line += part
    return msgspec.json.decode(line.partition(b"\n")[0], type=dict[str, Any])
