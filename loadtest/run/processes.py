"""One process of a run, as its parent sees it."""

import signal
import subprocess
import sys
from contextlib import suppress

import msgspec
import trio

from loadtest.run.messages import (
    Done,
    Failed,
    FromProcess,
    Progress,
    Ready,
    Receiver,
    Sender,
    ToProcess,
    Work,
    from_process,
)

_STDERR_BYTES = 2_000
_CHUNK = 1 << 16
_EXIT_S = 5.0
"""Time that a process has to exit after its last message."""


class Process:
    """A process of the run. `run` starts it, and returns when it has ended.

    `failure` says why it did not do its work. It is None if the process sent its results.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self.ready = trio.Event()
        self.over = trio.Event()
        self.progress: Progress | None = None
        self.done: Done | None = None
        self.failure: str | None = None
        self.heard_at = trio.current_time()
        self._sender: Sender | None = None
        self._process: trio.Process | None = None

    @property
    def name(self) -> str:
        return "the operators' process" if self.work.role == "operators" else f"process {self.work.process}"

    async def run(self) -> None:
        """Run the process until it ends. A cancelled call kills it."""
        # In a session of its own, so that Ctrl-C reaches the parent alone. The end of the parent, however it
        # ends, closes the standard input of the process, and the process then ends.
        try:
            process = self._process = await trio.lowlevel.open_process(
                [sys.executable, "-m", "loadtest.run.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            self.failure = (
                f"{self.name} could not be started ({error.strerror}); give fewer --processes, or give the "
                "machine more memory or a higher limit of processes (`ulimit -u`)"
            )
            self.over.set()
            return
        said = bytearray()
        try:
            assert process.stdin is not None  # noqa: S101  these three were asked for
            assert process.stdout is not None  # noqa: S101
            self._sender = Sender(process.stdin)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_read_end, process, said)
                await self.send(self.work)
                await self._listen(Receiver(process.stdout, from_process))
                nursery.cancel_scope.deadline = trio.current_time() + _EXIT_S
                await process.wait()
                nursery.cancel_scope.deadline = trio.current_time() + _EXIT_S
        finally:
            self.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
                for stream in (process.stdin, process.stdout, process.stderr):
                    if stream is not None:
                        await trio.aclose_forcefully(stream)
            if self.done is None and self.failure is None:
                self.failure = _describe_end(self.name, process.returncode, bytes(said))
            self.over.set()

    async def send(self, message: ToProcess) -> None:
        """Send a message, if the process still listens."""
        if self._sender is not None:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._sender.send(message)

    @property
    def is_sending(self) -> bool:
        return self._sender is not None and self._sender.is_sending

    def give_up(self, why: str) -> None:
        """End the process, if it still runs. `why` says what it did wrong."""
        if not self.over.is_set() and self.done is None:
            self.failure = self.failure or f"{self.name} {why}"
            self.kill()

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _listen(self, receiver: Receiver[FromProcess]) -> None:
        try:
            while (message := await receiver.receive()) is not None:
                self.heard_at = trio.current_time()
                match message:
                    case Ready():
                        self.ready.set()
                    case Progress():
                        self.progress = message
                    case Done():
                        self.done = message
                    case Failed():
                        self.failure = f"{self.name}: {message.words}"
        except (msgspec.DecodeError, ValueError) as error:
            self.failure = f"{self.name} sent something else than a message: {error}"


async def _read_end(process: trio.Process, said: bytearray) -> None:
    """Keep the end of what the process writes to its standard error."""
    assert process.stderr is not None  # noqa: S101  it was asked for
    while chunk := await process.stderr.receive_some(_CHUNK):
        said += chunk
        del said[:-_STDERR_BYTES]


def _describe_end(name: str, code: int | None, said: bytes) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"{name} was ended by {signal.Signals(-code).name} before it sent its results"
    # A traceback of a group has a frame of lines, so only the last line with a word says something.
    lines = [line.strip(" |+-") for line in said.decode(errors="replace").splitlines()]
    last = next((line for line in reversed(lines) if line), "it said nothing")
    return f"{name} ended with code {code} before it sent its results: {last}"
