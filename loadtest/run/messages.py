"""What the processes of a run tell each other: msgpack with a length in front, over pipes.

The parent starts each worker with pipes as standard input and output, so that secrets reach a worker without
a command line, an environment or a file.
"""

from typing import Literal

import msgspec
import trio
from msgspec import Struct

from loadtest.correctness.commands import Commanded
from loadtest.measuring.recording import Snapshot
from loadtest.results import Results, read_counter
from loadtest.run.credentials import Secrets
from loadtest.scenario.model import Scenario

_LENGTH_BYTES = 4
_MAX = 1 << 30
_CHUNK = 1 << 16

type Role = Literal["fleet", "operators"]


class Work(Struct, frozen=True, kw_only=True, tag="work"):
    """What one process does. It is the first message that a process gets.

    `part` is the number of this machine's part, from 0, and the number of parts. `first` and `end` are the
    numbers of the first charge point of the process, and of the one after its last. `fleet` has the same
    numbers for the whole part. `directory` is where the process writes journals.
    """

    process: str
    role: Role
    scenario: Scenario
    scale: float
    part: tuple[int, int]
    first: int
    end: int
    fleet: tuple[int, int]
    secrets: Secrets
    source_addresses: int
    directory: str


class Start(Struct, frozen=True, tag="start"):
    """Time 0 of the run, by the monotonic clock that all processes of a machine share.

    `started_at` is the same moment as text, by the system clock.
    """

    at: float
    started_at: str


class Online(Struct, frozen=True, tag="online"):
    """Which charge points of a process can take a command. Bit n is the charge point `first` + n."""

    first: int
    bits: bytes


class Stop(Struct, frozen=True, tag="stop"):
    """End now, and send the results so far."""


class Ready(Struct, frozen=True, tag="ready"):
    """The process waits for `Start`."""


class Progress(Struct, frozen=True, kw_only=True, tag="progress"):
    """How a process is doing, once a second.

    `at` is in seconds since the begin of the run. `lag_s` is how late the process was at most since the
    Progress before, and `cpu_share` is its share of a core since then. `online` says which charge points can
    take a command, as in `Online`. It is empty if the scenario has no commands.
    """

    process: str
    at: float
    charge_points: int
    snapshot: Snapshot
    lag_s: float = 0.0
    cpu_share: float = 0.0
    online: bytes = b""


class Done(Struct, frozen=True, kw_only=True, tag="done"):
    """The last message of a process."""

    results: Results
    commanded: tuple[Commanded, ...] = ()


class Failed(Struct, frozen=True, tag="failed"):
    """The process cannot do its work. `words` say why, and what would be right."""

    words: str


type ToProcess = Work | Start | Online | Stop
type FromProcess = Ready | Progress | Done | Failed


to_process: msgspec.msgpack.Decoder[ToProcess] = msgspec.msgpack.Decoder(ToProcess)
from_process: msgspec.msgpack.Decoder[FromProcess] = msgspec.msgpack.Decoder(
    FromProcess, dec_hook=read_counter
)
_encoder = msgspec.msgpack.Encoder()


class Sender:
    """Sends whole messages, also if several tasks send at once."""

    def __init__(self, stream: trio.abc.SendStream) -> None:
        self._stream = stream
        self._turn = trio.Lock()

    @property
    def is_sending(self) -> bool:
        return self._turn.locked()

    async def send(self, message: ToProcess | FromProcess) -> None:
        """Send a message. Raises trio.BrokenResourceError if the other process has ended."""
        body = _encoder.encode(message)
        async with self._turn:
            await self._stream.send_all(len(body).to_bytes(_LENGTH_BYTES) + body)


class Receiver[T]:
    """Receives messages of one type."""

    def __init__(self, stream: trio.abc.ReceiveStream, decoder: msgspec.msgpack.Decoder[T]) -> None:
        self._stream = stream
        self._decoder = decoder
        self._buffer = bytearray()

    async def receive(self) -> T | None:
        """Return the next message, or None if the other process has ended."""
        head = await self._take(_LENGTH_BYTES)
        if head is None:
            return None
        length = int.from_bytes(head)
        if length > _MAX:
            raise ValueError(f"a message of {length} bytes; the most is {_MAX}")
        body = await self._take(length)
        return None if body is None else self._decoder.decode(body)

    async def _take(self, number: int) -> bytes | None:
        while len(self._buffer) < number:
            try:
                received = await self._stream.receive_some(_CHUNK)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return None
            if not received:
                return None
            self._buffer += received
        taken = bytes(self._buffer[:number])
        del self._buffer[:number]
        return taken
