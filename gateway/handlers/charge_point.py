"""What a handler sees of the charge point that speaks. It can remember and answer, but not call."""

import time
from collections import Counter
from dataclasses import dataclass, field

import trio

from gateway.ocpp16.faults import timestamps
from gateway.ocpp16.messages.core import RegistrationStatus
from state.nodes.leases import Fence, Lease
from state.store import Store
from state.transactions import Start

REMEMBERED_S = 5.0


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


@dataclass(slots=True)
class ChargePoint:
    """`fence` is what the last fact met: `newer` ends the session, `lost` makes it re-adopt its lease."""

    store: Store
    lease: Lease
    heartbeat_interval_s: int
    registration: RegistrationStatus | None
    """What its last BootNotification was answered; None: none was ever seen."""
    policy: RegistrationStatus = "Accepted"
    """What a BootNotification would be answered now."""
    strict: bool = False
    triggered: set[str] = field(default_factory=set)
    """What we asked it to send: it may, even while Pending."""
    charging_at: int | None = None
    """The connector, unless the last it told of a transaction was its end; of order, never of truth."""
    began: tuple[Start, int] | None = None
    """The start that it told last, and the transaction."""
    ended: int | None = None
    """The transaction that it stopped last."""
    payload: bytes = b"{}"
    """Of the call at hand, as JSON."""
    fence: Fence = "ok"
    remembered: trio.Event | None = None
    """Set once its last answer to a call of ours is stored, and all before."""
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def tenant(self) -> str:
        return self.lease.keys.tenant

    @property
    def id(self) -> str:
        return self.lease.keys.id

    @property
    def charging(self) -> bool:
        return self.charging_at is not None

    def fault(self, name: str) -> None:
        self.faults[name] += 1

    def read_time(self, text: str) -> int | None:
        """Milliseconds of a timestamp; None, and a fault, if nothing can be made of it."""
        parsed = timestamps.parse(text)
        self.faults.update(parsed.faults)
        if parsed.ms is not None and (odd := timestamps.oddness(parsed.ms, now_ms())) is not None:
            self.fault(odd)
        return parsed.ms

    async def catch_up(self) -> None:
        """Wait, 5 s at most, until what it answered before this call is stored; it may speak of that."""
        if self.remembered is not None and not self.remembered.is_set():
            with trio.move_on_after(REMEMBERED_S):
                await self.remembered.wait()

    def note_fence(self, fence: Fence) -> None:
        if fence != "ok":
            self.fence = fence
