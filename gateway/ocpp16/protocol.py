"""The exchange of OCPP-J on one connection, without I/O: text frames in, events out.

A Protocol holds the state of one connection: our call that waits for its answer, the last answers that we
gave, and the faults of the peer. A Protocol has no socket, no clock and no source of ids. A Protocol is
driven by a session if its role is the central system, and by the load test if its role is the charge point.
This driver passes in each text frame that was received, the time in seconds and the id of each call. The
driver sends the frames that the Protocol returns.

`receive` reads one frame and returns an event that says what the driver has to do.

IncomingCall means that the peer calls us. The driver makes the answer with `answer` or `refuse` and sends it.
Reply is an answer that the driver only has to send, such as a CALLERROR for an unreadable payload.
CallAnswered and CallRefused mean that our call has ended with a result, or with an error.
Ignored means that there is nothing to send. Ignored.late is the answer to a call that has timed out before.

`call` makes the frame of a call of ours. Only one call may wait for its answer at a time (OCPP-J 4.1.1), and
a second call raises CallOutstanding. `tick` ends and returns a call that has passed its deadline, and then
the next call may be made. Each of our calls ends exactly once, by CallAnswered, by CallRefused or by `tick`.
The peer should also wait for our answer before its next call. If the peer does not wait, its calls are
answered one after another.

A mistake of the peer never raises an exception. `faults` counts each mistake under its name in
faults/table.py, and the driver collects the counts with `take_faults`. In the central system's role, a
Protocol that is not strict tries to repair a payload before it refuses the call (faults/repairs.py). Only a
mistake of the driver raises an exception.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

import msgspec

from gateway.ocpp16 import frames
from gateway.ocpp16.actions import ACTIONS, OF_REQUEST, Sender, actions_of
from gateway.ocpp16.errors import CODES, CallOutstanding, ErrorCode, PayloadInvalid, read_code, shorten
from gateway.ocpp16.faults import malformed_frames, reading, repairs
from gateway.ocpp16.faults.reading import AsSent
from gateway.ocpp16.faults.table import FaultName, FrameRepair
from gateway.ocpp16.frames import DECODE_ERRORS, MESSAGE_ID_LIMIT, MessageId
from gateway.ocpp16.messages.types import Message
from gateway.ocpp16.received import (
    CallAnswered,
    CallRefused,
    Ignored,
    IncomingCall,
    OutgoingCall,
    Received,
    Reply,
)
from gateway.ocpp16.repeats import Repeats

UNREADABLE: Final = "the answer cannot be read: "
"""First words of the description in a CallRefused that is `unreadable`."""


class Role(Enum):
    CENTRAL_SYSTEM = "central system"
    CHARGE_POINT = "charge point"


_INCOMING: Final = {
    Role.CENTRAL_SYSTEM: actions_of(Sender.CHARGE_POINT),
    Role.CHARGE_POINT: actions_of(Sender.CENTRAL_SYSTEM),
}
_PEER: Final = {Role.CENTRAL_SYSTEM: "charge point", Role.CHARGE_POINT: "central system"}
_LATE_KEPT: Final = 4


FACTS: Final = frozenset(fact.__name__ for fact in repairs.FACTS)
"""Actions whose calls are never refused for their content, unless the charge point is strict."""
# One of the two quotes may be lost, and both may be single quotes.
_NAMES_FACT: Final = re.compile("|".join(f"[\"']{name}|{name}[\"']" for name in sorted(FACTS)))
_FRAME_SHOWN: Final = 1_000
_CHANGING: Final = frozenset(FrameRepair.__value__.__args__) - {
    "byte_order_mark",
    "nul_outside_text",
    "frames_joined",
    "mark_after_frame",
    "blank_unknown",
}
"""Repairs of a frame that may change its content."""


def _with_frame(as_sent: AsSent | None, frame: str) -> AsSent:
    """Add the text of a frame whose JSON was repaired."""
    fields = {} if as_sent is None else msgspec.json.decode(as_sent.fields, type=dict[str, msgspec.Raw])
    shown = msgspec.json.encode({**fields, "frame": frame[:_FRAME_SHOWN]})
    return AsSent(shown, b"" if as_sent is None else as_sent.payload)


class Protocol:
    """The state of the exchange on one connection, as the module's docstring explains.

    `strict` turns the repairs off and the checks of formats on. In the charge point's role a Protocol never
    repairs, because the repairs are for the faults of charge points and not for those of a central system.
    """

    __slots__ = (
        "_incoming",
        "_late",
        "_now",
        "_outstanding",
        "_repairs",
        "_repeats",
        "_strict",
        "call_timeout",
        "faults",
        "rest",
        "role",
    )

    def __init__(self, role: Role, *, strict: bool = False, call_timeout: float = 30.0) -> None:
        self.role = role
        self.call_timeout = call_timeout
        self.faults: Counter[FaultName] = Counter()
        """Faults of the peer since the last `take_faults`, with their counts."""
        self.rest = ""
        """Text after the message that `receive` read last, if one text frame held several messages."""
        self._incoming = _INCOMING[role]
        self.strict = strict
        self._outstanding: OutgoingCall | None = None
        self._late: tuple[OutgoingCall, ...] = ()
        self._repeats = Repeats()
        self._now = 0.0

    @property
    def strict(self) -> bool:
        return self._strict

    @strict.setter
    def strict(self, strict: bool) -> None:
        self._strict = strict
        self._repairs = self.role is Role.CENTRAL_SYSTEM and not strict

    # --- In ----------------------------------------------------------------------------------------

    def receive(self, frame: bytes | str, now: float = 0.0) -> Received:
        """Read one text frame and return what the driver has to do. No frame makes this method raise.

        `now` is in seconds, on any clock that does not go back. If `rest` is not empty after that, the driver
        calls `receive` with `rest` next.
        """
        self._now = now
        try:
            message = frames.decode(frame)
        except DECODE_ERRORS:
            return self._receive_malformed(frame)
        if isinstance(message, frames.Call):
            return self._receive_call(message, frame)
        return self._receive_answer(message)

    def _receive_malformed(self, frame: bytes | str) -> Received:
        salvaged = malformed_frames.salvage(frame, repair=self._repairs)
        text = frame if isinstance(frame, str) else frame.decode(errors="replace")
        text, self.rest = text[: len(text) - len(salvaged.rest)], salvaged.rest
        if isinstance(salvaged, malformed_frames.Lost):
            return self._answer_lost(salvaged, text)
        self.faults.update(salvaged.faults)
        message = salvaged.message
        if not isinstance(message, frames.Call):
            return self._receive_answer(message)
        received = self._receive_call(message, text)
        if (
            isinstance(received, IncomingCall)
            and received.action in FACTS
            and _CHANGING & set(salvaged.faults)
        ):
            return msgspec.structs.replace(received, as_sent=_with_frame(received.as_sent, text))
        return received

    def _answer_lost(self, lost: malformed_frames.Lost, text: str) -> Reply | Ignored:
        self.faults[lost.fault] += 1
        unread_fact = self._keep_text(text) if _NAMES_FACT.search(text) else ""
        if lost.id is None:
            return Ignored(lost.fault, unread_fact=unread_fact)
        return Reply(frames.error(lost.id, "FormationViolation", shorten(lost.text), {}), unread_fact)

    def _keep_text(self, text: str) -> str:
        """Return the text of an unreadable fact, which csms keeps unless the charge point is strict."""
        if not self._repairs:
            return ""
        self.faults["fact_kept_as_text"] += 1
        return text

    def _receive_call(self, message: frames.Call, frame: bytes | str) -> IncomingCall | Reply:
        id_ = message.id
        if type(id_) is not str or len(id_) > MESSAGE_ID_LIMIT:
            self.faults["id_too_long" if type(id_) is str else "id_not_text"] += 1
            if not self._repairs or not malformed_frames.may_be_id(id_):
                reply = self._refuse(id_, "FormationViolation", malformed_frames.ID_RULE)
                return self._keep_fact(reply, message.action, frame)
        name = message.action
        action = self._incoming.get(name)
        if action is None:
            name = self._find_name(name)
            action = self._incoming.get(name)
            if action is None:
                return self._keep_fact(self._refuse_action(id_, name), name, frame)
        fingerprint = hash(frame)
        if self._repeats.is_repeat(id_, fingerprint):
            self.faults["repeated_call"] += 1
            if (answer := self._repeats.answer_to(id_, fingerprint, self._now)) is not None:
                return Reply(answer)
        try:
            request, payload, as_sent = self._read(action.request, action.read_request, message.payload)
        except PayloadInvalid as invalid:
            self.faults["payload_invalid"] += 1
            return self._keep_fact(self._refuse(id_, invalid.code, invalid.text), name, frame)
        return IncomingCall(id_, name, request, payload, fingerprint, as_sent)

    def _find_name(self, sent: str) -> str:
        """Return the name of the action, which may have another case or blanks around it."""
        if not self._repairs:
            return sent
        folded = sent.strip().casefold()
        name = next((name for name in self._incoming if name.casefold() == folded), None)
        if name is None:
            return sent
        self.faults["enum_case"] += 1
        return name

    def _keep_fact(self, refusal: Reply, name: str, frame: bytes | str) -> Reply:
        """Add the text of the refused frame to the refusal, if the frame names a fact."""
        if name in ACTIONS and name not in FACTS:
            return refusal
        text = frame if isinstance(frame, str) else frame.decode(errors="replace")
        return Reply(refusal.frame, self._keep_text(text)) if _NAMES_FACT.search(text) else refusal

    def _refuse_action(self, id_: MessageId, name: str) -> Reply:
        if name in ACTIONS:
            self.faults["action_from_wrong_side"] += 1
            text = f"a {_PEER[self.role]} may not send {name}; only a {self.role.value} may"
            return self._refuse(id_, "NotSupported", text)
        self.faults["action_unknown"] += 1
        text = reading.not_one_of(name, tuple(self._incoming), "not an action of OCPP 1.6")
        return self._refuse(id_, "NotImplemented", text)

    def _receive_answer(
        self, message: frames.CallResult | frames.CallError
    ) -> CallAnswered | CallRefused | Ignored:
        id_ = str(message.id)  # A charge point that numbers its calls may return our ids as numbers too.
        call = self._outstanding
        if call is not None and call.id == id_:
            self._outstanding = None
            return self._read_answer(call, message)
        for call in self._late:
            if call.id == id_:
                self._late = tuple(other for other in self._late if other is not call)
                self.faults["late_answer"] += 1
                return Ignored("late_answer", self._read_answer(call, message))
        self.faults["unknown_answer"] += 1
        return Ignored("unknown_answer")

    def _read_answer(
        self, call: OutgoingCall, message: frames.CallResult | frames.CallError
    ) -> CallAnswered | CallRefused:
        if isinstance(message, frames.CallError):
            code = read_code(message.code)
            if code not in CODES:
                self.faults["error_code_unknown"] += 1
            text = shorten(message.description or "")
            return CallRefused(call, shorten(code, 50), text, self._details(message.details))
        action = ACTIONS[call.action]
        try:
            result, payload, _ = self._read(action.result, action.read_result, message.payload)
        except PayloadInvalid as invalid:
            self.faults["answer_invalid"] += 1
            text = shorten(f"{UNREADABLE}{invalid.text}")
            return CallRefused(call, invalid.code, text, unreadable=True)
        return CallAnswered(call, result, payload)

    def _details(self, raw: msgspec.Raw) -> bytes:
        """Return the details of a CALLERROR as JSON, or `{}` if they are null or not valid JSON."""
        details = bytes(raw)
        try:
            return b"{}" if msgspec.json.decode(details) is None else details
        except DECODE_ERRORS:
            self.faults["details_unreadable"] += 1
            return b"{}"

    def _read(
        self, kind: type[Message], decode: Callable[[bytes], Message], raw: msgspec.Raw
    ) -> tuple[Message, bytes, AsSent | None]:
        payload = bytes(raw)
        if payload == b"null":  # OCPP-J 4.2.1 permits null for an empty payload.
            payload = b"{}"
        elif not payload:
            self.faults["payload_missing"] += 1
            if not self._repairs:
                raise PayloadInvalid("FormationViolation", "the payload is missing; send {} if it is empty")
            payload = b"{}"
        if self._strict:
            return repairs.read_strictly(kind, payload), payload, None
        try:
            return decode(payload), payload, None
        except DECODE_ERRORS:
            if not self._repairs:
                return repairs.read_strictly(kind, payload), payload, None  # This raises.
            read = repairs.read_and_repair(kind, payload)
        self.faults.update(read.repairs)
        return read.message, read.payload, read.as_sent

    def _refuse(self, id_: MessageId, code: ErrorCode, text: str) -> Reply:
        return Reply(frames.error(id_, code, shorten(text), {}))

    # --- Out ---------------------------------------------------------------------------------------

    def call(self, request: Message, id: str, now: float, *, timeout: float | None = None) -> bytes:  # noqa: A002  the wire's word
        """Make the frame of a CALL whose answer is due `timeout` seconds after `now`.

        `timeout` None means `call_timeout`. Raises CallOutstanding while another call waits for its answer.
        """
        if self._outstanding is not None:
            raise CallOutstanding(
                f"{self._outstanding.action} waits for its answer; make the next call after that answer"
            )
        name = OF_REQUEST[type(request)].name
        deadline = now + (self.call_timeout if timeout is None else timeout)
        frame = frames.call(id, name, request)
        self._outstanding = OutgoingCall(id, name, request, made=now, deadline=deadline)
        return frame

    def answer(self, call: IncomingCall, result: Message) -> bytes:
        """Make the CALLRESULT, and remember the call, so that a repeat of the call is recognised.

        Call this method only when the answer may be sent, because from then on a repeat may get this answer.
        """
        frame = frames.result(call.id, result)
        self._repeats.keep(call.id, call.action, call.fingerprint, frame, self._now)
        return frame

    def refuse(
        self,
        call: IncomingCall,
        code: ErrorCode,
        description: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Make the CALLERROR. The CALLERROR is not kept, so that a repeat of the call is handled again."""
        return frames.error(call.id, code, shorten(description), details or {})

    # --- Time --------------------------------------------------------------------------------------

    @property
    def outstanding(self) -> OutgoingCall | None:
        return self._outstanding

    def tick(self, now: float) -> OutgoingCall | None:
        """End and return our call if its deadline has passed at `now`. Otherwise return None."""
        call = self._outstanding
        if call is None or now < call.deadline:
            return None
        self._outstanding = None
        self.faults["call_unanswered"] += 1
        self._late = (*self._late[-(_LATE_KEPT - 1) :], call)
        return call

    def take_faults(self) -> Counter[FaultName]:
        """Return the faults counted since the last call of this method, and set the counts to zero."""
        taken, self.faults = self.faults, Counter()
        return taken
