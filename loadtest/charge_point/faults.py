"""Faults of real charge points that simulated charge points show on request (`Group.faults`).

FAULTS is THE table of them. Its numbers are those of docs/known-faults.md. Each fault leaves the content of
starts and stops as it is, because the journal of facts must agree with what is stored.

A charge point that has faults passes its handshakes and frames through its `Faults`:

- `handshake` before each connection,
- `outgoing` for each frame that is about to be sent, calls and answers alike,
- `incoming` for each frame that was received.

The charge point itself never learns of a fault. Calls that only a fault makes have message ids of their own,
and their answers end here. Message ids that a fault changes are changed back in the answers.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw, Struct

from gateway.ocpp16 import frames
from loadtest.charge_point import fault_changes as changes
from loadtest.charge_point.fault_changes import Change, Extra, Handshake, Payload, Turn
from loadtest.scenario.model import FaultName

_AWAITED_MAX = 64
_KEPT: Final = frozenset({"StartTransaction", "MeterValues", "StopTransaction"})


class Fault(Struct, frozen=True):
    """`quirk` is the number in docs/known-faults.md, and `meaning` is what the charge point does.

    The other fields say how. `before` and `after` are calls around another call, `change` is for the payloads
    of calls, and `answer` is for the payloads of CALLRESULTs. `deaf` is for calls of the central system.
    """

    quirk: str
    meaning: str
    handshake: Callable[[Handshake], Handshake] | None = None
    before: Extra | None = None
    after: Extra | None = None
    change: Change | None = None
    answer: Callable[[Payload], Any] | None = None
    ids: Literal["short", "number"] | None = None
    empty_frames: bool = False
    deaf: bool = False


class Faults:
    """The faults of one charge point, and what it must remember for them."""

    __slots__ = ("_awaited", "_calls", "_faults", "_ids", "_last", "_number", "_sent")

    def __init__(self, names: Iterable[FaultName]) -> None:
        self._faults = tuple(FAULTS[name] for name in names)
        self._ids = next((fault.ids for fault in self._faults if fault.ids), None)
        self._last: dict[str, Payload] = {}
        self._begin()

    def _begin(self) -> None:
        self._awaited: dict[str, str | None] = {}
        """The charge point's own message id for each changed id, and None for a call that a fault made."""
        self._number = 0
        self._calls = 0
        self._sent = False

    def handshake(self, url: str) -> Handshake:
        """Begin another connection."""
        self._begin()
        handshake = Handshake(url)
        for fault in self._faults:
            if fault.handshake is not None:
                handshake = fault.handshake(handshake)
        return handshake

    def outgoing(self, frame: bytes) -> list[bytes]:
        """Return the frames to send instead of this one, in their order."""
        message = frames.decode(frame)
        if isinstance(message, frames.CallResult):
            return [self._answer(message)]
        if not isinstance(message, frames.Call):
            return [frame]
        payload: Payload = msgspec.json.decode(message.payload)
        turn = Turn(message.action, payload, self._last, not self._sent)
        calls: list[tuple[str | None, str, Payload]] = [(str(message.id), message.action, payload)]
        for fault in self._faults:
            if fault.before is not None:
                calls = [*((None, *call) for call in fault.before(turn)), *calls]
            if fault.after is not None:
                calls += [(None, *call) for call in fault.after(turn)]
        self._sent = True
        if message.action in _KEPT:
            self._last[message.action] = payload
        sent = [self._call(str(message.id), *call) for call in calls]
        if any(fault.empty_frames for fault in self._faults):
            return [each for call in sent for each in (b"", call)]
        return sent

    def incoming(self, frame: bytes) -> bytes | None:
        """Return the frame as the charge point reads it, or None if the charge point ignores it."""
        try:
            message = frames.decode(frame)
        except frames.DECODE_ERRORS:
            return frame
        if isinstance(message, frames.Call):
            self._calls += 1
            return None if self._calls > 1 and any(fault.deaf for fault in self._faults) else frame
        id_ = str(message.id)
        if id_ not in self._awaited:
            return frame
        own = self._awaited.pop(id_)
        if own is None:
            return None
        parts = msgspec.json.decode(frame, type=list[Raw])
        parts[1] = Raw(msgspec.json.encode(own))
        return msgspec.json.encode(parts)

    def _answer(self, message: frames.CallResult) -> bytes:
        payload: Any = msgspec.json.decode(message.payload)
        for fault in self._faults:
            if fault.answer is not None:
                payload = fault.answer(payload)
        return frames.result(message.id, payload)

    def _call(self, replaced: str, own: str | None, action: str, payload: Payload) -> bytes:
        """Make a call. `own` is its message id, or None if a fault makes the call beside `replaced`."""
        changed: Any = payload
        for fault in self._faults:
            if fault.change is not None and changed is not None:
                changed = fault.change(action, changed)
        self._number += 1
        id_ = own or f"{replaced}.{self._number}"
        if self._ids is not None:
            id_ = str(self._number)
        if id_ != own:
            self._awaited[id_] = own
            if len(self._awaited) > _AWAITED_MAX:
                del self._awaited[next(iter(self._awaited))]
        wire = id_ if self._ids == "number" else f'"{id_}"'
        return b"[2,%b,%b,%b]" % (wire.encode(), msgspec.json.encode(action), msgspec.json.encode(changed))


_NULLS: Final[dict[str, Payload]] = {
    "MeterValues": {"transactionId": None},
    "StartTransaction": {"reservationId": None},
    "StatusNotification": {"info": None, "vendorId": None},
}

FAULTS: Final[dict[FaultName, Fault]] = {
    "no_subprotocol": Fault(
        "Q1", "offers no subprotocol; the central system may refuse it", handshake=changes.offer()
    ),
    "many_subprotocols": Fault(
        "Q14",
        "offers ocpp2.0.1 and ocpp1.5 besides ocpp1.6",
        handshake=changes.offer("ocpp2.0.1", "ocpp1.6", "ocpp1.5"),
    ),
    "origin": Fault("Q1", "sends an Origin header as browsers do", handshake=changes.add_origin),
    "double_slash": Fault(
        "Q4", "has two slashes before its id in the path", handshake=changes.at_path(changes.double_slash)
    ),
    "trailing_slash": Fault(
        "Q4", "has a slash after its id in the path", handshake=changes.at_path("{}/".format)
    ),
    "id_twice": Fault(
        "Q5", "appends its id to a path that has the id already", handshake=changes.at_path(changes.id_twice)
    ),
    "empty_frame": Fault("Q15", "sends an empty text frame before each call", empty_frames=True),
    "id_short": Fault("Q20", "numbers its calls, and begins with 1 again on each connection", ids="short"),
    "id_not_text": Fault("Q20", "as id_short, and sends the ids as numbers instead of text", ids="number"),
    "call_unanswered": Fault(
        "Q11", "answers the first call on a connection, and no call after it", deaf=True
    ),
    "early_heartbeat": Fault(
        "Q18",
        "sends a Heartbeat before its BootNotification, and does not wait for the answer",
        before=changes.heartbeat_before_boot,
    ),
    "repeated_start": Fault(
        "Q21",
        "sends each StartTransaction twice at once, with two message ids",
        after=changes.start_again,
    ),
    "repeated_stop": Fault(
        "Q51",
        "sends its last StopTransaction again on each new connection, after the first call",
        after=changes.stop_again,
    ),
    "available_while_charging": Fault(
        "Q22", "reports Available before it stops a transaction", before=changes.available_before_stop
    ),
    "values_after_stop": Fault(
        "Q49", "sends MeterValues of a transaction after its stop", after=changes.values_after_stop
    ),
    "connector_zero": Fault(
        "Q24", "reports the status of a connector for connector 0 too", after=changes.status_of_zero
    ),
    "finishing_error": Fault(
        "Q23",
        "reports Finishing with an error code",
        change=changes.limit_to("StatusNotification", changes.error_if_finishing),
    ),
    "time_no_zone": Fault("Q25", "sends times without a time zone", change=changes.at_times(changes.no_zone)),
    "time_format": Fault(
        "Q26", "sends times with the offset +00 instead of Z", change=changes.at_times(changes.short_offset)
    ),
    "time_seven_digits": Fault(
        "Q29", "sends times with seven decimal places", change=changes.at_times(changes.seven_digits)
    ),
    "time_before_2015": Fault(
        "Q28",
        "reports its statuses with a time in 1970",
        change=changes.overwrite("StatusNotification", {"timestamp": "1970-01-01T00:00:05Z"}),
    ),
    "no_status_time": Fault(
        "Q30",
        "reports its statuses without a time",
        change=changes.limit_to("StatusNotification", changes.without("timestamp")),
    ),
    "null_for_absent": Fault(
        "Q31",
        "sends null for optional fields instead of leaving them out",
        change=lambda action, sent: _NULLS.get(action, {}) | sent,
    ),
    "null_payload": Fault(
        "Q31",
        "sends Heartbeats with null instead of {}",
        change=changes.limit_to("Heartbeat", lambda _sent: None),
    ),
    "empty_value": Fault(
        "Q32",
        'sends the invalid JSON "transactionId":, in MeterValues outside of transactions',
        change=changes.fill_in("MeterValues", {"transactionId": Raw(b"")}),
    ),
    "number_for_text": Fault(
        "Q33",
        "sends the values of meters as numbers instead of text",
        change=changes.at_each_sample(changes.as_number),
    ),
    "empty_samples": Fault(
        "Q34",
        "sends transactionData without samples in StopTransaction",
        change=changes.limit_to("StopTransaction", changes.with_empty_samples),
    ),
    "wrong_context": Fault(
        "Q35",
        "adds a sample with an unknown context to MeterValues",
        change=changes.add_samples({"value": "16", "context": "Sample.Alfen"}),
    ),
    "wrong_unit": Fault(
        "Q36",
        "adds samples with an unknown unit and with null as the unit to MeterValues",
        change=changes.add_samples({"value": "1", "unit": "Watts"}, {"value": "2", "unit": None}),
    ),
    "wrong_phase": Fault(
        "Q39",
        "names the phases of currents L1-N, L2-N and L3-N",
        change=changes.at_each_sample(changes.with_neutral),
    ),
    "unknown_enum": Fault(
        "Q37",
        "reports its statuses with the error code Error",
        change=changes.overwrite("StatusNotification", {"errorCode": "Error"}),
    ),
    "object_for_list": Fault(
        "Q38",
        "sends an object instead of a list with one item in MeterValues",
        change=changes.limit_to("MeterValues", changes.unpack),
    ),
    "required_absent": Fault(
        "Q40", "answers GetConfiguration without the member readonly", answer=changes.without_readonly
    ),
    "transaction_zero": Fault(
        "Q45",
        "sends MeterValues outside of transactions with the transactionId 0",
        change=changes.fill_in("MeterValues", {"transactionId": 0}),
    ),
    "reservation_zero": Fault(
        "Q48",
        "starts each transaction without a reservation with the reservationId 0",
        change=changes.fill_in("StartTransaction", {"reservationId": 0}),
    ),
}
