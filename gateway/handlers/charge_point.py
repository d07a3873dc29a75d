"""The charge point as a handler sees it. A handler can store facts and answer, but cannot send calls."""

import dataclasses
import time
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import trio

from gateway.ocpp16.faults import timestamps
from gateway.ocpp16.faults.reading import AsSent
from gateway.ocpp16.faults.table import FaultName
from gateway.ocpp16.messages.core import RegistrationStatus
from state.nodes.leases import Fence, Lease
from state.store import Store
from state.tenants.tenants import SecurityProfile
from state.transactions import Start
from state.transactions import as_sent as stored_parts
from state.transactions.acknowledged import Fact

CATCH_UP_S = 5.0


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def now_text() -> str:
    """Return the present time as OCPP writes it.

    Every answer to a Heartbeat needs this text, so the part without the milliseconds is made only once a
    second.
    """
    global _second, _second_text
    second, ms = divmod(now_ms(), 1000)
    if second != _second:
        _second, _second_text = second, timestamps.format_ms(second * 1000)[:-4]
    return f"{_second_text}{ms:03d}Z"


_second, _second_text = 0, ""


@dataclasses.dataclass(slots=True)
class SessionMemory:
    """The state of the charge point that a session keeps from one call to the next."""

    heartbeat_interval_s: int
    registration: RegistrationStatus | None
    """Answer to the last BootNotification. None means that csms never saw a BootNotification."""
    policy: RegistrationStatus = "Accepted"
    """Answer that a BootNotification would get now."""
    booted: bool = False
    """Whether this session has served a BootNotification."""
    accepted: trio.Event | None = None
    """Event that is set when a BootNotification is accepted. None means that no command is held back."""
    strict: bool = False
    security_profile: SecurityProfile = 0
    """Security profile with which the charge point proved itself when it connected."""
    triggered: frozenset[str] = frozenset()
    """Actions that we asked the charge point to send.

    These actions are allowed even while the registration is Pending.
    """
    charging_at: int | None = None
    """Connector of the last message about a transaction.

    None means that the last message about a transaction was a StopTransaction, or that no message about a
    transaction has come yet. The value follows
    the order of the messages and does not prove that a transaction is running there.
    """
    began: tuple[Start, int] | None = None
    """The last start that the charge point reported, and the id of its transaction."""
    ended: int | None = None
    """Id of the transaction that the charge point stopped last."""
    outcome_stored: trio.Event | None = None
    """Event that is set when all answers to our calls that arrived so far are stored."""


class ChargePoint(msgspec.Struct, gc=False):
    """The charge point whose message is handled, which is a call, or an answer to our call.

    Each message gets its own ChargePoint.

    `payload` is the JSON of the call. The handler adds the faults of the message to `faults`. `fence` is the
    state of the session's lease that the store last returned when a fact was stored. If `fence` is `newer`,
    the session ends. If it is `lost`, the session takes its lease again. `later` has the work that the answer
    does not wait for. `fact` is the start or the stop that the answer acknowledges.
    """

    store: Store
    lease: Lease
    memory: SessionMemory
    payload: bytes = b"{}"
    sent: AsSent | None = None
    faults: list[FaultName] = msgspec.field(default_factory=list)
    fence: Fence = "ok"
    later: tuple[Callable[[], Awaitable[object]], ...] = ()
    fact: Fact | None = None

    @property
    def tenant(self) -> str:
        return self.lease.keys.tenant

    @property
    def as_sent(self) -> stored_parts.AsSent:
        """The parts that are stored beside a repaired fact."""
        sent = self.sent
        if sent is None:
            return stored_parts.NOTHING_REPAIRED
        return stored_parts.read_as_sent(sent.fields, sent.payload)

    @property
    def id(self) -> str:
        return self.lease.keys.id

    def fault(self, name: FaultName) -> None:
        self.faults.append(name)

    def read_time(self, text: str) -> int | None:
        """Count the faults of a timestamp. Return its Unix milliseconds, or None if it cannot be read."""
        parsed = timestamps.parse(text)
        if parsed.faults:
            self.faults += parsed.faults
            self.sent = _show_time(self.sent, text)
        if parsed.ms is not None and (fault := timestamps.find_fault(parsed.ms, now_ms())) is not None:
            self.fault(fault)
        return parsed.ms

    def see_through[*Args](self, work: Callable[[*Args], Awaitable[object]], *args: *Args) -> None:
        """Let the session do this work of a call beside the answer, and repeat it until the store has it.

        If the process ends in between, the work is lost. So this is only for work that something else mends,
        and never for a fact.
        """
        self.later = (*self.later, partial(work, *args))

    @property
    def is_caught_up(self) -> bool:
        """Whether all answers to our calls that arrived so far are stored."""
        return self.memory.outcome_stored is None or self.memory.outcome_stored.is_set()

    async def catch_up(self) -> None:
        """Wait until the charge point's earlier answers are stored, for 5 s at most.

        The current call may refer to something that is stored with such an answer, for example a job.
        """
        stored = self.memory.outcome_stored
        if stored is not None and not stored.is_set():
            with trio.move_on_after(CATCH_UP_S):
                await stored.wait()

    def note_fence(self, fence: Fence) -> None:
        if fence != "ok":
            self.fence = fence


def _show_time(sent: AsSent | None, text: str) -> AsSent:
    """Return the parts as sent with the text of a time that was repaired or not read."""
    fields, payload = sent or AsSent(b"{}")
    shown = msgspec.json.decode(fields, type=dict[str, msgspec.Raw])
    if text:  # The time is empty if the charge point sent none, or a value that `fields` has already.
        shown.setdefault("timestamp", msgspec.Raw(msgspec.json.encode(text[:1_000])))
    return AsSent(msgspec.json.encode(shown), payload)
