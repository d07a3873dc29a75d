"""The calls of a charge point: one at a time, as OCPP-J demands, and the sends that wait for their turn."""

from collections.abc import Callable
from enum import Enum, auto
from typing import Final, NamedTuple

import trio

from gateway.ocpp16.errors import CODES, read_code
from gateway.ocpp16.frames import CallError, CallResult
from gateway.websocket.close_codes import ConnectionClosed
from gateway.websocket.light_client import LightConnection
from loadtest.charge_point.faults import Faults
from loadtest.charge_point.world import World

WAITING_MAX: Final = 64
"""Number of sends that wait for an answer to the call before. Further sends are dropped and counted."""


class Failure(Enum):
    REFUSED = auto()
    """The central system answered with a CALLERROR."""
    UNANSWERED = auto()
    CUT = auto()
    """The connection ended, or the call was never sent."""


type Outcome = bytes | Failure
"""The payload of a CALLRESULT as JSON, or why there is none."""
type Then = Callable[[Outcome], None]


class _Send(NamedTuple):
    """`written` is set for a message that lay in the offline queue."""

    action: str
    payload: bytes
    intended: float
    then: Then | None
    written: float | None


class Calls:
    """`send` sends at once if no call waits for its answer. Each send ends exactly once, by its `then`.

    `write` sends any frame as the faults of the charge point have it.
    """

    __slots__ = (
        "_call",
        "_charge_point",
        "_connection",
        "_faults",
        "_id",
        "_index",
        "_number",
        "_sent",
        "_timed",
        "_waiting",
        "_world",
    )

    def __init__(self, world: World, index: int, id_: str, faults: Faults | None = None) -> None:
        self._world = world
        self._index = index
        self._charge_point = id_
        self._faults = faults
        self._connection: LightConnection | None = None
        self._waiting: list[_Send] = []
        self._number = 0
        self._id = ""
        """Message id of the call that waits for its answer, or empty."""
        self._call: _Send | None = None
        self._sent = 0.0
        self._timed = False
        """Whether the wheel will look after the call. One entry of the wheel serves many calls."""

    @property
    def busy(self) -> bool:
        return self._call is not None or bool(self._waiting)

    def open(self, connection: LightConnection) -> None:
        self._connection = connection

    def close(self) -> None:
        """End everything that waits, because the connection has ended."""
        self._connection = None
        call, self._call, self._id = self._call, None, ""
        waiting, self._waiting = self._waiting, []
        if call is not None:
            self._world.recorder.count("interrupted")
            waiting.insert(0, call)
        for send in waiting:
            if send.then is not None:
                send.then(Failure.CUT)

    def send(
        self,
        action: str,
        payload: bytes,
        intended: float,
        then: Then | None = None,
        *,
        written: float | None = None,
        first: bool = False,
    ) -> None:
        """Send a call that should have been sent at `intended`. With `first`, it overtakes waiting sends."""
        send = _Send(action, payload, intended, then, written)
        if self._connection is None:
            if then is not None:
                then(Failure.CUT)
        elif self._call is None and (first or not self._waiting):
            self._transmit(send, free=True)
        elif first:
            self._waiting.insert(0, send)
        elif len(self._waiting) < WAITING_MAX:
            self._waiting.append(send)
        else:
            self._world.recorder.count("dropped")
            if then is not None:
                then(Failure.CUT)

    def write(self, frame: bytes) -> bool:
        """Send a frame. Returns False if the connection has ended, of which its task learns by itself."""
        if self._connection is None:
            return False
        try:
            if self._faults is None:
                self._connection.send(frame)
            else:
                for changed in self._faults.outgoing(frame):
                    self._connection.send(changed)
        except ConnectionClosed:
            return False
        return True

    def _transmit(self, send: _Send, *, free: bool) -> None:
        self._number += 1
        self._id = id_ = f"{self._index:x}-{self._number:x}"
        self._call = send
        frame = b'[2,"%b","%b",%b]' % (id_.encode(), send.action.encode(), send.payload)
        self._sent = now = trio.current_time()
        if not self.write(frame):
            return
        self._world.recorder.sent(send.intended, now, free=free)
        if not self._timed:
            self._timed = True
            self._world.wheel.at(now + self._world.scenario.fleet.answer_s, self._look)

    def _look(self) -> None:
        """Give up the call if its answer is due, and else look again when it is."""
        self._timed = False
        call = self._call
        if call is None:
            return
        due = self._sent + self._world.scenario.fleet.answer_s
        if due > trio.current_time():
            self._timed = True
            self._world.wheel.at(due, self._look)
            return
        self._call, self._id = None, ""
        self._world.recorder.failed(call.action, "no answer")
        self._end(call, Failure.UNANSWERED)

    def receive(self, answer: CallResult | CallError) -> None:
        """Take an answer of the central system."""
        call, id_ = self._call, str(answer.id)
        if call is None or id_ != self._id:
            self._world.checks.unmatched(self._charge_point, id_)
            return
        now = trio.current_time()
        self._call, self._id = None, ""
        recorder, checks = self._world.recorder, self._world.checks
        if isinstance(answer, CallError):
            code = read_code(answer.code)
            recorder.failed(call.action, code if code in CODES else "an unknown code")
            checks.error(self._charge_point, call.action, code, answer.description or "")
            self._end(call, Failure.REFUSED)
            return
        if call.written is None:
            recorder.answered(call.action, call.intended, self._sent, now)
        else:
            recorder.delivered(call.action, call.written, now)
        payload = bytes(answer.payload)
        checks.answer(self._charge_point, id_, call.action, payload)
        self._end(call, payload)

    def _end(self, call: _Send, outcome: Outcome) -> None:
        if call.then is not None:
            call.then(outcome)
        if self._call is None and self._waiting and self._connection is not None:
            self._transmit(self._waiting.pop(0), free=False)
