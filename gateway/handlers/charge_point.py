"""What a handler sees of the charge point that speaks. It can remember and answer, but not call."""

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
    """This moment as OCPP writes it: every answer to a Heartbeat needs one, so the second is spelt once."""
    global _second, _second_text
    second, ms = divmod(now_ms(), 1000)
    if second != _second:
        _second, _second_text = second, timestamps.format_ms(second * 1000)[:-4]
    return f"{_second_text}{ms:03d}Z"


_second, _second_text = 0, ""


@dataclasses.dataclass(slots=True)
class SessionMemory:
    """What a session remembers of its charge point from one call to the next."""

    heartbeat_interval_s: int
    registration: RegistrationStatus | None
    """What its last BootNotification was answered; None: none was ever seen."""
    policy: RegistrationStatus = "Accepted"
    """What a BootNotification would be answered now."""
    strict: bool = False
    triggered: set[str] = dataclasses.field(default_factory=set)
    """What we asked it to send: it may, even while Pending."""
    charging_at: int | None = None
    """The connector, unless its last message about a transaction ended it; of order, never of truth."""
    began: tuple[Start, int] | None = None
    """The last start that it reported, and the transaction."""
    ended: int | None = None
    """The transaction that it stopped last."""
    outcome_stored: trio.Event | None = None
    """Set once its last answer to a call of ours is stored, and all before."""


class ChargePoint(msgspec.Struct, gc=False):
    """The charge point that says something, a call or an answer to ours: one object for each.

    `payload` is the JSON of a call. The handler leaves here what the session acts on: names of faults, and
    the last fact's fence (`newer` ends the session, `lost` makes it take its lease again).
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
        """Milliseconds of a timestamp; None, and a fault, if nothing can be made of it."""
        parsed = timestamps.parse(text)
        self.faults += parsed.faults
        if parsed.ms is not None and (fault := timestamps.find_fault(parsed.ms, now_ms())) is not None:
            self.fault(fault)
        return parsed.ms

    async def catch_up(self) -> None:
        """Wait, 5 s at most, until what it answered before this call is stored; it may speak of that."""
        stored = self.memory.outcome_stored
        if stored is not None and not stored.is_set():
            with trio.move_on_after(CATCH_UP_S):
                await stored.wait()

    def note_fence(self, fence: Fence) -> None:
        if fence != "ok":
            self.fence = fence
