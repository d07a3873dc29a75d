"""The charge point as a handler sees it. A handler can store facts and answer, but it cannot call."""

import dataclasses
import time

import msgspec
import trio

from gateway.ocpp16.faults import timestamps
from gateway.ocpp16.faults.table import FaultName
from gateway.ocpp16.messages.core import RegistrationStatus
from state.nodes.leases import Fence, Lease
from state.store import Store
from state.transactions import Start

CATCH_UP_S = 5.0


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def now_text() -> str:
    """Return the present time as OCPP writes it.

    Every answer to a Heartbeat needs the time, so the text of a second is formatted only once.
    """
    global _second, _second_text
    second, ms = divmod(now_ms(), 1000)
    if second != _second:
        _second, _second_text = second, timestamps.format_ms(second * 1000)[:-4]
    return f"{_second_text}{ms:03d}Z"


_second, _second_text = 0, ""


@dataclasses.dataclass(slots=True)
class SessionMemory:
    """The state that a session keeps of its charge point from one call to the next."""

    heartbeat_interval_s: int
    registration: RegistrationStatus | None
    """Answer to the last BootNotification. None means that we never saw one."""
    policy: RegistrationStatus = "Accepted"
    """Answer that a BootNotification would get now."""
    strict: bool = False
    triggered: set[str] = dataclasses.field(default_factory=set)
    """Actions that we asked the charge point to send. It may send them even while Pending."""
    charging_at: int | None = None
    """Connector of the last message about a transaction.

    None means that the message was a stop, or that there was no message. The value follows the order of the
    messages and does not prove that the connector charges.
    """
    began: tuple[Start, int] | None = None
    """The last start that the charge point reported, and the id of its transaction."""
    ended: int | None = None
    """Id of the transaction that the charge point stopped last."""
    outcome_stored: trio.Event | None = None
    """Event that is set when the last answer to a call of ours, and all earlier ones, are stored."""


class ChargePoint(msgspec.Struct, gc=False):
    """The charge point that sent a call, or an answer to ours. Each message has its own object.

    `payload` is the JSON of the call. The handler leaves the faults and the fence of the last fact here, and
    the session acts on them: `newer` ends the session, and `lost` makes it take its lease again.
    """

    store: Store
    lease: Lease
    memory: SessionMemory
    payload: bytes = b"{}"
    faults: list[FaultName] = msgspec.field(default_factory=list)
    fence: Fence = "ok"

    @property
    def tenant(self) -> str:
        return self.lease.keys.tenant

    @property
    def id(self) -> str:
        return self.lease.keys.id

    def fault(self, name: FaultName) -> None:
        self.faults.append(name)

    def read_time(self, text: str) -> int | None:
        """Return the Unix milliseconds of a time, or None if it cannot be read, and count its faults."""
        parsed = timestamps.parse(text)
        self.faults += parsed.faults
        if parsed.ms is not None and (fault := timestamps.find_fault(parsed.ms, now_ms())) is not None:
            self.fault(fault)
        return parsed.ms

    async def catch_up(self) -> None:
        """Wait until the charge point's earlier answers are stored, for 5 s at most.

        The call that is being handled may refer to what they began.
        """
        stored = self.memory.outcome_stored
        if stored is not None and not stored.is_set():
            with trio.move_on_after(CATCH_UP_S):
                await stored.wait()

    def note_fence(self, fence: Fence) -> None:
        if fence != "ok":
            self.fence = fence
